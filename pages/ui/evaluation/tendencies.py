"""What errors have in common: images that mislead others, images far from all, and traits that go with being wrong.

Each of them leads to its images, and these are corrected where they are seen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from core.ground.config import KINDS
from pages.ui import contents, services, widgets
from pages.ui.data import review, selecting
from pages.ui.evaluation import cases, evaluating
from pages.ui.evaluation.scores import figure, interval
from pages.ui.i18n import _, decimals, ngettext, number, percent, translated
from pages.ui.state import workbench
from pages.ui.text import esc

if TYPE_CHECKING:
    from core.evaluation.store import Evaluation
    from core.evaluation.traits import Tendency
    from core.review.neighbourhood import Neighbourhood
    from pages.ui.evaluation.evaluating import Chosen

PAGE = 48


def hubs(chosen: Chosen, evaluation: Evaluation) -> None:
    """Images that stand among the nearest of many others of another class."""
    from core.evaluation import error_causes

    held = _compared(chosen, evaluation)
    if held is None:
        return
    _seen_by(
        chosen,
        _(
            "Each of these is among the ten nearest of many images of other classes: often a blot, a scribble or a wrong label."
        ),
    )
    notes = {
        hub.sha256: _("misleads {misled} of {times}").format(misled=number(hub.misled), times=number(hub.times))
        for hub in error_causes.hubs(contents.labels(), held)
    }
    _wall(notes, key="hubs", nothing=_("No image misleads more others than it helps."))


def outliers(chosen: Chosen, evaluation: Evaluation) -> None:
    """Images that are like no other."""
    from core.evaluation import error_causes

    held = _compared(chosen, evaluation)
    if held is None:
        return
    _seen_by(
        chosen,
        _("Farther from every other image than images here usually are: the only one of its kind, or no mark at all."),
    )
    notes = {
        outlier.sha256: _("nearest {similarity}").format(similarity=decimals(outlier.similarity, 2))
        for outlier in error_causes.outliers(contents.labels(), held)
    }
    _wall(notes, key="outliers", nothing=_("Every image has others like it."))


def _compared(chosen: Chosen, evaluation: Evaluation) -> Neighbourhood | None:
    """The images as the chosen model compares them; while there is nothing, the page says so."""
    from core.review.neighbourhood import count

    space = evaluation.report.about.space if chosen.run_id else None
    held = review.compared(space)
    if held is None and space and not count(services.dataset(), space):
        st.info(_("The vectors of this run are made when it is evaluated."), icon=":material/query_stats:")
    elif held is None:
        st.info(_("The images are being compared with each other."), icon=":material/hourglass:")
        review.jobs_under_way()
    return held


def _seen_by(chosen: Chosen, text: str) -> None:
    seen = _("Compared as {name} sees them.").format(name=esc(chosen.name)) if chosen.run_id else ""
    st.caption(f"{text} {seen}")


def _wall(notes: dict[str, str], *, key: str, nothing: str) -> None:
    """The images to select among, with their class and a note under each, and what can be done with them."""
    ids = contents.item_ids(notes)
    if not ids:
        st.markdown(f":green-badge[:material/check:] {nothing}")
        return
    bench = workbench()
    # One that was corrected may be none of these any more: it must not be changed again, unseen, with the next ones.
    bench.selection = [one for one in bench.selection if one in set(ids)]
    selecting.actions(ids)
    pages = max(1, -(-len(ids) // PAGE))
    page = st.pagination(pages, key=f"errors.{key}.page") if pages > 1 else 1
    shown = services.dataset().some(ids[PAGE * (page - 1) : PAGE * page])
    opened = selecting.grid(
        shown, version=f"{page}.{hash(tuple(ids))}", key=f"errors.{key}",
        notes={item.id: notes[item.sha256] for item in shown},
    )  # fmt: skip
    if opened:
        st.switch_page("pages/data/library.py", query_params={"item": str(opened)})


def tendencies(chosen: Chosen, evaluation: Evaluation) -> None:
    """Where errors gather, by kind, source, size and stroke width; a row leads to its wrong images."""
    from core.evaluation.traits import FEWEST, TRAITS, Traits
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
    st.caption(
        _("Select a row to see its wrong images. Of fewer than {limit} images nothing is said.").format(
            limit=number(FEWEST)
        )
    )
    for trait, title in TRAITS.items():
        rows = [each for each in found if each.trait == trait]
        if rows or trait == "source":
            st.subheader(translated(title), anchor=False)
        if trait == "source":
            _authorless(recorded=bool((traits.source != "").any()), rows=bool(rows))
        if rows:
            _trait(chosen, evaluation, trait, translated(title), rows)


def _authorless(*, recorded: bool, rows: bool) -> None:
    """What cannot be told by where images came from, and why."""
    if not recorded:
        st.caption(_("Of these images it is not recorded where they came from, nor of any image who drew it."))
    elif rows:
        st.caption(_("Of no image it is recorded who drew it."))
    else:
        st.caption(_("Too few of these images came from the same place. Of no image it is recorded who drew it."))


def _trait(chosen: Chosen, evaluation: Evaluation, trait: str, title: str, rows: list[Tendency]) -> None:
    rows = sorted(rows, key=lambda row: (math.isnan(row.low), row.low, -row.wrong.value))
    key = f"errors.trait.{trait}"
    event = widgets.table(
        {
            title: [_value(row) for row in rows],
            _("Images"): [row.wrong.n for row in rows],
            _("Wrong"): [100 * row.wrong.value for row in rows],
            _("Interval"): [interval(row.wrong) for row in rows],
            _("Telling"): [_verdict(row, rows) if row.telling else "" for row in rows],
        },
        hide_index=True,
        alt=title,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        column_config={_("Wrong"): st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100)},
    )
    for at in event.selection.rows:
        if at < len(rows):  # there were more before it was evaluated again
            _wrong_of(chosen, evaluation, rows[at], key=f"{key}.{at}")


def _wrong_of(chosen: Chosen, evaluation: Evaluation, row: Tendency, *, key: str) -> None:
    text = ngettext(
        "**{value}**: {n} of {total} images is wrong", "**{value}**: {n} of {total} images are wrong", row.wrong.hits
    )
    st.markdown(text.format(value=esc(_value(row)), n=number(row.wrong.hits), total=number(row.wrong.n)))
    cases.show(evaluation.predictions, row.rows, key=key, preprocessing=evaluating.preprocessing_of(chosen))


def _value(row: Tendency) -> str:
    if row.value:
        return widgets.kind_name(row.value) if row.trait == "kind" and row.value in KINDS else row.value
    if row.trait == "stroke":
        low, high = decimals(100 * row.low, 1), figure(row.high)
    else:
        low, high = number(round(row.low)), number(round(row.high))
    return high if row.low == row.high else f"{low} – {high}"


def _verdict(row: Tendency, rows: list[Tendency]) -> str:
    rest = [each for each in rows if each is not row]
    others = sum(each.wrong.hits for each in rest) / max(1, sum(each.wrong.n for each in rest))
    return _("more errors") if row.wrong.value > others else _("fewer errors")
