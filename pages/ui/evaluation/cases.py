"""One answer of an evaluation: the query beside the best references of both classes, and its label corrected in place.

The Evaluate and Errors pages show their images through it. A correction is a journal entry like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from core.catalogue.records import ClassRecord, Item
from core.ground.config import Preprocessing
from core.ground.errors import BurinError
from pages.ui import changes, contents, people, services, widgets
from pages.ui.components.compare import Shown, compare
from pages.ui.components.gallery import Group, gallery
from pages.ui.components.overlay import Laid, overlay
from pages.ui.data import review
from pages.ui.i18n import _, decimals, ngettext, number, percent, sentence
from pages.ui.state import Notice, workbench
from pages.ui.text import esc
from pages.ui.tiles import tile
from pages.ui.verdict_words import verdict_badge

if TYPE_CHECKING:
    from core.evaluation.predictions import Predictions

PAGE = 6  # cases on one page: each has four pictures
ALIKE = 16
LABELLING = ("relabel", "split", "merge", "correct")  # entries of the journal that give an image another class


def show(
    predictions: Predictions,
    rows: Sequence[int],
    *,
    key: str,
    preprocessing: Preprocessing,
    border: bool = True,
    notes: Mapping[int, str] | None = None,
    extra: Callable[[int, Item], None] | None = None,
) -> None:
    """The answers in ``rows``, a page at a time. ``notes``: Markdown to stand beside the verdict of a row; ``extra``
    draws more buttons for a row whose image is still there."""
    pages = max(1, -(-len(rows) // PAGE))
    page = 1
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(ngettext("{n} image", "{n} images", len(rows)).format(n=number(len(rows))), width="stretch")
            page = st.pagination(pages, key=f"{key}.page")
    shown = list(rows[PAGE * (page - 1) : PAGE * page])
    hashes = [str(predictions.sha256[row]) for row in shown]
    wanted = [*hashes]
    for row in shown:
        wanted += [str(predictions.own_references[row]), str(predictions.references[row, 0])]
    items = contents.items(dict.fromkeys(wanted))
    classes = {record.folder: record for record in services.dataset().classes()}
    for row, sha256 in zip(shown, hashes, strict=True):
        with st.container(border=border, key=f"{key}.{sha256[:12]}"):
            _one(
                predictions,
                int(row),
                items,
                classes,
                key=f"{key}.{sha256[:12]}",
                preprocessing=preprocessing,
                note=(notes or {}).get(int(row), ""),
                extra=extra,
            )


def _one(
    predictions: Predictions,
    row: int,
    items: dict[str, Item],
    classes: dict[str, ClassRecord],
    *,
    key: str,
    preprocessing: Preprocessing,
    note: str,
    extra: Callable[[int, Item], None] | None,
) -> None:
    sha256 = str(predictions.sha256[row])
    item = items.get(sha256)
    true, said = predictions.folders[predictions.truth[row]], predictions.folders[predictions.predicted[row]]
    own, other = name_of(classes, predictions, true), name_of(classes, predictions, said)
    file = str(predictions.files[row]).rpartition("/")[2]
    vote = percent(round(float(predictions.votes[row, 0]), 2))
    with st.container(horizontal=True, vertical_alignment="center"):
        text = _("Labelled **{own}**, called **{other}**") if true != said else _("Labelled **{own}**, and called so")
        st.markdown(
            f"{text.format(own=esc(own), other=esc(other))}  \n:small[:gray[{esc(file)} · "
            + _("{vote} of the vote").format(vote=vote)
            + "]]",
            width="stretch",
        )
        st.markdown(f"{note} {verdict_badge(str(predictions.verdicts[row]))}".strip())
    query = Shown(contents.large(item, sha256), contents.seen(item, preprocessing), own, _("the image, as labelled"))
    references, over = [], []
    nearest = [(str(predictions.own_references[row]), own, float(predictions.own[row]), _("its class’s best"))]
    if true != said:
        similarity = float(predictions.similarities[row, 0])
        nearest.append((str(predictions.references[row, 0]), other, similarity, _("the answer’s best")))
    for reference, name, similarity, title in nearest:
        if reference:
            held = items.get(reference)
            near = f"{title} · {decimals(similarity, 2)}"
            references.append(Shown(contents.large(held, reference), contents.seen(held, preprocessing), name, near))
            if (found := contents.laid(item, held, preprocessing)) is not None:
                over.append(Laid(name, found))
    beside, above = st.columns([5, 2]) if over else (st.container(), None)
    with beside:
        compare(query, references, key=f"{key}.compare")
    if above is not None:
        with above:
            overlay(over[::-1], key=f"{key}.overlay")
    if item is None:
        st.caption(_("This image is no longer there."))
        return
    if true not in classes or classes[true].id != item.class_id:
        _corrected(item, key)
    _correct(item, classes.get(said) if said != true else None, key)
    _alike(item, key, extra=partial(extra, row, item) if extra else None)


def _correct(item: Item, other: ClassRecord | None, key: str) -> None:
    """The ways to give the image another class: the one it was called, or any."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if other is not None and item.class_id != other.id:
            st.button(
                _("It is {name}").format(name=esc(other.name)),
                icon=":material/label:",
                key=f"{key}.said",
                on_click=_relabel,
                args=([item.id], other.name, {item.id: item.ver}),
                **people.bar(),
            )
        typed = f"{key}.class.{item.ver}"
        with st.container(width=280):
            widgets.choose_class(
                _("Another class"),
                services.dataset().classes(),
                key=typed,
                placeholder=_("Type a name"),
                new=True,
                on_change=_typed,
                args=(typed, item.id, item.ver),
                **people.bar(),
            )
        st.button(
            _("Trash"),
            icon=":material/delete:",
            key=f"{key}.trash",
            type="tertiary",
            on_click=_trash,
            args=(item.id, item.ver),
            **people.bar(),
        )


def _corrected(item: Item, key: str) -> None:
    """What it was corrected to since the evaluation, with its undo beside it."""
    name = item.class_name if item.class_id is not None else _("Without a class")
    given = [entry for entry in services.dataset().history(5, item_id=item.id) if entry.action in LABELLING]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(":green-badge[:material/edit: " + _("now {name}").format(name=esc(name)) + "]")
        if given and given[0].undoable and not given[0].undone:
            st.button(
                _("Undo"),
                icon=":material/undo:",
                key=f"{key}.undo",
                type="tertiary",
                on_click=_undo,
                args=(given[0].id,),
                **people.bar(),
            )


def _alike(item: Item, key: str, *, extra: Callable[[], None] | None) -> None:
    """More images like this one, whatever their label; and what the page adds."""
    with st.container(horizontal=True, vertical_alignment="center"):
        wanted = st.toggle(_("More like this"), key=f"{key}.alike")
        if extra:
            extra()
        if st.button(_("Open in Library"), icon=":material/open_in_new:", type="tertiary", key=f"{key}.library"):
            st.switch_page("pages/data/library.py", query_params={"item": str(item.id)})
    if wanted:
        found = services.dataset().some(nearest_to(item.sha256))
        if not found:
            st.caption(_("The images have not been compared with each other yet."))
            return
        version = ".".join(f"{one.id}-{one.ver}" for one in found) + workbench().language
        opened = gallery([Group("", "", [tile(one, named=True) for one in found])], version=version, key=f"{key}.wall")
        if opened:
            st.switch_page("pages/data/library.py", query_params={"item": str(opened)})


def nearest_to(sha256: str) -> list[int]:
    """The items most like this content, as the encoder in use sees them."""
    import numpy as np

    held = review.compared()
    if held is None:
        return []
    row = int(np.searchsorted(held.sha256, sha256.encode()))
    if row >= len(held.sha256) or held.sha256[row] != sha256.encode():
        return []
    nearest = held.nearest[row]
    return contents.item_ids(one.decode() for one in held.sha256[nearest[nearest >= 0]].tolist())[:ALIKE]


def labels_now(predictions: Predictions, rows: Sequence[int]) -> tuple[list[int | None], dict[str, int | None]]:
    """The id of each class of the predictions, where it is still there; and the class that each content of ``rows``
    which is still there has by now."""
    ids = {record.folder: record.id for record in services.dataset().classes()}
    items = contents.items(str(predictions.sha256[row]) for row in rows)
    return [ids.get(folder) for folder in predictions.folders], {key: item.class_id for key, item in items.items()}


def name_of(classes: dict[str, ClassRecord], predictions: Predictions, folder: str) -> str:
    """The class's name of today, or of when it was evaluated."""
    if folder in classes:
        return classes[folder].name
    return predictions.names[predictions.folders.index(folder)]


def _typed(key: str, item_id: int, ver: int) -> None:
    name = st.session_state.get(key)
    if name:
        _relabel([item_id], name, {item_id: ver})


def _relabel(ids: list[int], name: str, versions: dict[int, int]) -> None:
    data = services.dataset()
    known = {record.name: record.id for record in data.classes()}
    text = ngettext("{n} image is now of {name}.", "{n} images are now of {name}.", len(ids)).format(
        n=number(len(ids)), name=name
    )
    if name in known:
        changes.make(lambda: data.relabel(ids, known[name], versions=versions), text, ":material/label:")
    else:
        changes.make(lambda: data.split_class(ids, name, versions=versions), text, ":material/label:")


def _trash(item_id: int, ver: int) -> None:
    text = ngettext("{n} image is in the trash.", "{n} images are in the trash.", 1).format(n=number(1))
    changes.make(lambda: services.dataset().trash([item_id], versions={item_id: ver}), text, ":material/delete:")


def _undo(entry: int) -> None:
    try:
        services.dataset().revert(entry)
        workbench().notices.append(Notice(_("Taken back."), ":material/undo:"))
    except BurinError as error:
        workbench().notices.append(Notice(sentence(error), ":material/error:"))
