"""Products from catalogue pictures: a job reads them, one product a picture, and a person confirms what it read.

Nothing comes into the collection before that: a row that is confirmed makes its product, and the new classes that it
needs, of the unknown marks that a person gave a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from core.catalogue.products import LONGEST, MOST_MARKS
from core.catalogue.records import Carried, Place, ProductDraft
from core.collection.dataset import Dataset
from core.ground.errors import BadInput, BurinError
from core.ground.images import decode, encode_png, room_for
from core.ground.job_process import Report
from core.ground.names import is_junk, key, printable
from core.ground.regions import Region
from core.ground.workspace import Workspace
from core.intake.admission import Staged
from core.intake.archives import Archive
from core.intake.ingest import IncomingFile
from core.intake.labels import WHOLE
from core.intake.landing import Landing, Upload
from core.products.letters import can_read
from core.products.pictures import one_of_a_kind, read_picture
from core.sight.marks import cut_region

MOST = 2000  # pictures of one go


@dataclass(frozen=True)
class Seen:
    """One mark of a row: where it is in the picture, the ``class_id`` it was read as (None: unknown, and then ``kind``
    numbers it: the same number, the same mark), the verdict, and the classes that come into question, best first."""

    region: Region
    verdict: str
    classes: tuple[int, ...] = ()
    kind: int | None = None

    @property
    def class_id(self) -> int | None:
        return self.classes[0] if self.classes and self.verdict != "unknown" else None


@dataclass(frozen=True)
class Row:
    """What was read of one file: the product's picture as it is kept (`core.catalogue.products.keep_picture`), its
    marks and its code; or why the file was ``refused``."""

    file: str
    picture: str = ""
    marks: tuple[Seen, ...] = ()
    code: str = ""
    refused: BurinError | None = None


@dataclass(frozen=True)
class Confirmed:
    """A row as a person confirmed it: what the product is called, and its marks: a class, or the kind of an unknown
    mark that is to be a new class."""

    picture: str
    name: str
    maker: str = ""
    code: str = ""
    marks: tuple[tuple[int, Place], ...] = ()
    new: tuple[int, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)


def run_pictures(
    workspace: Workspace,
    params: dict[str, Any],
    report: Report,
    should_stop: Callable[[], bool],
) -> dict[str, Any]:
    """The job: read ``params["files"]`` (as `core.intake.work.receive` gives them; zips are opened), a product each.
    Each row is one outcome; the result counts them and numbers the unknown marks: ``kinds``."""
    from core.embedding.embedder import load_embedder
    from core.embedding.gallery import update
    from core.embedding.opening import Sources
    from core.recognition.thresholds import thresholds

    dataset, embedder = Dataset(workspace), load_embedder(workspace)
    dataset.sweep_product_pictures()
    update(dataset, embedder)
    config, gallery = workspace.config(), Sources().gallery(dataset, embedder)
    calibration = thresholds(gallery, workspace)
    about: dict[str, Any] = {"gallery": gallery, "calibration": calibration, "embedder": embedder}
    unknown: list[tuple[int, int, np.ndarray]] = []
    count = 0
    with ExitStack() as opened:
        files = list(_pictures(params["files"], opened))
        for at, (name, read) in enumerate(files[:MOST]):
            if should_stop():
                break
            report(at, len(files), name)
            try:
                data = read()
                with room_for(data):
                    reading = read_picture(decode(data, name=name), **about, k=config.neighbours)
                    picture = dataset.keep_product_picture(data)
            except BurinError as error:
                report.append(record_of(Row(name, refused=error)))
                continue
            marks = []
            for number, mark in enumerate(reading.marks[:MOST_MARKS]):
                classes = tuple(one.class_id for one in mark.answer.classes)
                marks.append(Seen(mark.region, mark.answer.verdict, classes))
                if mark.answer.verdict == "unknown":
                    unknown.append((at, number, mark.answer.vector))
            report.append(record_of(Row(name, picture, tuple(marks), reading.code)))
            count += 1
    kinds = one_of_a_kind(np.array([vector for *_, vector in unknown])).tolist() if unknown else []
    numbered = {f"{at} {mark}": int(kind) for (at, mark, _), kind in zip(unknown, kinds, strict=True)}
    return {"pictures": count, "refused": min(len(files), MOST) - count, "kinds": numbered, "letters": can_read()}


def _pictures(files: Sequence[Mapping[str, str]], opened: ExitStack) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The name of each picture among these files, and how to read it; those in a zip while it is ``opened``."""
    for file in files:
        one = IncomingFile(file["name"], path=Path(file["path"]))
        name = file["name"].replace("\\", "/")
        if name.lower().endswith(".zip"):
            try:
                archive = opened.enter_context(Archive(Path(file["path"]), name=name))
            except BadInput as refusal:
                yield printable(name), partial(_refuse, refusal)
                continue
            for member in archive.members:
                yield printable(member.name), partial(archive.read, member)
        elif not is_junk(name.rpartition("/")[2]) and not name.lower().endswith((".csv", ".txt")):
            yield printable(name), one.read


def _refuse(error: BurinError) -> bytes:
    raise error


def record_of(row: Row) -> dict[str, Any]:
    """A row as a job keeps it."""
    marks = [
        {"region": one.region.to_json(), "verdict": one.verdict, "classes": list(one.classes)} for one in row.marks
    ]
    why = row.refused
    refused = {"template": why.template, "values": {n: str(v) for n, v in why.values.items()}} if why else None
    return {"name": row.file, "picture": row.picture, "marks": marks, "code": row.code, "refused": refused}


def rows_of(records: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> list[Row]:
    """The rows that a job kept, its unknown marks numbered."""
    kinds, rows = result.get("kinds", {}), []
    for at, record in enumerate(records):
        why = record["refused"]
        error = BurinError(why["template"], **why["values"]) if why else None
        marks = tuple(
            Seen(Region.from_json(one["region"]), one["verdict"], tuple(one["classes"]), kinds.get(f"{at} {number}"))
            for number, one in enumerate(record["marks"])
        )
        rows.append(Row(record["name"], record["picture"], marks, record["code"], error))
    return rows


def name_of(row: Row) -> str:
    """What a product is called before somebody says so: as its file."""
    return PurePosixPath(row.file).stem.replace("_", " ").strip()[:LONGEST] or row.file


def cut_of(dataset: Dataset, row: Row, mark: Seen) -> bytes:
    """The picture of one mark of a row, as a PNG. Raises `NotFound` or `ImageRefused` where the file is gone."""
    return encode_png(cut_region(decode(dataset.product_picture(row.picture)), mark.region))


def take_in(
    dataset: Dataset, rows: Sequence[Row], confirmed: Sequence[Confirmed], names: Mapping[int, str]
) -> list[int]:
    """Make the products that were confirmed; their ids. ``names``: the kind of an unknown mark -> the class that it is
    to be: the pictures of the marks of that kind become its first images. All of it is one entry of the journal. Raises
    what making products raises, and then nothing is left of it."""
    wanted = {kind for one in confirmed for kind in one.new if names.get(kind, "").strip()}
    chosen = {one.picture for one in confirmed}
    uploads: list[Upload] = [
        (
            f"{PurePosixPath(row.file).stem} {number + 1}.png",
            names[mark.kind].strip(),
            partial(cut_of, dataset, row, mark),
            WHOLE,
        )
        for row in rows
        for number, mark in enumerate(row.marks)
        if mark.kind is not None and mark.kind in wanted and row.picture in chosen
    ]
    entry = _first_images(dataset, uploads) if uploads else None
    classes = {key(record.name): record.id for record in dataset.classes()}
    drafts = []
    for one in confirmed:
        marks = [Carried(class_id, at) for class_id, at in one.marks]
        new = [classes.get(key(names[kind].strip())) for kind in one.new if kind in wanted]
        marks += [Carried(class_id) for class_id in new if class_id is not None]
        pictures = (one.picture,) if one.picture else ()
        drafts.append(
            ProductDraft(one.name, one.maker, one.code, dict(one.fields), tuple(marks[:MOST_MARKS]), pictures)
        )
    try:
        return dataset.create_products(drafts, entry_id=entry)
    except BurinError:
        if entry is not None:
            dataset.revert(entry)
        raise


def _first_images(dataset: Dataset, uploads: Sequence[Upload]) -> int | None:
    """Take in the first images of new classes; the journal's entry, which what is made of them goes on with."""
    with Landing(dataset, source="", kind=None) as landing:
        landing.land([one for one in landing.stage(uploads) if isinstance(one, Staged)])
        return landing.entry
