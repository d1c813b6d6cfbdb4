"""Verdicts that a colleague ticked in a report, read back: checked, shown as a plan, applied as one change.

The file is a stranger's: nothing in it is believed, and what does not fit any more is listed and left alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from core.collection.dataset import Dataset, Item
from core.ground.errors import BadInput, BurinError
from core.ground.names import key
from core.review.kept import Kept, hint_parts

FORMAT, VERSION = "burin-verdicts", 1
LARGEST = 4_000_000  # bytes
MOST = 20_000  # verdicts
LONGEST = 400  # characters of a name

Verdict = Literal["right", "relabel", "trash"]


@dataclass(frozen=True)
class Ticked:
    """One verdict of the file about the content ``sha256``, which was labelled ``label`` and called ``said`` (class
    folders): the label is "right", it should be the class ``to`` (a display name) or the image goes to the "trash"."""

    sha256: str
    label: str
    said: str
    verdict: Verdict
    to: str = ""


@dataclass(frozen=True)
class Verdicts:
    """What a file holds: the verdicts, and the ``run``, ``side`` and labels (``snapshot``) of the report."""

    run: str
    side: str
    snapshot: str
    ticked: tuple[Ticked, ...]


@dataclass(frozen=True)
class Correction:
    """One image that would change: to the class ``class_id``, called ``to``; None and "": to the trash."""

    item: Item
    class_id: int | None
    to: str


@dataclass(frozen=True)
class Confirmation:
    """One image whose label is right; the class ``said`` in its place (None: not known) is not to be proposed again."""

    item: Item
    said: int | None


@dataclass(frozen=True)
class CorrectionPlan:
    """What applying would do: the ``corrections``, the labels that were ``confirmed`` as they are, and the content
    hashes that are ``skipped``, each with its sentence."""

    corrections: tuple[Correction, ...] = ()
    confirmed: tuple[Confirmation, ...] = ()
    skipped: tuple[tuple[str, BurinError], ...] = field(default=(), repr=False)


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


def plan(dataset: Dataset, verdicts: Verdicts) -> CorrectionPlan:
    """What the verdicts would change now. An image whose label is not the one that was judged any more is skipped."""
    classes = {record.id: record for record in dataset.classes()}
    named: dict[str, int] = {key(alias): record.id for record in classes.values() for alias in record.aliases}
    named |= {key(record.name): record.id for record in classes.values()}
    in_folder = {record.folder: record.id for record in classes.values()}
    items: dict[tuple[str, str], Item] = {}
    contents: set[str] = set()
    wanted = {ticked.sha256 for ticked in verdicts.ticked}
    for item in dataset.items(limit=None):
        if item.sha256 in wanted:
            contents.add(item.sha256)
            folder = classes[item.class_id].folder if item.class_id in classes else ""
            items.setdefault((item.sha256, folder), item)
    corrections, confirmed, skipped = [], [], []
    for ticked in _last_of_each(verdicts.ticked):
        found = items.get((ticked.sha256, ticked.label))
        class_id = named.get(key(ticked.to)) if ticked.verdict == "relabel" else None
        if found is None:
            gone = ticked.sha256 not in contents
            skipped.append((ticked.sha256, BurinError("The image is no longer there.") if gone else
                            BurinError("Its label is no longer {label}.", label=ticked.label)))  # fmt: skip
        elif ticked.verdict == "right":
            confirmed.append(Confirmation(found, in_folder.get(ticked.said)))
        elif ticked.verdict == "relabel" and class_id is None:
            skipped.append((ticked.sha256, BurinError("There is no class named {name}.", name=ticked.to)))
        elif class_id is not None and class_id == found.class_id:
            confirmed.append(Confirmation(found, in_folder.get(ticked.said)))
        else:
            corrections.append(Correction(found, class_id, classes[class_id].name if class_id else ""))
    return CorrectionPlan(tuple(corrections), tuple(confirmed), tuple(skipped))


def apply(dataset: Dataset, planned: CorrectionPlan) -> int:
    """Make the corrections as one entry of the journal, which one undo takes back, and remember the confirmed labels,
    which are then doubted no more (`core.review.kept`); how many images it changed.

    Raises `Conflict` when somebody changed one of the images since it was planned, and then changes none.
    """
    made = planned.corrections
    classes: Mapping[int, int] = {each.item.id: each.class_id for each in made if each.class_id is not None}
    trashed: Sequence[int] = [each.item.id for each in made if each.class_id is None]
    if made:
        dataset.correct(classes, trash=trashed, versions={each.item.id: each.item.ver for each in made})
    dataset.allow("curator")
    kept = Kept.read(dataset.workspace)
    for each in planned.confirmed:
        if each.item.class_id is not None and each.said not in (None, each.item.class_id):
            kept.add("hint", hint_parts(each.item.id, each.item.class_id, each.said))
    return len(made)


def _ticked(record: Any) -> Ticked:
    sha256, verdict = record["sha256"], record["verdict"]
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError("no content hash")
    if verdict not in ("right", "relabel", "trash"):
        raise ValueError("no verdict")
    to = _short(record["to"]) if verdict == "relabel" else ""
    return Ticked(sha256, _short(record["label"]), _short(record.get("said", "")), verdict, to)


def _short(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise ValueError("no name")
    return value


def _last_of_each(ticked: Sequence[Ticked]) -> Sequence[Ticked]:
    """One verdict an image and label: the last one holds."""
    return list({(each.sha256, each.label): each for each in ticked}.values())
