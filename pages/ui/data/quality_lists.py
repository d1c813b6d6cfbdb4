"""The lists of the Quality page: each finding with its images and the buttons that settle it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.catalogue.records import ClassRecord, Sight
from core.review.dismissed import hint_parts
from pages.ui import changes, people, services
from pages.ui.data import dismissing, sighting
from pages.ui.data import quality_parts as parts
from pages.ui.data.found import Lists
from pages.ui.data.second_copies import copies
from pages.ui.i18n import _, ngettext, number, percent
from pages.ui.text import esc
from pages.ui.tiles import saw, versions

LISTS = ("labels", "copies", "look", "sights", "twins")


def labels(lists: Lists, classes: dict[int, ClassRecord]) -> None:
    """Labels that the neighbours doubt, by pair of classes."""
    data = services.dataset()
    if not lists.hints:
        text = _("Every image lies among others of its own label.")
        parts.nothing(text if lists.compared else _("The images are not all compared yet."), known=lists.compared)
        return
    st.caption(_("Each image was compared with all others; these lie among images of another class. Surest first."))
    for group in lists.hints[: parts.GROUPS]:
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
                parts.wall(_("In doubt"), items, key=f"{key}.wall")
            with middle:
                parts.wall(own, references[0], key=f"{key}.own")
            with right:
                parts.wall(other, references[1], key=f"{key}.other")
            with st.container(horizontal=True):
                ids = [item.id for item in items]
                st.button(
                    ngettext("Label it {name}", "Label all {n} {name}", len(ids)).format(n=number(len(ids)), name=esc(other)),
                    icon=":material/label:", type="primary", key=f"{key}.relabel", on_click=_relabel, args=(ids, hint.said, other),
                    **people.bar(),
                )  # fmt: skip
                st.button(
                    _("The label is right"), icon=":material/check:", key=f"{key}.keep",
                    on_click=dismissing.keep_all, args=("hint", [hint_parts(h.item_id, h.label, h.said) for h in group]), **people.bar(),
                )  # fmt: skip
                parts.open_in_label(ids, key)
    parts.more(len(lists.hints))


def look(lists: Lists) -> None:
    """Images that show nothing, or too little."""
    if not any(lists.odd.values()):
        known = lists.findings is not None
        parts.nothing(_("Every image shows a mark.") if known else _("Not checked yet."), known=known)
        return
    titles = {
        "unreadable": _("Cannot be opened"),
        "blank": _("No ink to be seen"),
        "tiny": _("Too small to tell strokes apart"),
    }
    for name, ids in lists.odd.items():
        if not ids:
            continue
        items = services.dataset().some(ids)
        saw(items)  # all of them are settled by the buttons, also those that there is no room for
        with st.container(border=True, key=f"quality.odd.{name}"):
            parts.wall(f"{titles[name]} ({number(len(ids))})", items[: parts.TILES], key=f"quality.odd.{name}.wall")
            with st.container(horizontal=True):
                text = ngettext("Move it to the trash", "Move all {n} to the trash", len(ids)).format(
                    n=number(len(ids))
                )
                st.button(
                    text, icon=":material/delete:", key=f"quality.odd.{name}.trash", on_click=parts.to_trash, args=(ids,),
                    **people.bar(),
                )  # fmt: skip
                kept = [[str(item_id)] for item_id in ids]
                st.button(
                    _("They are right"),
                    icon=":material/check:",
                    key=f"quality.odd.{name}.keep",
                    on_click=dismissing.keep_all,
                    args=(name, kept),
                    **people.bar(),
                )
                parts.open_in_label(ids, f"quality.odd.{name}")


def in_doubt(lists: Lists) -> None:
    """Originals of which the model sees no whole mark: show where it is, or say that it is right."""
    if not lists.sights:
        known = lists.findings is not None
        parts.nothing(_("Of every image the mark is seen.") if known else _("Not checked yet."), known=known)
        return
    st.caption(
        _(
            "What the model sees of these is no whole mark. Those that do not vote are no reference until somebody says so."
        )
    )
    doubted = services.dataset().some(list(lists.sights))
    saw(doubted)
    for item in doubted[: parts.GROUPS]:
        key = f"quality.sight.{item.id}"
        with st.container(border=True, key=key), st.container(horizontal=True, vertical_alignment="center"):
            with st.container(width=120):
                parts.one_image(item)
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
    parts.more(len(lists.sights))


def twins(lists: Lists, classes: dict[int, ClassRecord]) -> None:
    """Classes that become one another when mirrored or turned."""
    if not lists.twins:
        known = lists.findings is not None
        parts.nothing(_("No class is the mirror image of another.") if known else _("Not checked yet."), known=known)
        return
    st.caption(
        _(
            "Mirrored or turned, images of one class land in the other. Nothing is wrong with that, but such an augmentation would teach errors."
        )
    )
    by_folder = {record.folder: record for record in classes.values()}
    for group in lists.twins[: parts.GROUPS]:
        one, other = by_folder[group[0].folder], by_folder[group[0].twin_folder]
        key = f"quality.twins.{one.id}.{other.id}"
        with st.container(border=True, key=key):
            left, right = st.columns(2, gap="medium")
            for column, record in ((left, one), (right, other)):
                with column:
                    parts.wall(
                        record.name, services.dataset().items(class_id=record.id, limit=8), key=f"{key}.{record.id}"
                    )
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
                on_click=dismissing.keep_all,
                args=("twins", [[one.folder, other.folder]]),
                **people.bar(),
            )


def _relabel(ids: list[int], class_id: int, name: str) -> None:
    text = ngettext("{n} image is now of {name}.", "{n} images are now of {name}.", len(ids)).format(
        n=number(len(ids)), name=name
    )
    changes.make(lambda: services.dataset().relabel(ids, class_id, versions=versions(ids)), text, ":material/label:")


def _vouch(ids: list[int], sight: Sight) -> None:
    """Say that what is seen of these is right, so that they vote, or that it is in doubt."""
    frames = {
        "sure": ngettext("{n} image votes now.", "{n} images vote now.", len(ids)),
        "doubt": ngettext("{n} image does not vote now.", "{n} images do not vote now.", len(ids)),
    }
    text = frames[sight].format(n=number(len(ids)))
    changes.make(
        lambda: services.dataset().set_sight(ids, sight, versions=versions(ids)), text, ":material/visibility:"
    )


SHOW: dict[str, Callable[[Lists, dict[int, ClassRecord]], None]] = {
    "labels": labels,
    "copies": lambda lists, classes: copies(lists),
    "look": lambda lists, classes: look(lists),
    "sights": lambda lists, classes: in_doubt(lists),
    "twins": twins,
}
