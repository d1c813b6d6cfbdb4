"""Label safety on the Augment page: which classes a policy leads astray, their twins, and what is left out for them.

Measuring is core's: one draw at a time here, every class as a job.
"""

from __future__ import annotations

import streamlit as st

from core.ground.errors import BurinError
from core.variation.checks import Checked, labels_digest, remembered
from core.variation.figures import MOST_CLASSES, safety_map
from core.variation.policies import Policy
from core.variation.safety import WHOLE, Refusal, SafetyReport
from core.variation.sources import Original, originals_of
from core.variation.twins import SYMMETRIES, Twin
from pages.ui import changes, charts, fields, people, services, widgets
from pages.ui.components.gallery import webp_url
from pages.ui.i18n import _, decimals, ngettext, number, percent, sentence, translated
from pages.ui.job_panel import job_panel
from pages.ui.refusals import attempt
from pages.ui.text import esc
from pages.ui.variation.recipe import recipe, title_of

TWINS = 12  # pairs shown at once
PICTURE = 80  # px: two of them and an arrow fit a card


def show(policy: Policy, seed: int) -> None:
    """The check of ``policy``: start it, follow it, read it."""
    st.markdown(
        _(
            "A draw is safe while the model still finds it nearer to its own class than to any other. "
            "What is not safe for a class is left out when its variants are written."
        )
    )
    _tolerance()
    if not policy.steps:
        st.info(_("The policy has no step: there is nothing to check."), icon=":material/verified_user:")
        return
    if services.preparation().active:
        st.info(_("The references are being prepared; the check can start in a moment."), icon=":material/hourglass:")
        return
    space = services.embedder().space
    checked = remembered(services.workspace(), policy, space, _labels())
    _control(policy, seed, checked)
    if checked is not None:
        _report(checked.report)


def _tolerance() -> None:
    """How many unsafe draws a transform may have before it is left out, and what becomes of those draws."""
    held = services.workspace().config().tolerance
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            _(
                "A transform is left out for a class where more than {share} of its draws are not safe. "
                "Below that its single unsafe draws are drawn again, and never written."
            ).format(share=percent(held)),
            width="stretch",
        )
        with st.popover(_("Tolerance"), icon=":material/tune:", type="tertiary", **people.bar("researcher")):
            share = st.number_input(
                _("Unsafe draws tolerated (%)"), 0.0, 50.0, step=1.0, format="%.0f",
                key=fields.fill("augment.tolerance", round(100 * held, 1)), help=_("0: a single unsafe draw is enough to leave a transform out."),
            )  # fmt: skip
            st.caption(_("It holds for everybody, and costs a new check of each policy."))
            widgets.act(
                _("Save"),
                lambda: fields.taken("augment.tolerance") or changes.make(
                    lambda: services.dataset().set_settings(tolerance=round(share / 100, 4)),
                    _("{share} are tolerated now.").format(share=percent(share / 100)), ":material/tune:",
                ),
                key="augment.tolerance_save", icon=":material/save:",
            )  # fmt: skip


def _control(policy: Policy, seed: int, checked: Checked | None) -> None:
    jobs = services.jobs()
    under_way = [job for job in jobs.active("safety") if job.key == _key(policy)]
    if under_way:
        titles = {"checking": _("draws judged")}
        job_panel(
            under_way[0], title=_("Checking every class"), key="augment.safety", ended=lambda job: None, stages=titles
        )
        return
    last = next(iter(jobs.list("safety")), None)
    if last is not None and last.key == _key(policy) and last.state in ("failed", "interrupted") and checked is None:
        st.error(
            esc(sentence(last.error)) if last.error else _("The check did not come to its end."),
            icon=":material/error:",
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        if checked is None:
            state = _("These steps have not been checked on this collection yet.")
        elif checked.current:
            state = ":gray[" + _("Checked on the labels as they are now.") + "]"
        else:
            state = (
                ":orange[:material/history: " + _("The labels or the tolerance have changed since this check.") + "]"
            )
        st.markdown(state, width="stretch")
        widgets.act(
            _("Check again") if checked else _("Check every class"),
            lambda: _start(policy, seed),
            type="secondary" if checked else "primary",
            icon=":material/verified_user:",
            key="augment.check",
            **people.bar(),
        )


def _start(policy: Policy, seed: int) -> None:
    params = {"policy": policy.to_json(), "seed": seed}
    with attempt():
        services.jobs().start("safety", "core.variation.checks:run_check", params, key=_key(policy), alone=True)


def _key(policy: Policy) -> str:
    return f"safety {policy.digest}"


def _report(report: SafetyReport) -> None:
    classes = {row.folder for row in report.rows}
    hit = {refusal.folder for refusal in report.refusals}
    if not hit:
        text = ngettext(
            "No transform is left out for the {n} class.",
            "No transform is left out for any of the {n} classes.",
            len(classes),
        ).format(n=number(len(classes)))
        if unsafe := sum(row.unsafe for row in report.rows):
            tried = ngettext(
                "{unsafe} of {n} draw tried was not safe, which is tolerated; such a draw is not written.",
                "{unsafe} of {n} draws tried were not safe, which is tolerated; such draws are not written.",
                sum(row.draws for row in report.rows),
            )
            text += " " + tried.format(unsafe=number(unsafe), n=number(sum(row.draws for row in report.rows)))
        st.success(text, icon=":material/verified_user:")
    else:
        text = ngettext(
            "{n} class of {all} gets less than the whole policy.",
            "{n} classes of {all} get less than the whole policy.",
            len(hit),
        )
        st.warning(text.format(n=number(len(hit)), all=number(len(classes))), icon=":material/shield:")
    _twins(report)
    _left_out(report)
    st.subheader(_("Each class under each transform"), anchor=False)
    st.caption(
        _(
            "The colour is the worst draw's margin: how much nearer it is to its own class than to the nearest other one. "
            "Red: it landed nearer to another class, in so many of its draws. ✕: left out."
        )
    )
    titles = {name: title_of(name) for name in {row.transform for row in report.rows}} | {WHOLE: _("All together")}
    figure = safety_map(
        report,
        look=charts.look(),
        titles=titles,
        words={
            "margin": _("margin"),
            "unsafe": _("{share} draws nearer to {name}"),
            "out": _("left out before it was tried"),
        },
    )
    st.plotly_chart(figure, key="augment.safety_map", config=charts.CONFIG, alt=_("Margins by class and transform"))
    if len(classes) > MOST_CLASSES:
        st.caption(_("The {n} least safe classes; the table has them all.").format(n=number(MOST_CLASSES)))
    _table(report, titles)


def _twins(report: SafetyReport) -> None:
    """The pairs that a flip or a turn makes of each other, each with its pictures."""
    shown = sorted(report.twins, key=lambda twin: (not twin.genuine, -twin.similarity))
    if not shown:
        return
    st.subheader(_("Twins that this policy reaches"), anchor=False)
    st.caption(_("Flips and turns that lead from one class to another are switched off for it."))
    first = _first_of_each()
    with st.grid(3, min_column_width=260, gap="small"):
        for twin in shown[:TWINS]:
            _twin(twin, first)
    if len(shown) > TWINS:
        with st.expander(_("All {n} of them").format(n=number(len(shown))), icon=":material/list:"):
            for twin in shown[TWINS:]:
                st.markdown(f"**{esc(twin.class_name)}** {_twin_said(twin)} **{esc(twin.twin_name)}**")


def _twin(twin: Twin, first: dict[str, Original]) -> None:
    with st.container(border=True, gap="xsmall"):
        # No columns: each of theirs takes 128 px at least, and the third would be cut off.
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _picture(first.get(twin.folder), twin.class_name)
            st.markdown(":material/arrow_forward:", width="content")
            _picture(first.get(twin.twin_folder), twin.twin_name)
        st.markdown(f"**{esc(twin.class_name)}** {_twin_said(twin)} **{esc(twin.twin_name)}**")
        share = _("{share} of its images, similarity {value}").format(
            share=percent(round(twin.share, 2)), value=decimals(twin.similarity, 2)
        )
        st.caption(share if twin.genuine else share + " · " + _("out of its class, no true twin"))


def _twin_said(twin: Twin) -> str:
    title = SYMMETRIES[twin.symmetry]
    template = _("{how} is") if twin.genuine else _("{how} comes nearer to")
    return esc(template.format(how=translated(title)))


def _picture(original: Original | None, name: str) -> None:
    item = services.dataset().some([original.item_id])[:1] if original and original.item_id is not None else []
    try:
        url = webp_url(services.dataset().thumbnail(item[0]).read_bytes()) if item else ""
    except BurinError:
        url = ""
    if url:
        st.image(url, width=PICTURE, alt=name)
    else:
        st.markdown(":material/hide_image:", width="content")


def _left_out(report: SafetyReport) -> None:
    if not report.refusals:
        return
    st.subheader(_("What is left out, and for whom"), anchor=False)
    by_transform: dict[str, list[Refusal]] = {}
    for refusal in report.refusals:
        by_transform.setdefault(refusal.transform, []).append(refusal)
    classes = {row.folder for row in report.rows}
    for transform, refusals in sorted(by_transform.items(), key=lambda pair: -len(pair[1])):
        text = ngettext("{n} class", "{n} classes", len(refusals)).format(n=number(len(refusals)))
        with st.expander(
            f"**{esc(title_of(transform))}** · {text}", icon=":material/block:", expanded=len(by_transform) == 1
        ):
            for refusal in refusals[:50]:
                st.markdown(f"**{esc(refusal.class_name)}**: {esc(_why(refusal))}")
            if len(refusals) > 50:
                st.caption(_("The table below has them all."))
            if len(refusals) * 2 >= len(classes):
                st.button(
                    _("Take it out of the policy"),
                    icon=":material/remove_circle:",
                    key=f"augment.drop.{transform}",
                    on_click=recipe().without,
                    args=([transform],),
                )


def _why(refusal: Refusal) -> str:
    return {
        "twin": _("it would become {name}").format(name=refusal.towards),
        "out": _("it would leave its class towards {name}").format(name=refusal.towards),
        "draws": _("{share} of the draws are nearer to {name}").format(
            share=percent(round(refusal.share, 2)), name=refusal.towards
        ),
    }[refusal.reason]


def _table(report: SafetyReport, titles: dict[str, str]) -> None:
    rows = sorted(report.rows, key=lambda row: (-row.share, row.worst))
    with st.expander(_("The figures"), icon=":material/table_rows:"):
        widgets.table(
            {
                _("Class"): [row.class_name for row in rows],
                _("Transform"): [titles[row.transform] for row in rows],
                _("Draws"): [row.draws for row in rows],
                _("Nearer to another"): [row.unsafe for row in rows],
                _("Nearest other class"): [row.towards for row in rows],
                _("Moved by"): [round(row.moved, 3) for row in rows],
                _("Mean margin"): [round(row.margin, 3) for row in rows],
                _("Worst margin"): [round(row.worst, 3) for row in rows],
            },
            hide_index=True,
            alt=_("The figures"),
        )
        st.caption(
            _("Moved by: 1 − cosine to the original. Margin: cosine to the own class less that to the nearest other.")
        )


def _labels() -> str:
    return _labels_at(str(services.workspace().root), services.dataset().version)


@st.cache_resource(show_spinner=False, max_entries=4)
def _labels_at(root: str, version: int) -> str:
    return labels_digest(originals_of(services.dataset()))


def _first_of_each() -> dict[str, Original]:
    return _firsts(str(services.workspace().root), services.dataset().version)


@st.cache_resource(show_spinner=False, max_entries=2)
def _firsts(root: str, version: int) -> dict[str, Original]:
    return {original.folder: original for original in reversed(originals_of(services.dataset()))}
