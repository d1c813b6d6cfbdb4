"""What a training of these settings means before it starts: the split, what leaks, what cannot be measured, the
batches, label safety, the time; and Start, which needs each danger to be meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.collection.looks import Looks
from core.ground import extras
from core.ground.errors import BurinError
from core.training.audit import LeakAudit, audit
from core.training.initial_network import origin
from core.training.prepare import deal
from core.training.runs import default_name
from core.training.sampling import PlannedSampling, plan_sampling
from core.training.settings import TrainSettings
from core.training.splits import Split, near_duplicate_groups
from core.variation.checks import labels_digest, remembered
from core.variation.safety import looked_at
from core.variation.sources import Original, by_class
from core.variation.variants import Manifest
from pages.ui import charts, leaks, people, services, widgets
from pages.ui.i18n import _, decimals, ngettext, number, sentence
from pages.ui.state import workbench
from pages.ui.text import esc
from pages.ui.training import actions
from pages.ui.training.draft import draft
from pages.ui.training.time_estimate import estimate
from pages.ui.training.words import duration
from pages.ui.variation import writing

MOST = 4000  # originals that are compared here for near-duplicates; with more, the run does it
NAMED = 8
SEEDS = 20  # that are trained with one click at most


@dataclass(frozen=True)
class Plan:
    """What would be done; without an ``audit``, that is made when the run starts. ``written``: how many variants of
    the training originals are trained on too, None where none are asked for."""

    split: Split
    audit: LeakAudit | None
    sampling: PlannedSampling
    written: int | None = None


def show(fields: Mapping[str, Any]) -> None:
    """The card beside the form: everything that follows from ``fields``, and Start."""
    with st.container(border=True, key="train.plan"):
        st.subheader(_("What will happen"), anchor=False)
        try:
            settings = draft().base.with_(**fields)
            plan = _plan(settings)
        except BurinError as error:
            st.error(esc(sentence(error)), icon=":material/error:")
            _start(None, leaky=False, unsafe=False)
            return
        originals = writing.stock()
        _sides(plan, originals)
        _unmeasured(plan, originals)
        _variants(plan)
        _batches(plan, settings)
        unsafe, looked_at = _safety(settings, originals)
        _time(plan, settings, len(originals), looked_at)
        _start(settings, leaky=plan.audit is not None and bool(plan.audit.findings), unsafe=unsafe)


def not_installed() -> None:
    """What the Train page says where PyTorch is not installed."""
    st.info(
        _("Training needs PyTorch, which is not installed here (about {size} GB). In Burin's folder, type:").format(
            size=decimals(extras.SIZE_GB, 1)
        ),
        title=_("Training is not installed"),
        icon=":material/download:",
    )
    st.code(extras.COMMAND, language="shell")
    st.caption(_("Everything else works without: a trained network that was promoted is used as it is."))


def nothing_yet() -> None:
    """What the Train page says of a collection without labelled originals."""
    counts = services.dataset().counts()
    if widgets.being_read():
        return
    st.info(
        _("A network learns from labelled originals, of two classes at least, and there are none yet."),
        title=_("Nothing to learn from"),
        icon=":material/model_training:",
    )
    if counts.unlabelled:
        st.page_link("pages/data/label.py", label=_("Label them"), icon=":material/label:")
    st.page_link("pages/data/library.py", label=_("Add images"), icon=":material/upload:", query_params={"view": "add"})


def _plan(settings: TrainSettings) -> Plan:
    data = services.dataset()
    before = origin(settings, data.workspace)
    asked = (settings.seed, settings.validation, settings.test, settings.held_out, settings.folds, settings.fold)
    now = (str(data.workspace.root), data.version, writing.stamp())
    split, found = _dealt(*now, asked, before.id if before else "", settings)
    trained = {original.sha256: original.folder for original in split.of(writing.stock(), "train")}
    counts = Counter(trained.values())
    written = None
    if settings.source == "variants":
        parents = [each.original_sha256 for each in writing.written()[1] if each.original_sha256 in trained]
        counts.update(trained[parent] for parent in parents)
        written = len(parents)
    policy = settings.drawn
    sampling = plan_sampling(
        list(counts.values()), classes_per_batch=settings.classes_per_batch,
        images_per_class=settings.images_per_class, steps=settings.steps,
        varied=policy is not None and bool(policy.steps),
    )  # fmt: skip
    return Plan(split, found, sampling, written)


@st.cache_resource(show_spinner=False, max_entries=8)
def _dealt(
    root: str,
    version: int,
    stamp: int,
    asked: tuple[float, ...],
    before: str,
    _settings: TrainSettings,
) -> tuple[Split, LeakAudit | None]:
    """The split, and what leaks in it; of a large collection that is looked for by the run itself. ``asked``: all of the
    settings that it hangs on."""
    originals = writing.stock()
    few = len(originals) <= MOST
    groups = _groups(root, version) if few else None
    split = deal(_settings, origin(_settings, services.workspace()), originals, groups)
    manifest = Manifest(services.workspace().augmented)
    return split, audit(split, originals, groups=groups, manifest=manifest) if few else None


@st.cache_resource(show_spinner=False, max_entries=2)
def _groups(root: str, version: int) -> dict[str, int]:
    with st.spinner(_("Comparing the images with one another…")):
        known = Looks.of(services.workspace())
        return near_duplicate_groups(writing.stock(), known=known)


def _sides(plan: Plan, originals: Sequence[Original]) -> None:
    counts = plan.split.counts()
    total = max(1, sum(counts.values()))
    names = {"train": _("training"), "validation": _("validation"), "test": _("test")}
    look = charts.look()
    colours = {"train": look.accent, "validation": look.second, "test": look.soft}
    shown = {side: n for side, n in counts.items() if n}
    bar = {
        "height": 20,
        "mark": {"type": "bar", "height": 16},
        "encoding": {
            "x": {"field": "n", "type": "quantitative", "stack": "zero", "axis": None, "scale": {"domain": [0, total]}},
            "color": {
                "field": "side", "type": "nominal", "legend": None,
                "scale": {"domain": [names[s] for s in shown], "range": [colours[s] for s in shown]},
            },
            "order": {"field": "place", "type": "quantitative"},
            "tooltip": [{"field": "side", "title": " "}, {"field": "n", "title": _("originals")}],
        },
        "config": {"view": {"stroke": None}},
        "padding": 0,
    }  # fmt: skip
    rows = {
        "side": [names[side] for side in shown],
        "n": list(shown.values()),
        "place": list(range(len(shown))),
    }
    tones = {"train": "primary", "validation": "blue", "test": "gray"}
    st.markdown(
        " ".join(f":{tones[side]}[■]\u00a0{names[side]}\u00a0**{number(n)}**\u2003" for side, n in counts.items())
    )
    st.vega_lite_chart(rows, bar, key="train.split", alt=_("Originals on each side"))
    if plan.audit is None:
        st.caption(_("Near-duplicates and leaks are looked for when the run starts."))
        return
    st.markdown(leaks.badge(plan.audit) + " :gray[:small[" + _("Near-duplicates stay on one side.") + "]]")
    if not plan.audit.clean:
        with st.expander(
            _("What leaks") if plan.audit.findings else _("What is not known"), icon=":material/water_drop:"
        ):
            leaks.findings(plan.audit)


def _unmeasured(plan: Plan, originals: Sequence[Original]) -> None:
    """Classes that are trained and cannot be measured, by name."""
    measured = {o.folder for o in originals if plan.split.side[o.sha256] != "train"}
    names = {o.folder: o.class_name for o in originals}
    out = sorted(name for folder, name in names.items() if folder not in measured)
    if not out:
        return
    text = ngettext(
        "{n} class is trained on and cannot be measured, having too few originals:",
        "{n} classes are trained on and cannot be measured, having too few originals:",
        len(out),
    ).format(n=number(len(out)))
    listed = ", ".join(esc(name) for name in out[:NAMED]) + ("…" if len(out) > NAMED else "")
    st.markdown(f":orange[:material/rule:] {text} {listed}")


def _variants(plan: Plan) -> None:
    """What is trained on besides the originals, where written variants are asked for."""
    if plan.written is None:
        return
    if not plan.written:
        none = BurinError("There are no written variants: the originals alone are trained on, as they are.")
        st.markdown(f":orange[:material/info:] {esc(sentence(none))}")
        st.page_link("pages/data/augment.py", label=_("Write variants"), icon=":material/auto_awesome_motion:")
        return
    text = ngettext(
        "With {n} variant written from the training originals: {all} training images.",
        "With {n} variants written from the training originals: {all} training images.",
        plan.written,
    )
    images = plan.written + plan.split.counts()["train"]
    st.markdown(":material/auto_awesome_motion: " + text.format(n=number(plan.written), all=number(images)))


def _batches(plan: Plan, settings: TrainSettings) -> None:
    drawn = plan.sampling
    st.markdown(
        ":material/grid_on: "
        + _("Batches of {p} classes × {k} images; {steps} an epoch, {all} in all.").format(
            p=number(drawn.classes), k=number(drawn.images), all=number(drawn.steps * settings.epochs),
            steps=ngettext("{n} step", "{n} steps", drawn.steps).format(n=number(drawn.steps)),
        )
    )  # fmt: skip
    for warning in drawn.warnings:
        st.markdown(f":orange[:material/info:] {esc(sentence(warning))}")


def _safety(settings: TrainSettings, originals: Sequence[Original]) -> tuple[bool, int]:
    """Say what is left out of the policy for which class; whether something is, and how many pictures are to be looked
    at before that is known."""
    policy = settings.drawn
    if policy is None or services.preparation().stage != "ready":
        return False, 0
    checked = remembered(services.workspace(), policy, services.embedder().space, labels_digest(writing.stock()))
    if checked is None or not checked.current:
        st.markdown(":material/shield: " + _("The policy is checked for label safety first, class by class."))
        return bool(policy.steps), looked_at(policy, [len(own) for own in by_class(originals).values()])
    out = {refusal.folder for refusal in checked.report.refusals}
    if not out:
        st.markdown(":green[:material/verified_user:] " + _("The policy is safe for every class."))
        return False, 0
    text = ngettext(
        "For {n} class, transforms that would lead it astray are left out.",
        "For {n} classes, transforms that would lead them astray are left out.",
        len(out),
    )
    st.markdown(f":material/shield: {text.format(n=number(len(out)))}")
    return True, 0


def _time(plan: Plan, settings: TrainSettings, originals: int, looked_at: int) -> None:
    guess = estimate(settings, plan.sampling, originals=originals, looked_at=looked_at)
    if guess is None:
        return
    time = duration(guess.seconds)
    said = (
        _("About **{time}**, as in the last run of this network.").format(time=time)
        if guess.measured
        else _("About **{time}** on this machine; the first epoch will tell.").format(time=time)
    )
    if guess.check >= 1:
        said += " " + _("{time} of it are for the label-safety check, which is made once.").format(
            time=duration(guess.check)
        )
    st.markdown(f":material/schedule: {said}")


def _start(settings: TrainSettings | None, *, leaky: bool, unsafe: bool) -> None:
    """Name and Start; what is dangerous has to be meant."""
    line = actions.queue().line()
    waits = bool(services.jobs().active(actions.KIND) or line.waiting or line.held)
    may = actions.allowed()
    name = st.text_input(
        _("Name of the run"), key=workbench().round_of("train.name"), max_chars=80,
        placeholder=default_name(settings, actions.runs().next_number()) if settings is not None else "",
    )  # fmt: skip
    meant_leaks = leaky and st.checkbox(
        _("Train in spite of the leaks: every score of this run will carry a red badge"), key="train.leaks"
    )
    meant_safety = unsafe and st.checkbox(
        _("Use the whole policy for every class, also where it makes one mark into another"), key="train.safety"
    )
    seeds = st.number_input(
        _("Seeds"), 1, SEEDS, 1, key=workbench().round_of("train.seeds"), width=160,
        help=_("So many trainings one after another, each with the next seed: what differs between them is chance."),
    )  # fmt: skip

    def begin() -> None:
        if settings:
            actions.start(settings, name=name, leaks=bool(meant_leaks), safety=bool(meant_safety), seeds=int(seeds))

    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.act(
            _("Add to the queue") if waits else _("Start training"),
            begin,
            type="primary",
            icon=":material/playlist_add:" if waits else ":material/play_arrow:",
            key="train.start",
            disabled=settings is None or not may or (leaky and not meant_leaks),
        )
        if not may:
            st.markdown(f":gray[{esc(people.reason(actions.RESEARCHER))}]")
        elif line.held:
            st.markdown(":gray[" + _("The queue is held: nothing begins before it is let go.") + "]")
        elif waits:
            st.markdown(":gray[" + _("One training at a time: this one begins when those before it are over.") + "]")
