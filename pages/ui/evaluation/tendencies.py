"""What errors have in common: images that mislead others, images far from all, and traits that go with being wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from core.catalogue.records import Item
from core.ground.config import KINDS
from pages.ui import contents, widgets
from pages.ui.components.gallery import Group, Tile, gallery
from pages.ui.data import review, selecting
from pages.ui.evaluation.scores import figure, interval
from pages.ui.i18n import _, decimals, ngettext, number, percent, translated
from pages.ui.state import workbench
from pages.ui.tiles import source

if TYPE_CHECKING:
    from core.evaluation.store import Evaluation
    from core.evaluation.traits import Tendency

SHOWN = 48


def hubs() -> None:
    """Images that stand among the nearest of many others of another class."""
    from core.evaluation import faults

    held = review.compared()
    if held is None:
        _waiting()
        return
    found = faults.hubs(contents.labels(), held)
    st.caption(
        _(
            "Each of these is among the ten nearest of many images of other classes: often a blot, a scribble or a wrong label."
        )
    )
    notes = {
        hub.sha256: _("misleads {misled} of {times}").format(misled=number(hub.misled), times=number(hub.times))
        for hub in found[:SHOWN]
    }
    _wall(notes, len(found), key="hubs", nothing=_("No image misleads more others than it helps."))


def outliers() -> None:
    """Images that are like no other."""
    from core.evaluation import faults

    held = review.compared()
    if held is None:
        _waiting()
        return
    found = faults.outliers(contents.labels(), held)
    st.caption(
        _("Farther from every other image than images here usually are: the only one of its kind, or no mark at all.")
    )
    notes = {
        outlier.sha256: _("nearest {similarity}").format(similarity=decimals(outlier.similarity, 2))
        for outlier in found[:SHOWN]
    }
    _wall(notes, len(found), key="outliers", nothing=_("Every image has others like it."))


def _waiting() -> None:
    st.info(_("The images are being compared with each other."), icon=":material/hourglass:")
    review.jobs_under_way()


def _wall(notes: dict[str, str], total: int, *, key: str, nothing: str) -> None:
    """The images with a note on each; all can be selected, one opened."""
    items = contents.items(notes)
    if not items:
        st.markdown(f":green-badge[:material/check:] {nothing}")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**" + ngettext("{n} image", "{n} images", total).format(n=number(total)) + "**", width="stretch")
        st.button(
            _("Select them"), icon=":material/select_all:", key=f"errors.{key}.select", on_click=_select,
            args=([item.id for item in items.values()],),
        )  # fmt: skip
    tiles = [
        Tile(item.id, source(item), f"{_named(item)} · {notes[sha256]}", notes[sha256])
        for sha256, item in items.items()
    ]
    version = ".".join(f"{item.id}-{item.ver}" for item in items.values()) + workbench().language
    opened = gallery([Group("", "", tiles)], version=version, key=f"errors.{key}")
    if opened:
        st.switch_page("pages/data/library.py", query_params={"item": str(opened)})
    chosen = set(workbench().selection) & {item.id for item in items.values()}
    if chosen:
        selecting.actions([item.id for item in items.values()])


def _named(item: Item) -> str:
    return item.class_name if item.class_id is not None else _("no class")


def _select(ids: list[int]) -> None:
    workbench().selection = ids


def tendencies(evaluation: Evaluation) -> None:
    """Where errors gather, by kind, source, size and stroke width."""
    from core.evaluation.traits import TRAITS, Traits
    from core.evaluation.traits import tendencies as gathered

    traits = Traits.read(evaluation.folder)
    if traits is None:
        st.info(_("Evaluate again: the traits of the images are measured with it."), icon=":material/straighten:")
        return
    found = gathered(evaluation.predictions, traits)
    predictions = evaluation.predictions
    overall = len(predictions.wrong) / max(1, int(predictions.known.sum()))
    telling = [each for each in found if each.telling]
    st.markdown(
        ngettext(
            "{n} trait goes with more or fewer errors than chance explains; over all images, {share} are wrong.",
            "{n} traits go with more or fewer errors than chance explains; over all images, {share} are wrong.",
            len(telling),
        ).format(n=number(len(telling)), share=percent(overall))
    )
    for trait, title in TRAITS.items():
        rows = [each for each in found if each.trait == trait]
        if rows:
            _trait(trait, translated(title), rows)


def _trait(trait: str, title: str, rows: list[Tendency]) -> None:
    st.subheader(title, anchor=False)
    rows = sorted(rows, key=lambda row: (math.isnan(row.low), row.low, -row.wrong.value))
    st.dataframe(
        {
            title: [_value(row) for row in rows],
            _("Images"): [row.wrong.n for row in rows],
            _("Wrong"): [100 * row.wrong.value for row in rows],
            _("Interval"): [interval(row.wrong) for row in rows],
            _("Telling"): [_verdict(row, rows) if row.telling else "" for row in rows],
        },
        hide_index=True,
        alt=title,
        key=f"errors.trait.{trait}",
        column_config={_("Wrong"): st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100)},
    )


def _value(row: Tendency) -> str:
    if row.value:
        return widgets.kind_name(row.value) if row.trait == "kind" and row.value in KINDS else row.value
    if row.trait == "stroke":
        return f"{decimals(100 * row.low, 1)} – {figure(row.high)}"
    return f"{number(round(row.low))} – {number(round(row.high))}"


def _verdict(row: Tendency, rows: list[Tendency]) -> str:
    rest = [each for each in rows if each is not row]
    others = sum(each.wrong.hits for each in rest) / max(1, sum(each.wrong.n for each in rest))
    return _("more errors") if row.wrong.value > others else _("fewer errors")
