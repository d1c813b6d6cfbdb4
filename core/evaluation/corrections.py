"""Verdicts that a colleague ticked in a report, read back: checked, shown as a plan, applied as one change.

The file is a stranger's: nothing in it is believed, and what does not fit any more is listed and left alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from core.catalogue.records import Item
from core.collection.dataset import Dataset
from core.evaluation.error_causes import Doubts
from core.ground.errors import BadInput, BurinError, Conflict, NotFound
from core.ground.names import clean_name, key, name_of
from core.review.dismissed import Kept, hint_parts
from core.review.predictions import Labels

FORMAT, VERSION = "burin-verdicts", 1
LARGEST = 4_000_000  # bytes
MOST = 20_000  # verdicts
LONGEST = 400  # characters of a name

Verdict = Literal["right", "relabel", "trash"]


@dataclass(frozen=True)
class Ticked:
    """One verdict of the file about the content ``sha256`` (then the file ``file``), which was labelled ``label`` and
    called ``said`` (class folders): the label is "right", it should be the class ``to`` (a display name) or the image
    goes to the "trash"."""

    sha256: str
    label: str
    said: str
    verdict: Verdict
    to: str = ""
    file: str = ""


@dataclass(frozen=True)
class Verdicts:
    """What a file holds: the verdicts, and the ``run``, ``side`` and labels (``snapshot``) of the report."""

    run: str
    side: str
    snapshot: str
    ticked: tuple[Ticked, ...]


@dataclass(frozen=True)
class Correction:
    """One image that would change: to the class ``class_id``, called ``to``. Without an id ``to`` is a class that is
    made first; "": to the trash."""

    item: Item
    class_id: int | None
    to: str


@dataclass(frozen=True)
class Confirmation:
    """One image whose label is right; the class ``said`` in its place (None: not known) is not to be proposed again."""

    item: Item
    said: int | None


@dataclass(frozen=True)
class Skipped:
    """One verdict that is left alone, and ``why``; ``item`` is the image, where it is still there."""

    ticked: Ticked
    why: BurinError
    item: Item | None = None


@dataclass(frozen=True)
class CorrectionPlan:
    """What applying would do: the ``corrections``, the labels that were ``confirmed`` as they are, and what is
    ``skipped``. ``missing``: names of classes that verdicts ask for and that are not there."""

    corrections: tuple[Correction, ...] = ()
    confirmed: tuple[Confirmation, ...] = ()
    skipped: tuple[Skipped, ...] = field(default=(), repr=False)
    missing: tuple[str, ...] = ()


def read_verdicts(content: bytes) -> Verdicts:
    """The verdicts in a file that a report saved; raises `BadInput` on anything else."""
    if len(content) > LARGEST:
        raise BadInput("The file is larger than {limit} MB; a report's verdicts are not.", limit=LARGEST // 1_000_000)
    try:
        record = json.loads(content)
        if record["format"] != FORMAT:
            raise ValueError("another format")
        if record["version"] != VERSION:
            raise BadInput("These verdicts were saved by a newer Burin.")
        if len(record["verdicts"]) > MOST:
            raise ValueError("too many")
        ticked = tuple(_ticked(each) for each in record["verdicts"])
        return Verdicts(_short(record["run"]), _short(record["side"]), _short(record["snapshot"]), ticked)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput("This is not a file of verdicts that a report saved.") from error


def plan(dataset: Dataset, verdicts: Verdicts, *, create: bool = False) -> CorrectionPlan:
    """What the verdicts would change now, with ``create`` making the classes that are not there. An image whose label
    is not the one that was judged any more is skipped."""
    classes = {record.id: record for record in dataset.classes()}
    named: dict[str, int] = {key(alias): record.id for record in classes.values() for alias in record.aliases}
    named |= {key(record.name): record.id for record in classes.values()}
    in_folder = {record.folder: record.id for record in classes.values()}
    items: dict[tuple[str, str], Item] = {}
    by_content: dict[str, Item] = {}
    wanted = {ticked.sha256 for ticked in verdicts.ticked}
    for item in dataset.items(limit=None):
        if item.sha256 in wanted:
            by_content.setdefault(item.sha256, item)
            folder = classes[item.class_id].folder if item.class_id in classes else ""
            items.setdefault((item.sha256, folder), item)
    corrections, confirmed, skipped = [], [], []
    missing: dict[str, str] = {}  # by what makes two names the same
    for ticked in _last_of_each(verdicts.ticked):
        found = items.get((ticked.sha256, ticked.label))
        try:
            if ticked.sha256 not in by_content:
                raise NotFound("The image is no longer there.")
            if found is None:
                raise Conflict("Its label is no longer {label}.", label=name_of(ticked.label))
            if ticked.verdict == "trash":
                corrections.append(Correction(found, None, ""))
                continue
            name = clean_name(ticked.to) if ticked.verdict == "relabel" else ""
            class_id = named.get(key(name)) if name else found.class_id
            if name and class_id is None:
                name = missing.setdefault(key(name), name)
                if not create:
                    raise NotFound("There is no class named {name}.", name=name)
        except BurinError as why:
            skipped.append(Skipped(ticked, why, found or by_content.get(ticked.sha256)))
            continue
        if class_id == found.class_id and (class_id is not None or not name):
            confirmed.append(Confirmation(found, in_folder.get(ticked.said)))
        else:
            corrections.append(Correction(found, class_id, name if class_id is None else classes[class_id].name))
    return CorrectionPlan(tuple(corrections), tuple(confirmed), tuple(skipped), tuple(missing.values()))


def apply(dataset: Dataset, planned: CorrectionPlan) -> int:
    """Make the corrections as one entry of the journal, which one undo takes back, and remember the confirmed labels,
    which are then doubted no more (`core.review.dismissed`); how many images it changed.

    Raises `Conflict` when somebody changed one of the images since it was planned, and then changes none.
    """
    made = planned.corrections
    classes: Mapping[int, int] = {each.item.id: each.class_id for each in made if each.class_id is not None}
    trashed: Sequence[int] = [each.item.id for each in made if each.class_id is None and not each.to]
    new: dict[str, list[int]] = {}
    for each in made:
        if each.class_id is None and each.to:
            new.setdefault(each.to, []).append(each.item.id)
    if made:
        versions = {each.item.id: each.item.ver for each in made}
        dataset.correct(classes, new=new, trash=trashed, versions=versions)
    dataset.allow("collection")
    kept = Kept.read(dataset.workspace)
    for confirmed in planned.confirmed:
        if confirmed.item.class_id is not None and confirmed.said not in (None, confirmed.item.class_id):
            kept.add("hint", hint_parts(confirmed.item.id, confirmed.item.class_id, confirmed.said))
    return len(made)


def unsettled(doubted: Doubts, labels: Labels, kept: Kept) -> Doubts:
    """The doubts without those about labels that somebody called right."""
    hashes = np.array(list(doubted.doubt), "S64")
    settled = set()
    for row in np.flatnonzero(np.isin(labels.sha256, hashes)).tolist():
        sha256 = labels.sha256[row].decode("ascii")
        parts = hint_parts(int(labels.item_ids[row]), int(labels.class_ids[row]), doubted.said[sha256])
        if ("hint", parts) in kept:
            settled.add(sha256)
    doubt = {sha256: value for sha256, value in doubted.doubt.items() if sha256 not in settled}
    return replace(doubted, doubt=doubt)


def _ticked(record: Any) -> Ticked:
    sha256, verdict = record["sha256"], record["verdict"]
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError("no content hash")
    if verdict not in ("right", "relabel", "trash"):
        raise ValueError("no verdict")
    to = _short(record["to"]) if verdict == "relabel" else ""
    said, file = _short(record.get("said", "")), _short(record.get("file", ""))
    return Ticked(sha256, _short(record["label"]), said, verdict, to, file)


def _short(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise ValueError("no name")
    return value


def _last_of_each(ticked: Sequence[Ticked]) -> Sequence[Ticked]:
    """One verdict an image and label: the last one holds."""
    return list({(each.sha256, each.label): each for each in ticked}.values())
