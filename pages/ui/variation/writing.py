"""Writing variants as a job, for the Augment and Balance pages: the job's panel, what it left, and what can be undone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from core.catalogue.records import FileOutcome, Item
from core.ground.errors import BurinError
from core.ground.job import Job
from core.variation.balance import Cost, measure, undo
from core.variation.policies import Policy
from core.variation.safety import looked_at
from core.variation.sources import Original, by_class, originals_of
from core.variation.transforms import TRANSFORMS
from core.variation.variants import Batch, Manifest, Variant
from core.variation.writer import MOST_PER_IMAGE
from pages.ui import people, services, widgets
from pages.ui.i18n import _, decimals, ngettext, number, sentence, translated
from pages.ui.job_panel import job_panel, last_of
from pages.ui.refusals import attempt
from pages.ui.state import Notice, workbench
from pages.ui.text import esc
from pages.ui.variation.recipe import title_of

KIND = "augment"
SHOWN = 8  # batches listed at once
SHOWN_REFUSED = 100


def show(policy: Policy, seed: int, items: list[Item]) -> None:
    """The form of the Augment page, the job under way or the last one, and what was written before."""
    _form(policy, seed, items)
    panel("augment")
    batches("augment")


def _form(policy: Policy, seed: int, items: list[Item]) -> None:
    everything = stock()
    chosen = by_class([original for original in everything if original.item_id in {item.id for item in items}])
    scopes = {
        "all": _("every labelled original"),
        "classes": ngettext("the class shown", "the {n} classes shown", len(chosen)).format(n=number(len(chosen))),
        "images": ngettext("the image shown", "the {n} images shown", len(items)).format(n=number(len(items))),
    }
    with st.container(border=True):
        scope = st.segmented_control(
            _("Write variants of"), list(scopes), default="all", required=True, format_func=scopes.__getitem__,
            key="augment.scope",
        )  # fmt: skip
        per_image = st.number_input(
            _("Variants an original"), 1, MOST_PER_IMAGE, value=5, key="augment.per_image", width=220
        )
        originals = everything
        if scope == "classes":
            originals = [original for original in everything if original.folder in chosen]
        elif scope == "images":
            originals = [original for group in chosen.values() for original in group]
        total = len(originals) * int(per_image)
        cost = cost_of(policy) if policy.steps and originals else Cost(0, 0)
        count = ngettext("**{n} variant**", "**{n} variants**", total).format(n=number(total))
        source = ngettext("{n} original", "{n} originals", len(originals)).format(n=number(len(originals)))
        folders = {original.folder for original in originals}
        checked = looked_at(policy, [len(group) for folder, group in by_class(everything).items() if folder in folders])
        cost_text = cost_said(cost, total, checked)
        st.markdown(_("{count} of {source}: {cost}.").format(count=count, source=source, cost=cost_text))
        st.caption(
            _(
                "Each class is checked first, and what is not safe for it is left out there. "
                "The same seed writes the same files again; those that exist are kept."
            )
        )
        params: dict[str, Any] = {"policy": policy.to_json(), "seed": seed, "per_image": int(per_image)}
        if scope != "all":
            params["item_ids"] = [original.item_id for original in originals]
        start_buttons("augment", params, disabled=not (total and policy.steps))


def start_buttons(page: str, params: dict[str, Any], *, disabled: bool, label: str = "") -> None:
    """Write, or write without the check, which says what that means and has to be meant."""
    busy = bool(services.jobs().active(KIND))
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.act(
            label or _("Write the variants"),
            lambda: start({**params, "override": False}),
            type="primary",
            icon=":material/auto_awesome_motion:",
            key=f"{page}.write",
            **people.bar(disabled=disabled or busy),
        )
        with st.popover(
            _("Without the check"),
            type="tertiary",
            icon=":material/gpp_maybe:",
            **people.bar(disabled=disabled or busy),
        ):
            st.markdown(
                _(
                    "Every step is then used for every class, also where it makes one mark into another. "
                    "A model that learns from such images confuses them. The manifest records it."
                )
            )
            meant = st.checkbox(_("I have looked at the draws, and want them all the same"), key=f"{page}.meant")
            widgets.act(
                _("Write without the check"),
                lambda: start({**params, "override": True}),
                icon=":material/gpp_maybe:",
                key=f"{page}.override",
                disabled=not meant,
            )


def start(params: dict[str, Any]) -> None:
    """Start the job; a second click while it runs starts nothing."""
    with attempt():
        services.jobs().start(KIND, "core.variation.work:run_augment", params, key=KIND)


def panel(page: str) -> None:
    """The job under way, or the last one with what became of it."""
    last = last_of(KIND)
    if last is not None:
        stages = {"checking": _("checking label safety"), "writing": _("writing")}
        job_panel(
            last, title=_("Writing variants"), key=f"{page}.job", ended=lambda job: _ended(job, page), stages=stages
        )


def _ended(job: Job, page: str) -> None:
    result, outcomes = job.result, list(job.outcomes())
    if result:
        there = any(batch.id == result["batch"] for batch in written()[0])
        green = ("green", ":material/check_circle:", ngettext("{n} written", "{n} written", result["written"]))
        gone = (
            "gray",
            ":material/undo:",
            ngettext("{n} written, taken back", "{n} written, taken back", result["written"]),
        )
        counts = [
            (*(green if there else gone), result["written"]),
            ("gray", ":material/content_copy:", ngettext("{n} already there", "{n} already there", result["present"]), result["present"]),
            ("red", ":material/error:", ngettext("{n} original refused", "{n} originals refused", result["refused"]), result["refused"]),
        ]  # fmt: skip
        badges = [f":{colour}-badge[{icon} {text.format(n=number(n))}]" for colour, icon, text, n in counts if n]
        st.markdown(" ".join(badges) or _("There was nothing to write."))
        if left_out := result.get("left_out"):
            text = ngettext(
                "{n} step was left out for a class that it would lead astray.",
                "{n} times a step was left out for a class that it would lead astray.",
                left_out,
            )
            st.caption(f":material/shield: {text.format(n=number(left_out))}")
        if unsafe := result.get("unsafe"):
            text = ngettext(
                "{n} variant was not written: it was nearer to another class however often it was drawn.",
                "{n} variants were not written: they were nearer to another class however often they were drawn.",
                unsafe,
            )
            st.caption(f":material/shield: {text.format(n=number(unsafe))}")
        if skipped := result.get("classes_skipped"):
            names = {record.folder: record.name for record in services.dataset().classes()}
            listed = ", ".join(esc(names.get(folder, folder)) for folder in skipped[:10])
            st.warning(
                _("No step is safe for {names}: nothing was written there.").format(names=listed),
                icon=":material/shield:",
            )
    if outcomes:
        with st.expander(_("Refused originals"), icon=":material/error:"):
            for outcome in map(FileOutcome.from_json, outcomes[:SHOWN_REFUSED]):
                reason = sentence(outcome.reason) if outcome.reason else ""
                st.markdown(f":red[:material/error:] **{esc(outcome.name)}**  \n{esc(reason)}")
            if len(outcomes) > SHOWN_REFUSED:
                st.caption(_("The first {n} of them.").format(n=number(SHOWN_REFUSED)))
    if job.state in ("stopped", "interrupted", "failed"):
        st.button(
            _("Go on") if job.state != "failed" else _("Try again"),
            icon=":material/play_arrow:",
            key=f"{page}.again",
            on_click=_again,
            args=(job.id,),
            **people.bar(),
        )


def _again(job_id: str) -> None:
    with attempt():
        services.jobs().again(job_id)


def batches(page: str) -> None:
    """What was written, newest first, each with its undo."""
    found, held = written()
    if not found:
        return
    st.subheader(_("What was written"), anchor=False)
    counts: dict[str, int] = {}
    for variant in held:
        counts[variant.batch] = counts.get(variant.batch, 0) + 1
    for batch in found[:SHOWN]:
        _batch(batch, counts.get(batch.id, 0), page)
    if len(found) > SHOWN:
        st.caption(_("Older batches show as these are undone."))


def _batch(batch: Batch, count: int, page: str) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"{page}.batch.{batch.id}"):
        name = policy_name(batch.policy)
        text = ngettext("{n} variant", "{n} variants", count).format(n=number(count))
        classes = ngettext("{n} class", "{n} classes", batch.classes).format(n=number(batch.classes))
        when = datetime.fromtimestamp(batch.at).strftime("%Y-%m-%d %H:%M")
        parts = [when, esc(name), _("seed {n}").format(n=batch.seed), classes]
        if batch.override:
            parts.append(":orange[:material/gpp_maybe: " + _("written without the check") + "]")
        elif batch.refused:
            out = sorted({title_of(step) for steps in batch.refused.values() for step in steps if step in TRANSFORMS})
            parts.append(":material/shield: " + _("left out somewhere:") + " " + esc(", ".join(out)))
        st.markdown(f"**{text}**  \n:gray[:small[{' · '.join(parts)}]]", width="stretch")
        st.button(
            _("Undo"),
            icon=":material/undo:",
            key=f"{page}.undo.{batch.id}",
            on_click=take_back,
            args=(batch.id,),
            **people.bar(
                disabled=bool(services.jobs().active(KIND)),
                help=_("Deletes exactly these files. Writing with the same seed brings the same ones back."),
            ),
        )


def take_back(batch: str) -> None:
    """Delete what one batch wrote."""
    try:
        count = undo(services.dataset(), batch)
    except BurinError as error:
        workbench().notices.append(Notice(sentence(error), ":material/error:"))
        return
    text = ngettext("{n} variant deleted.", "{n} variants deleted.", count)
    workbench().notices.append(Notice(text.format(n=number(count)), ":material/undo:"))


def policy_name(record: dict[str, Any]) -> str:
    """The name of a policy in a batch: a preset's in this language."""
    policy_id, name = str(record.get("id", "")), str(record.get("name", ""))
    from core.variation.policies import PRESETS

    return translated(PRESETS[policy_id].name) if policy_id in PRESETS else name


def cost_said(cost: Cost, total: int, checked: int) -> str:
    """Time and disk for ``total`` variants, after a check that looks at ``checked`` pictures."""
    seconds, size = cost.of(total, checked), cost.bytes * total
    if seconds < 1:
        time = _("less than a second")
    elif seconds < 90:
        n = round(seconds)
        time = ngettext("about {n} second", "about {n} seconds", n).format(n=number(n))
    else:
        n = round(seconds / 60)
        time = ngettext("about {n} minute", "about {n} minutes", n).format(n=number(n))
    if size < 1e5:
        disk = _("{n} kB").format(n=number(round(size / 1e3)))
    elif size < 1e9:
        disk = _("{n} MB").format(n=decimals(size / 1e6, 1))
    else:
        disk = _("{n} GB").format(n=decimals(size / 1e9, 1))
    return _("{time}, {disk} on disk").format(time=time, disk=disk)


def stock() -> list[Original]:
    """The labelled originals at the present version."""
    return _stock(str(services.workspace().root), services.dataset().version)


def written() -> tuple[list[Batch], list[Variant]]:
    """The batches that are still there, newest first, and every written variant."""
    return _written(str(services.workspace().root), services.dataset().version, stamp())


def cost_of(policy: Policy) -> Cost:
    """What one variant and its check take, measured on a few originals of this collection."""
    with st.spinner(_("Measuring…")):
        space = services.embedder().space if services.preparation().stage == "ready" else ""
        return _cost(
            str(services.workspace().root), services.dataset().counts().originals, space, policy, policy.digest
        )


def stamp() -> int:
    """Changes with the manifest, whoever wrote it."""
    path = Manifest(services.workspace().augmented).path
    return path.stat().st_mtime_ns if path.exists() else 0


@st.cache_resource(show_spinner=False, max_entries=2)
def _stock(root: str, version: int) -> list[Original]:
    return originals_of(services.dataset())


@st.cache_resource(show_spinner=False, max_entries=2)
def _written(root: str, version: int, stamp: int) -> tuple[list[Batch], list[Variant]]:
    manifest = Manifest(services.workspace().augmented)
    return manifest.batches(), manifest.variants()


@st.cache_resource(show_spinner=False, max_entries=32)
def _cost(root: str, originals: int, space: str, _policy: Policy, digest: str) -> Cost:
    return measure(stock(), _policy, embedder=services.embedder() if space else None)
