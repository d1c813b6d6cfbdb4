"""What the Overview says: the stations of the pipeline, the next steps, the sample's loading. No layout."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import streamlit as st

from core.catalogue.records import ClassRecord, Counts, Item
from core.ground.workspace import Workspace
from pages.ui import people, services
from pages.ui.gallery import Group
from pages.ui.i18n import _, decimals, ngettext, number
from pages.ui.pipeline import Pictogram, Station
from pages.ui.tiles import tile


@dataclass(frozen=True)
class Step:
    """One thing to do next, and the page where it is done."""

    title: str
    text: str
    page: str
    link: str
    icon: str
    query: dict[str, str] = field(default_factory=dict)


def stations(
    counts: Counts, classes: Sequence[ClassRecord], workspace: Workspace, *, pages: Collection[str]
) -> list[Station]:
    """The six stations with their live figures; a step without one of our ``pages`` says that it is still to come."""
    full = [record.originals for record in classes if record.originals]
    runs = sum(1 for run in workspace.runs.iterdir() if run.is_dir()) if workspace.runs.is_dir() else 0
    promoted = any(workspace.model.glob("best_efficientnet_triplet.*")) if workspace.model.is_dir() else False
    ready = bool(counts.originals)
    figures: list[tuple[Pictogram, str, str, str, str, str]] = [
        (
            "originals",
            "library",
            _("Originals"),
            number(counts.originals),
            ngettext("{n} class", "{n} classes", counts.classes).format(n=number(counts.classes)),
            _("collected") if ready else _("start here"),
        ),
        (
            "variants",
            "augment",
            _("Augment"),
            number(counts.variants),
            _("written variants"),
            _("written") if counts.variants else _("none yet"),
        ),
        (
            "balance",
            "balance",
            _("Balance"),
            f"{number(min(full))}–{number(max(full))}" if full else "–",
            _("originals a class, from the rarest to the most frequent"),
            _("ratio {n}").format(n=decimals(max(full) / min(full), 1)) if full else "",
        ),
        ("train", "train", _("Train"), number(runs), ngettext("run", "runs", runs), ""),
        ("evaluate", "evaluate", _("Evaluate"), _("yes") if promoted else _("none"), _("promoted model"), ""),
        (
            "identify",
            "identify",
            _("Identify"),
            number(references()),
            _("references to compare with"),
            _("ready") if ready else _("needs originals"),
        ),
    ]
    return [
        Station(pictogram, title, figure, caption, "ready" if ready else "waiting", note, page)
        if page in pages
        else Station(pictogram, title, figure, caption, "absent", _("not in this version yet"))
        for pictogram, page, title, figure, caption, note in figures
    ]


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
    lonely = [record for record in classes if record.originals == 1]
    if lonely:
        text = ngettext(
            "{n} class has a single image: nothing tells how its mark varies from hand to hand.",
            "{n} classes have a single image: nothing tells how their marks vary from hand to hand.",
            len(lonely),
        )
        steps.append(
            Step(
                _("Strengthen the rare classes"),
                text.format(n=number(len(lonely))),
                "library",
                _("Add images"),
                ":material/add_photo_alternate:",
                {"view": "add"},
            )
        )
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


def latest_group(items: Sequence[Item]) -> Group:
    return Group("", "", [tile(item, named=True) for item in items])


def sample_button(key: str) -> None:
    """Draw the sample into the empty workspace, with its progress on the screen."""
    if not st.button(_("Load the sample"), type="primary", icon=":material/science:", key=key, **people.bar()):
        return
    from core.synthesis.sample import make_sample

    bar = st.progress(0.0, _("Drawing the sample…"))

    def report(done: int, total: int) -> None:
        bar.progress(done / total, _("Drawing the sample…") + f" {number(done)} / {number(total)}")

    make_sample(services.workspace(), on_progress=report)
    st.rerun()
