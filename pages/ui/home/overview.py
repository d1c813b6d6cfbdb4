"""What the Overview says: the stations of the pipeline, the next steps, the sample's loading. No layout."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import streamlit as st

from core.catalogue.records import ClassRecord, Counts, Item
from core.training.run import Run
from pages.ui import people, services
from pages.ui.components.gallery import Group
from pages.ui.components.pipeline import Pictogram, State, Station
from pages.ui.i18n import _, decimals, ngettext, number, percent
from pages.ui.search import model_line
from pages.ui.text import esc
from pages.ui.tiles import tile
from pages.ui.training import actions
from pages.ui.training.words import run_name


@dataclass(frozen=True)
class Step:
    """One thing to do next, and the page where it is done."""

    title: str
    text: str
    page: str
    link: str
    icon: str
    query: dict[str, str] = field(default_factory=dict)


def stations(counts: Counts, classes: Sequence[ClassRecord], *, pages: Collection[str]) -> list[Station]:
    """The six stations with their live figures; a step without one of our ``pages`` says that it is still to come."""
    full = [record.originals for record in classes if record.originals]
    runs = actions.found()
    ready = bool(counts.originals)
    begun: State = "ready" if ready else "waiting"
    later: State = "open" if ready else "waiting"
    figures: list[tuple[Pictogram, str, str, str, str, str, State]] = [
        (
            "originals",
            "library",
            _("Originals"),
            number(counts.originals),
            ngettext("{n} class", "{n} classes", counts.classes).format(n=number(counts.classes)),
            _("collected") if ready else _("start here"),
            begun,
        ),
        (
            "variants",
            "augment",
            _("Augment"),
            number(counts.variants),
            _("written variants"),
            _("written") if counts.variants else _("none yet"),
            "ready" if counts.variants else later,
        ),
        (
            "balance",
            "balance",
            _("Balance"),
            f"{number(min(full))}–{number(max(full))}" if full else "–",
            _("originals a class, from the rarest to the most frequent"),
            _("ratio {n}").format(n=decimals(max(full) / min(full), 1)) if full else "",
            later,
        ),
        (
            "train",
            "train",
            _("Train"),
            number(len(runs)),
            ngettext("run", "runs", len(runs)),
            _trained(runs),
            "ready" if runs else later,
        ),
        ("evaluate", "evaluate", _("Evaluate"), *_promoted(), later if actions.in_use() is None else "ready"),
        (
            "identify",
            "identify",
            _("Identify"),
            number(references()),
            _("references to compare with"),
            _("ready") if references() else _("needs originals"),
            "ready" if references() else "waiting",
        ),
    ]
    return [
        Station(pictogram, title, figure, caption, state, note, page)
        if page in pages
        else Station(pictogram, title, figure, caption, "absent", _("not in this version yet"))
        for pictogram, page, title, figure, caption, note, state in figures
    ]


def _trained(runs: Sequence[Run]) -> str:
    """What the runs came to: one is under way, or the best score."""
    if any(run.state == "running" for run in runs):
        return _("under way")
    scores = [run.record.best["scores"].get("top1") for run in runs if run.record.best]
    best = max((score for score in scores if score is not None), default=None)
    return _("best top-1 {score}").format(score=percent(best)) if best is not None else ""


def _promoted() -> tuple[str, str, str]:
    """Figure, caption and note of the model in use."""
    used = actions.in_use()
    if used is None:
        return _("none"), _("promoted model"), _("untrained")
    run = model_line.run_of(used)
    score = run.record.best["scores"].get("top1") if run is not None and run.record.best else None
    if score is None:
        return _("yes"), _("promoted model"), _("in use")
    return percent(score), _("top-1 of the model in use"), _("in use")


def references() -> int:
    """How many originals can be answered with: those that carry a class."""
    counts = services.dataset().counts()
    return counts.originals - counts.unlabelled


def next_steps(counts: Counts, classes: Sequence[ClassRecord]) -> list[Step]:
    """At most three things worth doing now, the most useful first."""
    steps = [
        Step(
            _("Identify a mark"),
            _("Drop, paste, photograph or draw a mark and read which gravure it is."),
            "identify",
            _("Open Identify"),
            ":material/search:",
        )
    ]
    steps += _training_step(counts)
    steps += _collection_steps(counts, sum(record.originals == 1 for record in classes))
    steps.append(
        Step(
            _("Grow the base"),
            _("Files, a folder or a zip: each file is told how it ended, and nothing is taken in twice."),
            "library",
            _("Add images"),
            ":material/upload:",
            {"view": "add"},
        )
    )
    return steps[:3]


def _collection_steps(counts: Counts, lonely: int) -> list[Step]:
    """What the collection asks for now: images without a class, reports, and so many classes of a single image."""
    steps = []
    if counts.unlabelled:
        text = ngettext("{n} image carries no class yet.", "{n} images carry no class yet.", counts.unlabelled)
        steps.append(
            Step(
                _("Name what has no class"),
                text.format(n=number(counts.unlabelled)),
                "library",
                _("Show them"),
                ":material/label_off:",
                {"unlabelled": "true"},
            )
        )
    if counts.inbox:
        text = ngettext(
            "{n} image was sent from Identify and waits for its class.",
            "{n} images were sent from Identify and wait for their class.",
            counts.inbox,
        )
        steps.append(
            Step(
                _("Marks sent by visitors"),
                text.format(n=number(counts.inbox)),
                "inbox",
                _("Open the inbox"),
                ":material/inbox:",
            )
        )
    if lonely:
        text = ngettext(
            "{n} class has a single image: nothing tells how its mark varies from hand to hand.",
            "{n} classes have a single image: nothing tells how their marks vary from hand to hand.",
            lonely,
        )
        steps.append(
            Step(
                _("Strengthen the rare classes"),
                text.format(n=number(lonely)),
                "library",
                _("Add images"),
                ":material/add_photo_alternate:",
                {"view": "add"},
            )
        )
    return steps


def _training_step(counts: Counts) -> list[Step]:
    """What training asks for now, if anything."""
    found = actions.found()
    used = actions.in_use()

    def step(title: str, text: str, link: str, icon: str, run: Run | None = None) -> list[Step]:
        return [Step(title, text, "train", link, icon, {"run": run.id, "view": "run"} if run else {})]

    for run in found[:1]:
        if run.state == "running":
            text = _("{name} is being trained. It goes on when this page is closed.")
            return step(_("A training is under way"), text.format(name=esc(run_name(run))), _("Watch it learn"),
                        ":material/show_chart:", run)  # fmt: skip
        if run.state == "interrupted" and run.resumable:
            text = _("{name} was interrupted, and can go on from its last whole epoch.")
            return step(_("Go on with the training"), text.format(name=esc(run_name(run))), _("Show the run"),
                        ":material/power_off:", run)  # fmt: skip
    if used is None and (trained := [run for run in found if run.best_path.is_file()]):
        text = ngettext("{n} run has weights, and Identify still uses the untrained encoder.",
                        "{n} runs have weights, and Identify still uses the untrained encoder.", len(trained))  # fmt: skip
        return step(_("Promote a run"), text.format(n=number(len(trained))), _("Show the run"), ":material/verified:",
                    trained[0])  # fmt: skip
    if used is None and not found and counts.classes > 1:
        return step(_("Train a model on these marks"),
                    _("The encoder has not learnt them yet. A training takes minutes, and shows what it gained."),
                    _("Open Train"), ":material/model_training:")  # fmt: skip
    return []


def latest_group(items: Sequence[Item]) -> Group:
    return Group("", "", [tile(item, named=True) for item in items])


def sample_button(key: str) -> None:
    """Lay the sample out in the empty workspace, with its progress on the screen."""
    if not st.button(_("Load the sample"), type="primary", icon=":material/science:", key=key, **people.bar()):
        return
    from core.showcase.sample import load

    stages = {
        "drawing": _("Drawing the sample…"),
        "embedding": _("Looking at its marks…"),
        "measuring": _("Measuring how well they are told apart…"),
    }
    bar = st.progress(0.0, stages["drawing"])

    def report(done: int, total: int, stage: str) -> None:
        bar.progress(done / total if total else 1.0, f"{stages[stage]} {number(done)} / {number(total)}")

    load(services.workspace(), on_progress=report)
    st.rerun()
