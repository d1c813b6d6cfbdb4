"""What exists, what to do next: the pipeline as a picture with live figures, and the first-run choices."""

import streamlit as st

from pages.ui import services, widgets
from pages.ui.components.gallery import gallery
from pages.ui.components.pipeline import pipeline
from pages.ui.home import overview, seeing, try_this
from pages.ui.i18n import _, ngettext, number
from pages.ui.state import workbench

PAGES = {  # what the picture and the next steps open: a page that is added is named here
    "library": "pages/data/library.py",
    "inbox": "pages/data/inbox.py",
    "augment": "pages/data/augment.py",
    "balance": "pages/data/balance.py",
    "train": "pages/model/train.py",
    "evaluate": "pages/model/evaluate.py",
    "identify": "pages/search/identify.py",
}
LATEST = 16

data = services.dataset()
counts = data.counts()
classes = data.classes()


def _headline() -> None:
    """How much there is; it moves while images are being taken in."""
    counts = services.dataset().counts()
    if services.importing():
        text = _("{originals} in {classes} so far: an import is under way.")
    elif not counts.originals:
        st.markdown(_("Burin reads the small engraved marks of lenses: give it examples, then show it a mark."))
        return
    elif counts.unlabelled:
        text = _("{originals} in {classes}; {n} of them without a class yet.")
    else:
        text = _("{originals} in {classes}, ready to be recognised.")
    st.markdown(
        text.format(
            originals=widgets.originals(counts.originals, counts.variants),
            classes=ngettext("{n} class", "{n} classes", counts.classes).format(n=number(counts.classes)),
            n=number(counts.unlabelled),
        )
    )


st.title(_("From the mark to its name"))
widgets.live(_headline)

if not counts.originals and not services.preparation().active and not services.importing():
    st.header(_("Start here"))
    sample, own = st.columns(2, border=True)
    with sample:
        st.subheader(_("Try it with a sample"), anchor=False)
        st.markdown(
            _(
                "24 classes of marks drawn by Burin: some frequent, some rare, mirror twins among them. "
                "Removed in one click."
            )
        )
        overview.sample_button("overview.sample")
    with own:
        st.subheader(_("Bring your own images"), anchor=False)
        st.markdown(_("Drawings, scans or photographs: files, a folder with one sub-folder a class, or a zip of it."))
        if st.button(_("Add images"), icon=":material/upload:", key="overview.add"):
            st.switch_page(PAGES["library"], query_params={"view": "add"})

try_this.show()

stations = overview.stations(counts, classes, pages=PAGES)
opened = pipeline(stations, label=_("The pipeline"), key="overview.pipeline")
if opened:
    st.switch_page(PAGES[opened])

if counts.originals:
    st.header(_("What to do next"))
    steps = overview.next_steps(counts, classes)
    for column, step in zip(st.columns(len(steps), border=True), steps, strict=True):
        with column, st.container(height="stretch", gap="xsmall"):
            st.subheader(step.title, anchor=False)
            with st.container(height="stretch"):
                st.write(step.text)
            st.page_link(PAGES[step.page], label=step.link, icon=step.icon, query_params=step.query)

    if seeing.to_propose():
        st.header(_("How pictures are seen"))
        seeing.section(key="overview.seeing")

    st.header(_("Latest images"))
    latest = data.items(order="newest", limit=LATEST)
    opened_item = gallery(
        [overview.latest_group(latest)], version=f"{data.version}.{workbench().language}", key="overview.latest"
    )
    if opened_item:
        st.switch_page(PAGES["library"], query_params={"item": str(opened_item)})
