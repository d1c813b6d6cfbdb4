"""The wrong answers of an evaluation by what they come from: a doubtful label, a doubtful reference, or the model.

Each group of (labelled, called) is shown with its images, and each image corrected where it is seen.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from core.catalogue.records import ClassRecord, Item
from core.review.dismissed import Kept, hint_parts
from pages.ui import changes, contents, people, services
from pages.ui.data import dismissing, review
from pages.ui.evaluation import cases, evaluating
from pages.ui.i18n import _, ngettext, number, percent, translated
from pages.ui.links import linked_choice
from pages.ui.text import esc
from pages.ui.tiles import saw, versions

if TYPE_CHECKING:
    from core.evaluation.error_causes import Doubts, Fault, Group
    from core.evaluation.predictions import Predictions
    from core.evaluation.store import Evaluation
    from pages.ui.evaluation.evaluating import Chosen

GROUPS = 8  # groups on one page
LOOKS = {
    "label": ("orange", ":material/label_off:"),
    "reference": ("violet", ":material/link_off:"),
    "model": ("gray", ":material/memory:"),
    "corrected": ("green", ":material/task_alt:"),
}


def doubted() -> Doubts:
    """The labels that their neighbours doubt, without those that somebody called right."""
    from core.evaluation import corrections, error_causes

    opinion = review.opinion()
    found = error_causes.doubts(opinion.labels, opinion.predictions)
    return corrections.unsettled(found, opinion.labels, Kept.read(services.workspace()))


def show(chosen: Chosen, evaluation: Evaluation) -> None:
    """The groups, of all causes or of one."""
    from core.evaluation import error_causes

    predictions = evaluation.predictions
    if not len(predictions.wrong):
        st.success(_("Every image got its own class: there is no error to explore."), icon=":material/check_circle:")
        return
    records = {record.folder: record for record in services.dataset().classes()}
    doubts = doubted()
    class_ids, now = cases.labels_now(predictions, predictions.wrong.tolist())
    found = error_causes.groups(predictions, doubts, class_ids, now=now)
    cause = _cause(found)
    groups = [narrowed for group in found if (narrowed := _of_cause(group, cause)) is not None]
    st.caption(_explained(cause))
    if not doubts.telling:
        st.caption(
            _(
                "The encoder in use agrees with {share} of the labels: too few for it to blame one, so that every error"
                " is put down to the model."
            ).format(share=percent(doubts.agreed))
        )
    if chosen.run_id and evaluation.report.about.space != review.space():
        st.caption(
            _(
                "The answers are those of {name}; what the neighbours say of a label comes from the encoder in use."
            ).format(name=esc(chosen.name))
        )
    pages = max(1, -(-len(groups) // GROUPS))
    page = st.pagination(pages, key="errors.page") if pages > 1 else 1
    for at, group in enumerate(groups[GROUPS * (page - 1) : GROUPS * page]):
        _group(chosen, predictions, group, records, doubts, at)


def _cause(found: list[Group]) -> str:
    faults = [fault for group in found for fault in group.faults]
    names = {"all": _("All"), **_names()}
    counts = {name: sum(name in ("all", fault.cause) for fault in faults) for name in names}
    known = [name for name in names if counts[name] or name == "all"]
    return (
        linked_choice(
            st.segmented_control, _("Likely cause"), known, param="cause", key="errors.cause", default="all", required=True,
            format_func=lambda name: f"{names[name]} ({number(counts[name])})", label_visibility="collapsed", wrap=True,
        )
        or "all"
    )  # fmt: skip


def _names() -> dict[str, str]:
    from core.evaluation.error_causes import CAUSES

    return {**{str(name): translated(title) for name, title in CAUSES.items()}, "corrected": _("Corrected")}


def _explained(cause: str) -> str:
    return {
        "all": _("Grouped by what was asked and what was answered; the most wrong first.")
        + " "
        + _("Every labelled original is already a reference of Identify: nothing has to be added to the gallery."),
        "label": _("The neighbours say the same as the model: look at the label first."),
        "reference": _("The answer leans on a reference whose own label is in doubt: correct that one."),
        "model": _("Label and references look right: the model took one mark for another."),
        "corrected": _(
            "Wrong when it was measured, and corrected or taken away since: evaluate again to see them right."
        ),
    }[cause]


def _of_cause(group: Group, cause: str) -> Group | None:
    faults = tuple(fault for fault in group.faults if cause in ("all", fault.cause))
    return replace(group, faults=faults) if faults else None


def _group(
    chosen: Chosen, predictions: Predictions, group: Group, records: dict[str, ClassRecord], doubts: Doubts, at: int
) -> None:
    own = cases.name_of(records, predictions, predictions.folders[group.true])
    other = cases.name_of(records, predictions, predictions.folders[group.predicted])
    size = ngettext("{n} image", "{n} images", len(group.faults)).format(n=number(len(group.faults)))
    key = f"errors.group.{group.true}.{group.predicted}"
    with st.expander(f"**{esc(own)} → {esc(other)}** · {size}", expanded=at < 2, key=key):
        items = contents.items(fault.sha256 for fault in group.faults)
        record = records.get(predictions.folders[group.true])
        still = [item for item in items.values() if record is not None and item.class_id == record.id]
        saw(still)
        if len(still) > 1 and predictions.folders[group.predicted] in records:
            target = records[predictions.folders[group.predicted]]
            st.button(
                _("Label all {n} {name}").format(n=number(len(still)), name=esc(target.name)), icon=":material/label:",
                key=f"{key}.all", on_click=_relabel, args=([item.id for item in still], target.id, target.name), **people.bar(),
            )  # fmt: skip
        by_row = {fault.row: fault for fault in group.faults}
        cases.show(
            predictions, list(by_row), key=key, preprocessing=evaluating.preprocessing_of(chosen), border=len(by_row) > 1,
            notes={row: _badge(fault) for row, fault in by_row.items()},
            extra=partial(_buttons, predictions, by_row, records, doubts, key),
        )  # fmt: skip


def _badge(fault: Fault) -> str:
    """The likely cause, as Markdown."""
    colour, icon = LOOKS[fault.cause]
    sure = f" · {percent(round(fault.doubt, 2))}" if fault.cause in ("label", "reference") else ""
    return f":{colour}-badge[{icon} {_names()[fault.cause]}{sure}]"


def _buttons(
    predictions: Predictions,
    by_row: dict[int, Fault],
    records: dict[str, ClassRecord],
    doubts: Doubts,
    key: str,
    row: int,
    item: Item,
) -> None:
    """What settles a doubt: the label is right, or the reference gets the class that its neighbours say."""
    fault = by_row[row]
    key = f"{key}.{fault.sha256[:12]}"
    said = records.get(predictions.folders[fault.predicted])
    if fault.cause == "label" and item.class_id is not None and said is not None:
        parts = hint_parts(item.id, item.class_id, doubts.said.get(fault.sha256, said.id))
        st.button(
            _("The label is right"), icon=":material/check:", key=f"{key}.right", type="tertiary",
            on_click=dismissing.keep_all, args=("hint", [parts]), **people.bar(),
        )  # fmt: skip
    if fault.cause == "reference":
        reference = str(predictions.references[row, 0])
        held = contents.items([reference]).get(reference)
        target = next((each for each in records.values() if each.id == doubts.said.get(reference)), None)
        if held is not None and target is not None:
            saw([held])
            st.button(
                _("The reference is {name}").format(name=esc(target.name)), icon=":material/link:", type="tertiary",
                key=f"{key}.reference", on_click=_relabel, args=([held.id], target.id, target.name), **people.bar(),
            )  # fmt: skip


def _relabel(ids: list[int], class_id: int, name: str) -> None:
    text = ngettext("{n} image is now of {name}.", "{n} images are now of {name}.", len(ids)).format(
        n=number(len(ids)), name=name
    )
    changes.make(lambda: services.dataset().relabel(ids, class_id, versions=versions(ids)), text, ":material/label:")
