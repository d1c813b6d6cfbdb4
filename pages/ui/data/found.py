"""What waits for a second look on the Quality page, and the check that opens every image to find more of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.ground.job import Job
from core.review import quality, sights
from core.review.dismissed import Kept, hint_parts
from core.sight.doubts import Doubt
from pages.ui import people, services
from pages.ui.data import journal_entries, review
from pages.ui.i18n import _
from pages.ui.job_panel import job_panel, last_of


@dataclass(frozen=True)
class Lists:
    """Everything that waits for a second look, after what is settled or kept was taken out."""

    hints: list[list[quality.Hint]]
    exact: list[list[int]]
    near: list[list[int]]
    odd: dict[str, list[int]]
    sights: dict[int, list[Doubt]]
    twins: list[list[quality.TwinPair]]
    findings: quality.Findings | None
    kept: Kept
    compared: bool  # nothing is under way of which more doubts may come

    def sizes(self) -> dict[str, int]:
        odd = sum(map(len, self.odd.values()))
        return {
            "labels": len(self.hints),
            "copies": len(self.exact) + len(self.near),
            "look": odd,
            "sights": len(self.sights),
            "twins": len(self.twins),
        }


def gather() -> Lists:
    """Read the findings, and leave out what is no longer so."""
    opinion, workspace = review.opinion(), services.workspace()
    kept, findings = Kept.read(workspace), quality.Findings.read(workspace)
    labels = opinion.labels
    ids_of: dict[bytes, list[int]] = {}
    if findings:
        for sha256, item_id in zip(labels.sha256.tolist(), labels.item_ids.tolist(), strict=True):
            ids_of.setdefault(sha256, []).append(item_id)

    def those(hashes: Sequence[str]) -> list[int]:
        return [item_id for sha256 in hashes for item_id in ids_of.get(sha256.encode(), ())]

    found = findings or quality.Findings()
    near = [[ids_of[sha256.encode()][0] for sha256 in group if sha256.encode() in ids_of] for group in found.copies]
    odd = {
        name: [item_id for item_id in those(hashes) if (name, [str(item_id)]) not in kept]
        for name, hashes in (("unreadable", found.unreadable), ("blank", found.blank), ("tiny", found.tiny))
    }
    pairs: dict[frozenset[str], list[quality.TwinPair]] = {}
    folders = {record.folder for record in services.dataset().classes()}
    for twin in found.twins:
        if {twin.folder, twin.twin_folder} <= folders:
            pairs.setdefault(frozenset((twin.folder, twin.twin_folder)), []).append(twin)
    hints = [
        [h for h in group if ("hint", hint_parts(h.item_id, h.label, h.said)) not in kept]
        for group in quality.hints(labels, opinion.predictions)
    ]
    return Lists(
        hints=[group for group in hints if group],
        exact=[group for group in quality.exact_copies(labels) if ("copies", map(str, group)) not in kept],
        near=[group for group in near if len(group) > 1 and ("copies", map(str, group)) not in kept],
        odd=odd,
        sights=sights.in_doubt(services.dataset(), sights.Sights.read(workspace)),
        twins=[group for names, group in pairs.items() if ("twins", names) not in kept],
        findings=findings,
        kept=kept,
        compared=review.space() is not None and not review.under_way(),
    )


def check_line(findings: quality.Findings | None) -> None:
    """When every image was last opened, and the button that does it again; the job while it runs."""
    jobs = services.jobs()
    for job in jobs.active("quality")[:1]:
        job_panel(job, title=_("Opening every image"), key="quality.job", ended=_ended)
        return
    last = last_of("quality")
    if last and last.state in ("failed", "interrupted") and (not findings or last.created_at > findings.at):
        job_panel(last, title=_("Opening every image"), key="quality.job", ended=_ended)
    with st.container(horizontal=True, vertical_alignment="center"):
        if findings:
            text = _("{images} opened, {when}. Labels and exact copies are always up to date.").format(
                images=journal_entries.images(findings.images), when=journal_entries.when(findings.at, time.time())
            )
        else:
            text = _(
                "Copies in disguise, blank images and mirror twins show after a check, which opens every image once."
            )
        st.caption(text, width="stretch")
        st.button(
            _("Check again") if findings else _("Check every image"),
            icon=":material/search_check:",
            type="secondary" if findings else "primary",
            key="quality.check",
            on_click=_check,
            **people.bar(),
        )


def _check() -> None:
    if not people.may("curator"):
        return
    params = {"at": time.time()}
    services.jobs().start("quality", "core.review.quality:run_check", params, key="quality")


def _ended(job: Job) -> None:
    pass
