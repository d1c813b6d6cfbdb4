"""The lists of the Quality page: each finding with its images and the buttons that settle it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import streamlit as st

from core.catalogue.records import ClassRecord, Item, Sight
from core.collection.copies import Rule, Settled, settle
from core.ground.config import KINDS
from core.ground.jobs import Job
from core.review import quality, sights
from core.review.kept import Kept, hint_parts
from core.sight.doubts import Doubt
from pages.ui import people, services, widgets
from pages.ui.components.gallery import Group, gallery
from pages.ui.data import entries, keeping, review, selecting, sighting
from pages.ui.i18n import _, ngettext, number, percent
from pages.ui.job_panel import job_panel, last_of
from pages.ui.text import esc
from pages.ui.tiles import picture, tile, versions

GROUPS = 15  # findings shown at once; the next ones come as these are settled
TILES = 24

LISTS = ("labels", "copies", "look", "sights", "twins")


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
                images=entries.images(findings.images), when=entries.when(findings.at, time.time())
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


def labels(lists: Lists, classes: dict[int, ClassRecord]) -> None:
    """Labels that the neighbours doubt, by pair of classes."""
    data = services.dataset()
    if not lists.hints:
        text = _("Every image lies among others of its own label.")
        _nothing(text if lists.compared else _("The images are not all compared yet."), known=lists.compared)
        return
    st.caption(_("Each image was compared with all others; these lie among images of another class. Surest first."))
    for group in lists.hints[:GROUPS]:
        items = data.some([hint.item_id for hint in group])
        hint = group[0]
        if hint.label not in classes or hint.said not in classes:
            continue
        own, other = classes[hint.label].name, classes[hint.said].name
        key = f"quality.hint.{hint.label}.{hint.said}"
        with st.container(border=True, key=key):
            st.markdown(
                _("Labelled **{own}**, among images of **{other}** ({vote} of the vote)").format(
                    own=esc(own), other=esc(other), vote=percent(round(hint.vote, 2))
                )
            )
            doubted = {one.item_id for one in group}
            references = [
                [item for item in data.items(class_id=class_id, limit=4 + len(group)) if item.id not in doubted][:4]
                for class_id in (hint.label, hint.said)
            ]
            left, middle, right = st.columns(3, gap="medium")
            with left:
                _wall(_("In doubt"), items, key=f"{key}.wall")
            with middle:
                _wall(own, references[0], key=f"{key}.own")
            with right:
                _wall(other, references[1], key=f"{key}.other")
            with st.container(horizontal=True):
                ids = [item.id for item in items]
                st.button(
                    ngettext("Label it {name}", "Label all {n} {name}", len(ids)).format(n=number(len(ids)), name=esc(other)),
                    icon=":material/label:", type="primary", key=f"{key}.relabel", on_click=_relabel, args=(ids, hint.said, other),
                    **people.bar(),
                )  # fmt: skip
                st.button(
                    _("The label is right"), icon=":material/check:", key=f"{key}.keep",
                    on_click=keeping.keep_all, args=("hint", [hint_parts(h.item_id, h.label, h.said) for h in group]), **people.bar(),
                )  # fmt: skip
                _open_in_label(ids, key)
    _more(len(lists.hints))


def copies(lists: Lists) -> None:
    """The same picture several times: keep one."""
    data = services.dataset()
    if not lists.exact and not lists.near:
        _nothing(_("No picture is there twice."))
        return
    _all_copies(lists)
    for exact, groups in ((True, lists.exact), (False, lists.near)):
        if groups:
            st.subheader(_("The same file") if exact else _("The same picture, saved differently"), anchor=False)
        for group in groups[:GROUPS]:
            items = data.some(group)
            key = f"quality.copies.{items[0].id}.{len(items)}"
            several = len({item.class_id for item in items}) > 1
            with st.container(border=True, key=key):
                if several:
                    st.markdown(":orange-badge[:material/warning: " + _("in several classes") + "]")
                columns = st.columns(max(4, len(items)), gap="small")
                for column, item in zip(columns, items, strict=False):
                    with column:
                        _one(item)
                        others = [other.id for other in items if other.id != item.id]
                        st.button(
                            _("Keep this one"), key=f"{key}.keep.{item.id}", icon=":material/check:",
                            on_click=_trash, args=(others,), **people.bar(help=_("The other copies go to the trash.")),
                        )  # fmt: skip
                with st.container(horizontal=True):
                    parts = [list(map(str, group))]
                    st.button(
                        _("Keep them all"),
                        key=f"{key}.all",
                        type="tertiary",
                        on_click=keeping.keep_all,
                        args=("copies", parts),
                        **people.bar(),
                    )
                    _open_in_label(group, key)
    _more(max(len(lists.exact), len(lists.near)))


def _all_copies(lists: Lists) -> None:
    """All groups at once: one of each stays, or all of them, as one change."""
    exact, near = _("The same file"), _("Saved differently")
    which = {"all": _("All"), "exact": exact, "near": near}
    rules = {"larger": _("The larger"), "older": _("The older"), "labelled": _("The labelled")}
    with st.container(border=True, key="quality.copies.bulk"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = st.segmented_control(
                _("Groups"), list(which), default="all", required=True, format_func=which.__getitem__,
                key="quality.copies.which",
            ) if lists.exact and lists.near else "all"  # fmt: skip
            rule = st.segmented_control(
                _("Of each, keep"), list(rules), default="larger", required=True, format_func=rules.__getitem__,
                key="quality.copies.rule",
            )  # fmt: skip
        wanted = [*(lists.exact if chosen != "near" else ()), *(lists.near if chosen != "exact" else ())]
        found = {item.id: item for item in services.dataset().some({one for group in wanted for one in group})}
        groups = [[found[one] for one in group if one in found] for group in wanted]
        settled = settle([group for group in groups if len(group) > 1], cast(Rule, rule or "larger"))
        with st.container(horizontal=True, vertical_alignment="center"):
            count = len(settled.trash)
            st.button(
                _("Keep one of each: {n} to the trash").format(n=number(count)),
                icon=":material/done_all:", type="primary", key="quality.copies.one", on_click=_settle_copies,
                args=(settled,),
                **people.bar(disabled=not count, help=_("The one that stays takes over the label of the others.")),
            )  # fmt: skip
            st.button(
                ngettext("Keep all of {n} group", "Keep all of {n} groups", len(wanted)).format(n=number(len(wanted))),
                key="quality.copies.keep", type="tertiary", on_click=keeping.keep_all,
                args=("copies", [list(map(str, group)) for group in wanted]), **people.bar(),
            )  # fmt: skip
        if settled.left:
            text = ngettext(
                "{n} group is in several classes: look at it below.", "{n} groups are in several classes: look at them below.",
                settled.left,
            )  # fmt: skip
            st.caption(f":material/warning: {text.format(n=number(settled.left))}")


def _settle_copies(settled: Settled) -> None:
    ids = [*settled.trash, *settled.label]
    text = ngettext("{n} image is in the trash.", "{n} images are in the trash.", len(settled.trash))
    selecting.change(
        lambda: services.dataset().correct(settled.label, trash=settled.trash, versions=versions(ids)),
        text.format(n=number(len(settled.trash))),
        ":material/delete:",
    )


def look(lists: Lists) -> None:
    """Images that show nothing, or too little."""
    if not any(lists.odd.values()):
        known = lists.findings is not None
        _nothing(_("Every image shows a mark.") if known else _("Not checked yet."), known=known)
        return
    titles = {
        "unreadable": _("Cannot be opened"),
        "blank": _("No ink to be seen"),
        "tiny": _("Too small to tell strokes apart"),
    }
    for name, ids in lists.odd.items():
        if not ids:
            continue
        items = services.dataset().some(ids[:TILES])
        with st.container(border=True, key=f"quality.odd.{name}"):
            _wall(f"{titles[name]} ({number(len(ids))})", items, key=f"quality.odd.{name}.wall")
            with st.container(horizontal=True):
                text = ngettext("Move it to the trash", "Move all {n} to the trash", len(ids)).format(
                    n=number(len(ids))
                )
                st.button(
                    text, icon=":material/delete:", key=f"quality.odd.{name}.trash", on_click=_trash, args=(ids,),
                    **people.bar(),
                )  # fmt: skip
                parts = [[str(item_id)] for item_id in ids]
                st.button(
                    _("They are right"),
                    icon=":material/check:",
                    key=f"quality.odd.{name}.keep",
                    on_click=keeping.keep_all,
                    args=(name, parts),
                    **people.bar(),
                )
                _open_in_label(ids, f"quality.odd.{name}")


def in_doubt(lists: Lists) -> None:
    """Originals of which the model sees no whole mark: show where it is, or say that it is right."""
    if not lists.sights:
        known = lists.findings is not None
        _nothing(_("Of every image the mark is seen.") if known else _("Not checked yet."), known=known)
        return
    st.caption(
        _(
            "What the model sees of these is no whole mark. Those that do not vote are no reference until somebody says so."
        )
    )
    for item in services.dataset().some(list(lists.sights)[:GROUPS]):
        key = f"quality.sight.{item.id}"
        with st.container(border=True, key=key), st.container(horizontal=True, vertical_alignment="center"):
            with st.container(width=120):
                _one(item)
            with st.container(width="stretch"):
                sighting.warn(lists.sights[item.id], votes=True)
                votes = item.sight != "doubt"
                st.markdown(_("It votes.") if votes else _("It does not vote."))
                with st.container(horizontal=True):
                    if st.button(
                        _("Show where the mark is"), icon=":material/crop:", type="primary", key=f"{key}.open"
                    ):
                        st.switch_page("pages/data/library.py", query_params={"item": str(item.id)})
                    st.button(
                        _("It is right, let it vote"), icon=":material/check:", key=f"{key}.sure", on_click=_vouch,
                        args=([item.id], "sure"), **people.bar(),
                    )  # fmt: skip
                    if votes:
                        st.button(
                            _("Take its vote away"), icon=":material/visibility_off:", key=f"{key}.doubt", type="tertiary",
                            on_click=_vouch, args=([item.id], "doubt"), **people.bar(),
                        )  # fmt: skip
    if len(lists.sights) > 1:
        ids = list(lists.sights)
        st.button(
            ngettext("It is right", "All {n} are right", len(ids)).format(n=number(len(ids))), icon=":material/done_all:",
            type="tertiary", key="quality.sights.all", on_click=_vouch, args=(ids, "sure"), **people.bar(),
        )  # fmt: skip
    _more(len(lists.sights))


def twins(lists: Lists, classes: dict[int, ClassRecord]) -> None:
    """Classes that become one another when mirrored or turned."""
    if not lists.twins:
        known = lists.findings is not None
        _nothing(_("No class is the mirror image of another.") if known else _("Not checked yet."), known=known)
        return
    st.caption(
        _(
            "Mirrored or turned, images of one class land in the other. Nothing is wrong with that, but such an augmentation would teach errors."
        )
    )
    by_folder = {record.folder: record for record in classes.values()}
    for group in lists.twins[:GROUPS]:
        one, other = by_folder[group[0].folder], by_folder[group[0].twin_folder]
        key = f"quality.twins.{one.id}.{other.id}"
        with st.container(border=True, key=key):
            left, right = st.columns(2, gap="medium")
            for column, record in ((left, one), (right, other)):
                with column:
                    _wall(record.name, services.dataset().items(class_id=record.id, limit=8), key=f"{key}.{record.id}")
            for twin in group:
                st.markdown(
                    _("{name} {how}: {share} land in {twin}").format(
                        name=f"**{esc(twin.name)}**",
                        how=_(twin.template),
                        share=percent(twin.share),
                        twin=f"**{esc(twin.twin_name)}**",
                    )
                )
            st.button(
                _("Seen"),
                icon=":material/check:",
                key=f"{key}.keep",
                on_click=keeping.keep_all,
                args=("twins", [[one.folder, other.folder]]),
                **people.bar(),
            )


# Parts


def _wall(title: str, items: Sequence[Item], *, key: str) -> None:
    tiles = [tile(item) for item in items[:TILES]]
    version = ".".join(f"{item.id}-{item.ver}" for item in items)
    opened = gallery([Group(title, "", tiles)], version=version, key=key)
    if opened:
        st.switch_page("pages/data/library.py", query_params={"item": str(opened)})


def _one(item: Item) -> None:
    shown = picture(item)
    st.image(shown, width="stretch", alt=tile(item).alt) if shown else st.markdown(":material/hide_image:")
    name = item.class_name if item.class_id is not None else _("Without a class")
    kind = widgets.kind_name(item.kind) if item.kind in KINDS else ""
    st.markdown(f"**{esc(name)}**  \n:small[:gray[{item.width} × {item.height} · {kind}]]")


def _open_in_label(ids: Sequence[int], key: str) -> None:
    if st.button(_("Open in Label"), icon=":material/open_in_new:", type="tertiary", key=f"{key}.open"):
        st.switch_page("pages/data/label.py", query_params={"ids": ".".join(map(str, ids[:200]))})


def _nothing(text: str, *, known: bool = True) -> None:
    """An empty list; a tick only where it is ``known`` that there is nothing to do."""
    st.markdown(f":green-badge[:material/check:] {text}" if known else f":gray[:material/hourglass_empty: {text}]")


def _more(count: int) -> None:
    if count > GROUPS:
        st.caption(ngettext("{n} more follows.", "{n} more follow.", count - GROUPS).format(n=number(count - GROUPS)))


def _relabel(ids: list[int], class_id: int, name: str) -> None:
    text = ngettext("{n} image is now of {name}.", "{n} images are now of {name}.", len(ids)).format(
        n=number(len(ids)), name=name
    )
    selecting.change(
        lambda: services.dataset().relabel(ids, class_id, versions=versions(ids)), text, ":material/label:"
    )


def _vouch(ids: list[int], sight: Sight) -> None:
    """Say that what is seen of these is right, so that they vote, or that it is in doubt."""
    frames = {
        "sure": ngettext("{n} image votes now.", "{n} images vote now.", len(ids)),
        "doubt": ngettext("{n} image does not vote now.", "{n} images do not vote now.", len(ids)),
    }
    text = frames[sight].format(n=number(len(ids)))
    selecting.change(lambda: services.dataset().set_sight(ids, sight), text, ":material/visibility:")


def _trash(ids: list[int]) -> None:
    text = ngettext("{n} image is in the trash.", "{n} images are in the trash.", len(ids)).format(n=number(len(ids)))
    selecting.change(lambda: services.dataset().trash(ids, versions=versions(ids)), text, ":material/delete:")


SHOW: dict[str, Callable[[Lists, dict[int, ClassRecord]], None]] = {
    "labels": labels,
    "copies": lambda lists, classes: copies(lists),
    "look": lambda lists, classes: look(lists),
    "sights": lambda lists, classes: in_doubt(lists),
    "twins": twins,
}
