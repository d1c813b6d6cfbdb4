"""Which originals the Augment page draws on: one image, one of each rare class, or what was selected elsewhere."""

from __future__ import annotations

from statistics import median

import streamlit as st

from core.catalogue.records import ClassRecord, Item
from pages.ui import services, widgets
from pages.ui.i18n import _, ngettext, number
from pages.ui.links import linked_choice
from pages.ui.state import workbench

RARE = 8  # classes shown
SELECTED = 12


def choose() -> list[Item]:
    """Draw the controls; the originals they mean, at least one where there is any."""
    data = services.dataset()
    classes = [record for record in data.classes() if record.originals]
    selected = [item for item in data.some(workbench().selection) if item.state == "present" and item.class_id]
    rarest = rare(classes)
    ways = {"one": _("One image")}
    if rarest:
        ways["rare"] = _("One of each rare class")
    if selected:
        ways["selection"] = _("Selected ({n})").format(n=number(len(selected)))
    with st.container(horizontal=True, vertical_alignment="center"):
        way = linked_choice(
            st.segmented_control, _("Images"), list(ways), param="of", key="augment.of", default="one",
            required=True, format_func=ways.__getitem__, label_visibility="collapsed",
        )  # fmt: skip
        if way == "one":
            return _one(classes)
    if way == "selection":
        if len(selected) > SELECTED:
            st.caption(_("The first {n} of them.").format(n=number(SELECTED)))
        return selected[:SELECTED]
    if len(rarest) > RARE:
        st.caption(_("The {limit} rarest of {asked} classes.").format(limit=number(RARE), asked=number(len(rarest))))
    return [item for record in rarest[:RARE] for item in data.items(class_id=record.id, limit=1)]


def one_image() -> bool:
    """Whether a single image was chosen by its class, which then stands beside the choice."""
    return st.session_state.get("augment.of", "one") == "one"


def rare(classes: list[ClassRecord]) -> list[ClassRecord]:
    """The classes with fewer originals than the median class, or else the fewest, rarest first; none where all
    have as many."""
    ordered = sorted(classes, key=lambda record: (record.originals, record.name))
    sizes = [record.originals for record in ordered]
    below = max(median(sizes), sizes[0] + 1)
    return [record for record in ordered if record.originals < below] if sizes[0] < sizes[-1] else []


def _one(classes: list[ClassRecord]) -> list[Item]:
    """A class, and a walk through its images; the image is in the URL."""
    data = services.dataset()
    by_name = {record.name: record for record in classes}
    wanted = _from_url()
    if (
        wanted is not None
        and st.session_state.get("augment.class") != wanted.class_name
        and "augment.class" not in st.session_state
    ):
        st.session_state["augment.class"] = wanted.class_name
    if st.session_state.get("augment.class") not in by_name:
        st.session_state["augment.class"] = max(classes, key=lambda record: record.originals).name
    name = st.selectbox(
        _("Class"), list(by_name), key="augment.class", label_visibility="collapsed", width=150, on_change=_first
    )
    record = by_name[name]
    at = 0
    if wanted is not None and wanted.class_id == record.id:
        before = [item.id for item in data.items(class_id=record.id, limit=None)]
        at = before.index(wanted.id) if wanted.id in before else 0
    items = data.items(class_id=record.id, limit=1, offset=at)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
        for key, icon, title, to in (
            ("previous", ":material/chevron_left:", _("Previous image"), at - 1),
            ("next", ":material/chevron_right:", _("Next image"), at + 1),
        ):
            st.button(
                "", icon=icon, key=f"augment.{key}", help=title, on_click=_go, args=(record.id, to),
                disabled=not 0 <= to < record.originals,
            )  # fmt: skip
        text = _("{n} of {all}").format(n=number(at + 1), all=number(record.originals))
        st.markdown(f":gray[{text}]")
    return items


def _from_url() -> Item | None:
    text = st.query_params.get("item", "")
    found = services.dataset().some([int(text)]) if text.isdecimal() and len(text) < 16 else []
    return found[0] if found and found[0].state == "present" and found[0].class_id is not None else None


def _go(class_id: int, offset: int) -> None:
    items = services.dataset().items(class_id=class_id, limit=1, offset=offset)
    if items:
        st.query_params["item"] = str(items[0].id)


def _first() -> None:
    st.query_params.pop("item", None)


def nothing_yet() -> None:
    """What the pages of this section say of a collection without labelled originals."""
    if widgets.being_read():
        return
    unlabelled = services.dataset().counts().unlabelled
    if unlabelled:
        text = ngettext(
            "{n} image waits for its class: variants are made of labelled originals.",
            "{n} images wait for their class: variants are made of labelled originals.",
            unlabelled,
        )
        st.info(text.format(n=number(unlabelled)), icon=":material/label_off:")
        st.page_link("pages/data/label.py", label=_("Label them"), icon=":material/label:")
        return
    st.info(
        _("Variants are made of labelled originals, and there are none yet."),
        title=_("The library is empty"),
        icon=":material/grid_view:",
    )
    st.page_link("pages/data/library.py", label=_("Add images"), icon=":material/upload:", query_params={"view": "add"})
