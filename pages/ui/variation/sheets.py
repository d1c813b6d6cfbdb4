"""The Balance page's classes with a single original: each with a sheet to print, and the way back for one that was filled."""

from __future__ import annotations

from functools import partial

import streamlit as st
from PIL import Image
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.ground.errors import BurinError, Conflict
from core.ground.images import SUFFIXES, decode, encode_png, room_for
from core.variation.balance import BalancePlan, ClassPlan
from core.variation.capture import HINT, TITLE, capture_sheet, cut_sheet
from core.variation.sources import Original
from pages.ui import changes, people, services, widgets
from pages.ui.i18n import _, ngettext, number, sentence, translated
from pages.ui.state import workbench
from pages.ui.text import esc
from pages.ui.tiles import picture
from pages.ui.variation import writing
from pages.ui.variation.balancing import kept

SINGLE = 12  # classes with one original shown with their sheet; the further ones folded
SHEETS = 60


def single_classes(made: BalancePlan) -> None:
    """The classes with one original, named for what they are."""
    lonely = [each for each in made.classes if each.count.originals == 1]
    if not lonely:
        return
    title = ngettext("{n} class with a single original", "{n} classes with a single original", len(lonely))
    st.header(title.format(n=number(len(lonely))), anchor=False)
    st.markdown(
        _(
            "Variants of one drawing are that drawing again: they even the bars out, and tell nothing about other hands. "
            "Print a sheet, let people draw the mark, and bring a scan or a photograph of it back: "
            "its filled boxes become images of the class."
        )
    )
    boxes = st.number_input(_("Boxes on a sheet"), 1, SHEETS, 12, **kept("boxes"), width=180)
    by_folder = {o.folder: o for o in writing.stock() if o.folder in {each.count.folder for each in lonely}}
    _cards(lonely[:SINGLE], by_folder, int(boxes))
    if len(lonely) > SINGLE:
        with st.expander(_("All {n} of them").format(n=number(len(lonely))), icon=":material/list:"):
            _cards(lonely[SINGLE:SHEETS], by_folder, int(boxes))


def _cards(lonely: list[ClassPlan], by_folder: dict[str, Original], boxes: int) -> None:
    with st.grid(4, min_column_width=170, gap="small"):
        for each in lonely:
            original = by_folder[each.count.folder]
            items = services.dataset().some([original.item_id]) if original.item_id is not None else []
            with st.container(border=True, gap="xsmall"):
                if items and (url := picture(items[0])):
                    st.image(url, width="stretch", alt=_("The only original of {name}").format(name=each.count.name))
                st.markdown(f"**{esc(each.count.name)}**")
                widgets.download(
                    _("Capture sheet"),
                    partial(_sheet, original, each.count.name, boxes),
                    file_name=f"{each.count.folder}.html",
                    mime="text/html",
                    icon=":material/print:",
                    key=f"balance.sheet.{each.count.folder}",
                    width="stretch",
                )
                with st.popover(
                    _("Bring a filled sheet back"),
                    icon=":material/document_scanner:",
                    type="tertiary",
                    **people.bar(),
                ):
                    _bring_back(each)


def _sheet(original: Original, name: str, boxes: int) -> str:
    try:
        example = decode(original.path)
    except BurinError:
        example = None
    return capture_sheet(
        name, boxes, example=example, title=translated(TITLE), hint=translated(HINT), language=workbench().language
    )


def _bring_back(each: ClassPlan) -> None:
    """The pages of a filled sheet, the boxes cut out of them, and the button that makes them images."""
    uploader = f"balance.filled.{each.count.folder}"
    pages = st.file_uploader(
        _("Scans or photographs of the filled sheet, each with its four corner marks"),
        type=[suffix[1:] for suffix in SUFFIXES],
        accept_multiple_files=True,
        key=workbench().round_of(uploader),
    )
    cut = [(page.name, number_, box) for page in pages for number_, box in enumerate(_boxes(page), start=1)]
    if not cut:
        return
    st.caption(_("What is not ticked is left out."))
    chosen = []
    with st.grid(3, min_column_width=80, gap="small"):
        for position, (name, number_, box) in enumerate(cut):
            with st.container(gap="xsmall"):
                st.image(box, width="stretch", alt=_("Box {n}").format(n=number(position + 1)))
                key = f"{workbench().round_of(uploader)}.{position}"
                if st.checkbox(_("Box {n}").format(n=number(position + 1)), value=True, key=key):
                    chosen.append((f"{name.rpartition('.')[0] or name}_{number_:02}.png", box))
    label = ngettext("Add {n} image to {name}", "Add {n} images to {name}", len(chosen))
    st.button(
        esc(label.format(n=number(len(chosen)), name=each.count.name)),
        type="primary",
        icon=":material/library_add:",
        key=f"{uploader}.add",
        on_click=_add,
        args=(chosen, each.count.name, uploader),
        **people.bar(disabled=not chosen),
    )


def _boxes(page: UploadedFile) -> list[Image.Image]:
    """The filled boxes of a page; where there are none, why is said."""
    try:
        found = _cut(page.name, page.getvalue())
    except BurinError as error:
        st.error(esc(sentence(error)), icon=":material/error:")
        return []
    if not found:
        st.info(_("{name}: nothing is drawn in its boxes.").format(name=esc(page.name)), icon=":material/draw:")
    return found


@st.cache_data(show_spinner=False, max_entries=16)
def _cut(name: str, content: bytes) -> list[Image.Image]:
    with room_for(content):
        return cut_sheet(decode(content, name=name), name=name)


def _add(boxes: list[tuple[str, Image.Image]], class_name: str, uploader: str) -> None:
    """Import the boxes, with Undo."""
    from core.intake.ingest import IncomingFile, import_files

    def act() -> None:
        files = [IncomingFile(name, encode_png(box), class_name=class_name) for name, box in boxes]
        embedder = services.embedder() if services.preparation().stage == "ready" else None
        outcomes = import_files(services.dataset(), files, kind="drawing", embedder=embedder)
        if refused := next((outcome.reason for outcome in outcomes if outcome.reason is not None), None):
            raise refused
        if all(outcome.outcome == "present" for outcome in outcomes):
            raise Conflict(_("All of these boxes are in the library already."))

    text = ngettext("{n} image added to {name}.", "{n} images added to {name}.", len(boxes))
    if changes.make(act, text.format(n=number(len(boxes)), name=class_name), ":material/library_add:"):
        workbench().empty(uploader)
