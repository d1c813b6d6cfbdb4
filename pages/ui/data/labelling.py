"""The labelling desk: a queue of images, what was done to them, and the component that shows them.

The browser keeps a numbered log of what the person did and sends all that is not acknowledged yet,
as state, not as events; each number is applied once. So no key is lost and none counts twice.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core.catalogue.records import Item
from core.collection.dataset import Dataset
from core.ground.errors import BurinError
from core.ground.images import THUMBNAIL
from core.ground.names import key as name_key
from pages.server.thumbnails import address, addresses_of, large_address
from pages.ui import cached, people, services
from pages.ui.data import review
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.state import session_slice
from pages.ui.tiles import saw
from pages.ui.widgets import kind_name

HERE = Path(__file__).parent
KEY = "label.desk"
BEHIND, AHEAD = 6, 34  # images of the window before and after the current one
Likely = list[tuple[int, float, float, str]]  # class id, similarity, vote, content of the reference
LOOK_S = 60.0  # for how long it is taken for granted where the references' thumbnails are
FAILURES = 5  # sentences kept on the desk

_COMPONENT = st.components.v2.component(
    "burin_labeller",
    html='<div class="room"></div>\n',
    css=(HERE / "labeller.css").read_text(encoding="utf-8"),
    js=(HERE / "labeller.js").read_text(encoding="utf-8"),
)


@dataclass
class Desk:
    """One session's work on one queue of item ids. ``acked``: the last number applied; ``entries``: number ->
    journal entry, for undo; ``vers``: item -> the version that our own changes left; ``ended``: the `review.ended`
    that ``likely`` is of."""

    wanted: str = ""
    epoch: int = 0
    queue: list[int] = field(default_factory=list)
    index: int = 0
    start: int = 0
    acked: int = 0
    entries: dict[int, int] = field(default_factory=dict)
    vers: dict[int, int] = field(default_factory=dict)
    failed: list[tuple[int, str]] = field(default_factory=list)
    likely: tuple[Any, list[Likely]] = (None, [])
    ended: float = 0.0

    def take(self, wanted: str, queue: Sequence[int], *, index: int = 0) -> None:
        """Start on another queue; ``wanted`` says what it is of."""
        self.wanted, self.queue, self.index = wanted, [int(item_id) for item_id in queue], index
        self.start, self.epoch = max(0, index - BEHIND), self.epoch + 1

    def look_at(self, index: int) -> None:
        """Move to ``index``; the window follows only when it is nearly left, so that it is seldom sent."""
        self.index = max(0, min(int(index), len(self.queue)))
        stop = self.start + BEHIND + AHEAD
        if (self.index > stop - 14 and stop < len(self.queue)) or self.index < self.start + 3:
            self.start = max(0, self.index - BEHIND)

    def window(self) -> list[int]:
        return self.queue[self.start : self.start + BEHIND + AHEAD]


def desk() -> Desk:
    """This session's desk."""
    return session_slice("desk", Desk)


def receive(work: Desk, sent: Any, data: Dataset) -> None:
    """Apply what the browser sent and was not applied yet. Anything malformed is left out."""
    if not isinstance(sent, Mapping):
        return
    for event in sorted((e for e in sent.get("log", ()) if _is_event(e)), key=lambda e: e["seq"]):
        if event["seq"] <= work.acked:
            continue
        try:
            entry = _apply(work, event, data)
            if entry is not None:
                work.entries[event["seq"]] = entry
        except BurinError as error:
            work.failed = [*work.failed, (event["seq"], sentence(error))][-FAILURES:]
        work.acked = event["seq"]
    if sent.get("epoch") == work.epoch and isinstance(sent.get("index"), int):
        work.look_at(sent["index"])


def _is_event(event: Any) -> bool:
    return (
        isinstance(event, Mapping)
        and isinstance(event.get("seq"), int)
        and isinstance(event.get("id"), int)
        and event.get("do") in ("label", "trash", "undo")
    )


def _apply(work: Desk, event: Mapping[str, Any], data: Dataset) -> int | None:
    """Do one event; the journal entry it made, if it changed anything."""
    item_id = event["id"]
    before = data.item(item_id).ver
    said = event.get("ver")
    shown = max(
        said if isinstance(said, int) else 0, work.vers.get(item_id, 0)
    )  # as it was seen, or as we left it since
    seen = {item_id: shown} if shown else None
    if event["do"] == "undo":
        entry = work.entries.pop(event.get("of", 0), None)
        if entry is not None:
            data.revert(entry)
    elif event["do"] == "trash":
        data.trash([item_id], versions=seen)
    else:
        class_id = event.get("class")
        if class_id is None:
            class_id = _class_named(str(event.get("name", ""))[:500], data)
        if class_id is None:
            data.split_class([item_id], str(event.get("name", ""))[:500], versions=seen)
        else:
            data.relabel([item_id], int(class_id), versions=seen)
    after = data.item(item_id).ver
    work.vers[item_id] = after
    return data.history(1, item_id=item_id)[0].id if after != before else None


def _class_named(name: str, data: Dataset) -> int | None:
    return next((record.id for record in data.classes() if name_key(record.name) == name_key(name)), None)


def show(work: Desk) -> None:
    """The component, in a fragment of its own: a key costs no run of the page."""

    @st.fragment
    def fragment() -> None:
        data = services.dataset()
        receive(work, (st.session_state.get(KEY) or {}).get("sent"), data)
        items = {item.id: item for item in data.some(work.window())}
        shown = [items[item_id] for item_id in work.window() if item_id in items]
        proposals = _proposals(tuple(item.sha256 for item in shown), work)
        _COMPONENT(data={"pictures": _pictures(shown, proposals)}, key="label.pictures")
        _COMPONENT(data=_state(work, shown, proposals), key=KEY, default={"sent": None}, on_sent_change=lambda: None)

    fragment()


def _proposals(hashes: tuple[str, ...], work: Desk) -> list[Likely]:
    """The likeliest classes of each image, from the labels of when the window was opened."""
    asked = (work.epoch, hashes)
    if work.likely[0] != asked:
        work.likely = (asked, _likely(hashes))
    return work.likely[1]


def _likely(hashes: tuple[str, ...]) -> list[Likely]:
    """The same, asked once for all the sessions that look at these images."""
    opinion = review.recent()
    if (found := opinion.asked.get(hashes)) is None:
        likely = opinion.references.propose(list(hashes))
        found = [[(p.class_id, round(p.similarity, 3), round(p.vote, 3), p.sha256) for p in one] for one in likely]
        if len(opinion.asked) >= review.ASKED:
            opinion.asked.clear()
        opinion.asked[hashes] = found
    return found


def _state(work: Desk, shown: list[Item], proposals: list[Likely]) -> dict[str, Any]:
    return {
        "epoch": work.epoch,
        "ack": work.acked,
        "failed": work.failed,
        "index": work.index,
        "start": work.start,
        "total": len(work.queue),
        "items": [
            {
                "id": item.id,
                "sha": item.sha256,
                "class": item.class_id or 0,
                "gone": item.state != "present",
                "ver": item.ver,
                "file": item.path.rpartition("/")[2],
                "side": max(item.width, item.height),
                "facts": f"{item.width} × {item.height} · {kind_name(item.kind)}",
                "proposals": likely,
            }
            for item, likely in zip(shown, proposals, strict=True)
        ],
        "classes": [(record.id, record.name, record.originals) for record in cached.classes()],
        "words": {**words(), "labelled": _progress()},
        "reason": "" if people.may("curator") else people.reason(),
    }


def _pictures(shown: list[Item], proposals: list[Likely]) -> dict[str, str]:
    """Thumbnails by content hash, and "large ..." for each image of the window."""
    saw(shown)
    found = {}
    for item, source in zip(shown, addresses_of(shown), strict=True):
        found[item.sha256] = source
        if source and max(item.width, item.height) > THUMBNAIL:
            found[f"large {item.sha256}"] = large_address(item)
    wanted = {reference for likely in proposals for *_rest, reference in likely} - found.keys()
    data = services.dataset()
    return found | _references(str(data.workspace.root), data.version, time.monotonic() // LOOK_S, sorted(wanted))


@st.cache_resource(max_entries=40, show_spinner=False)
def _references(root: str, version: int, minute: float, wanted: list[str]) -> dict[str, str]:
    """The addresses of these contents' thumbnails, for every session that is shown them."""
    data = services.dataset()
    unseen = [sha256 for sha256 in wanted if not data.workspace.thumbnail(sha256).is_file()]
    having = _items_with(unseen)
    items = data.some(having)
    found = {having[item.id]: source for item, source in zip(items, addresses_of(items), strict=True)}
    return found | {sha256: address(sha256) for sha256 in set(wanted).difference(unseen)}


def _items_with(contents: Sequence[str]) -> dict[int, str]:
    """Item id -> its content as seen, for those of these ``contents`` that there is an item with."""
    if not contents:
        return {}
    labels = review.recent().labels
    asked = np.isin(labels.sha256, np.array(contents, labels.sha256.dtype))
    return {int(one): seen.decode() for one, seen in zip(labels.item_ids[asked], labels.sha256[asked], strict=True)}


def words() -> dict[str, Any]:
    """Every text of the component, in the session's language."""
    return {
        "place": _("Image {n} of {total}"),
        "saved": _("All saved"),
        "saving": _("Saving {n}"),
        "zoom": _("Zoom"),
        "turn": _("Turn"),
        "ink": _("Contrast"),
        "alike": _("Find similar"),
        "accept": _("Accept"),
        "trash": _("Trash"),
        "undo": _("Undo"),
        "keys": _("Keys"),
        "close": _("Close"),
        "type": _("Another class: type its name"),
        "create": _("New class: {name}"),
        "strip": _("The images around this one"),
        "label": _("Its label"),
        "bare": _("No label yet"),
        "gone": _("In the trash"),
        "says": _("Its neighbours say {name}, {vote} % of the vote"),
        "agrees": _("Its neighbours agree, {vote} % of the vote"),
        "mute": _("No prediction for this image"),
        "over": _("That was the last one."),
        "none": _("Nothing to label here."),
        "list": [
            ("1 – 9", _("give the class with this number, and go on")),
            ("↵", _("accept: keep the label, or take the first class, and go on")),
            ("/  L", _("type a class")),
            ("→  J", _("next image")),
            ("←  K", _("previous image")),
            ("X  Del", _("to the trash, and go on")),
            ("Ctrl Z", _("undo")),
            ("Ctrl Y", _("redo")),
            ("Z", _("zoom: twice, four times; the pointer moves it")),
            ("T", _("turn by a quarter")),
            ("I", _("more contrast, then inverted")),
            ("?", _("this list")),
        ],
    }


def _progress() -> str:
    originals, unlabelled = cached.labelled()
    text = ngettext("{labelled} of {n} image has a label", "{labelled} of {n} images have a label", originals)
    return text.format(labelled=number(originals - unlabelled), n=number(originals))
