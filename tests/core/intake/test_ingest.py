"""Ingestion: one outcome a file, nothing twice, nothing half, whatever the names."""

from __future__ import annotations

import io
import itertools
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.catalogue.records import FileOutcome
from core.collection.dataset import UNLABELLED, Dataset
from core.ground.config import Preprocessing
from core.ground.errors import ArchiveRefused, NotAllowed
from core.ground.images import content_hash, difference_hash, encode_png
from core.ground.jobs import JobRunner
from core.ground.names import basename, is_junk
from core.ground.rights import Actor
from core.ground.workspace import Workspace
from core.intake.exports import export_zip
from core.intake.ingest import IncomingFile, import_archive, import_files, preview_files, with_classes
from core.intake.originals import is_bare_jpeg, is_bare_png
from core.intake.work import receive, run_import
from tests import hostile
from tests.conftest import SHAPES, draw, png_bytes

ODD = [
    "(e",
    "[sl",
    "^",
    "---e",
    "{s}",
    "_x_",
    "e)_",
    "étoile",
    "*",
    "con",
    "nan",
    "x" * 120,
    "é" * 120,
    "50%41",
    "a:b",
    "=1+1",
    "a/b",
]


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return Dataset(workspace)


def random_png(seed: int, side: int = 16) -> bytes:
    return encode_png(Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)))


def incoming(count: int, class_name: str | None = "pont", first: int = 0) -> list[IncomingFile]:
    return [IncomingFile(f"{n}.png", random_png(n), class_name=class_name) for n in range(first, first + count)]


def zipped(members: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def said(outcomes: list[FileOutcome]) -> list[tuple[str, str]]:
    return [(outcome.outcome, str(outcome.reason or "")) for outcome in outcomes]


def multiset(dataset: Dataset) -> Counter[tuple[str, str]]:
    return Counter((item.class_name, item.sha256) for item in dataset.items(limit=None))


def test_one_outcome_a_file_in_order(dataset: Dataset) -> None:
    files = [
        IncomingFile("good.png", random_png(1), class_name="(e"),
        IncomingFile("text.png", b"not an image"),
        IncomingFile(".DS_Store", b"junk"),
        IncomingFile("flat.png", random_png(2)),
        IncomingFile("empty.png", b""),
        IncomingFile("gone.png", path=Path("/nowhere/gone.png")),
        IncomingFile("odd.png", random_png(3), class_name="a/../b"),
        IncomingFile("again.png", random_png(1), class_name="(e"),
    ]
    seen: list[tuple[int, int]] = []
    outcomes = import_files(dataset, files, on_progress=lambda done, total: seen.append((done, total)))
    assert [(o.name, o.outcome) for o in outcomes] == [
        ("good.png", "added"), ("text.png", "refused"), ("flat.png", "added"), ("empty.png", "refused"),
        ("gone.png", "refused"), ("odd.png", "refused"), ("again.png", "present"),
    ]  # fmt: skip
    sentences = [text for _, text in said(outcomes)]
    assert "not an image" in sentences[1] and "empty" in sentences[3] and "cannot be read" in sentences[4]
    assert "way through folders" in sentences[5] and sentences[6] == "Already there, in the class (e."
    assert outcomes[6].item_id == outcomes[0].item_id and seen[-1] == (7, 8)
    assert dataset.counts().originals == 2 and dataset.count(class_id=UNLABELLED) == 1
    assert {item.path for item in dataset.items()} == {
        f"data/raw_gravures/(e/good_{content_hash(random_png(1))[:10]}.png",
        f"data/unlabelled/flat_{content_hash(random_png(2))[:10]}.png",
    }
    assert list(dataset.workspace.staging.iterdir()) == []


def test_importing_twice_adds_nothing(dataset: Dataset) -> None:
    assert Counter(o.outcome for o in import_files(dataset, incoming(5))) == {"added": 5}
    version = dataset.version
    assert Counter(o.outcome for o in import_files(dataset, incoming(5))) == {"present": 5}
    assert said(import_files(dataset, incoming(1, "other"))) == [
        ("present", "Already there, in the class pont and not in other.")
    ]
    assert said(import_files(dataset, incoming(1, None)))[0][0] == "present"
    assert [c.name for c in dataset.classes()] == ["pont"] and dataset.version >= version
    assert len(dataset.history()) == 1


def test_a_cleaned_upload_is_known_by_both_its_forms(dataset: Dataset) -> None:
    buffer = io.BytesIO()
    draw("wave").save(buffer, "PNG", dpi=(72, 72), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0GPS secret")
    upload = IncomingFile("photo.png", buffer.getvalue(), class_name="(e")
    assert said(import_files(dataset, [upload])) == [("added", "")]
    (item,) = dataset.items()
    stored = dataset.image_bytes(item)
    assert b"secret" not in stored and content_hash(stored) == item.sha256 != content_hash(buffer.getvalue())
    assert said(import_files(dataset, [upload]))[0][0] == "present"
    assert said(import_files(dataset, [IncomingFile("own.png", stored)]))[0][0] == "present"


def test_a_class_is_found_whatever_its_spelling(dataset: Dataset) -> None:
    names = ["étoile", "e\u0301toile", "ÉTOILE", " étoile "]
    outcomes = import_files(
        dataset, [IncomingFile("a.png", random_png(n), class_name=name) for n, name in enumerate(names)]
    )
    assert Counter(o.outcome for o in outcomes) == {"added": 4}
    assert [(c.name, c.originals) for c in dataset.classes()] == [("étoile", 4)]


def test_a_label_for_what_had_none(dataset: Dataset) -> None:
    import_files(dataset, incoming(2, None))
    outcomes = import_files(dataset, incoming(2, "pont"))
    assert said(outcomes) == [("present", "It was there without a class, and is now in the class pont.")] * 2
    assert dataset.counts().unlabelled == 0 and dataset.classes()[0].originals == 2
    dataset.undo()
    assert dataset.counts().unlabelled == 2


def test_what_was_deleted_comes_back(dataset: Dataset) -> None:
    (outcome,) = import_files(dataset, incoming(1))
    dataset.trash([outcome.item_id])
    assert said(import_files(dataset, incoming(1, "(e"))) == [("added", "Brought back from the trash.")]
    (item,) = dataset.items()
    assert (item.id, item.class_name) == (outcome.item_id, "(e") and dataset.counts().trash == 0
    dataset.path(item).unlink()
    dataset.rescan()
    assert said(import_files(dataset, incoming(1))) == [("added", "It had been lost from the folders, and is back.")]
    assert content_hash(dataset.image_bytes(dataset.item(item.id))) == item.sha256


def test_near_duplicates_are_pointed_out_before_and_after(dataset: Dataset) -> None:
    first = draw("circle", seed=1, side=96)
    (added,) = import_files(dataset, [IncomingFile("a.png", png_bytes(first), class_name="o")])
    nearly = first.copy()
    nearly.putpixel((0, 0), (250, 250, 250))
    files = [IncomingFile("b.png", png_bytes(nearly)), IncomingFile("c.png", random_png(1))]
    version = dataset.version
    preview = preview_files(dataset, files)
    assert [(o.outcome, o.item_id, o.near) for o in preview] == [("added", None, added.item_id), ("added", None, None)]
    assert (
        dataset.version == version
        and dataset.counts().originals == 1
        and list(dataset.workspace.staging.iterdir()) == []
    )
    assert [o.near for o in import_files(dataset, files)] == [added.item_id, None]


def test_hashes_that_agree_by_chance_are_no_near_copies(dataset: Dataset) -> None:
    """Lines across: the hash compares neighbours to the left and right only, and is 0 for all of them."""
    pictures = []
    for at in (10, 60):
        pictures.append(Image.new("RGB", (80, 80), "white"))
        pictures[-1].paste((0, 0, 0), (0, at, 80, at + 4))
    assert difference_hash(pictures[0]) == difference_hash(pictures[1]) == 0
    files = [IncomingFile(f"{n}.png", png_bytes(picture)) for n, picture in enumerate(pictures)]
    assert [(o.outcome, o.near) for o in import_files(dataset, files, admit=[])] == [("added", None)] * 2
    lighter = Image.blend(pictures[1], Image.new("RGB", (80, 80), "white"), 0.3)
    (held,) = import_files(dataset, [IncomingFile("lighter.png", png_bytes(lighter))], admit=[])
    assert (held.outcome, dataset.item(held.near or 0).source) == ("held", "1.png")


@pytest.mark.parametrize("zip_it", [True, False])
def test_near_copies_are_held_back_until_they_are_admitted(dataset: Dataset, tmp_path: Path, zip_it: bool) -> None:
    (known,) = import_files(dataset, [IncomingFile("a.png", png_bytes(draw("circle")), class_name="circle")])
    near = draw("circle")
    near.putpixel((0, 0), (250, 250, 250))
    members = {"new/near.png": png_bytes(near), "new/other.png": random_png(1)}
    uploads = [("n.zip", zipped(members, tmp_path / "n.zip").read_bytes())] if zip_it else list(members.items())
    params: dict[str, Any] = {"files": receive(dataset.workspace, uploads), "admit": []}
    results, reports = [], []
    for preview in (True, False):
        reports.append(Reported())
        results.append(run_import(dataset.workspace, {**params, "preview": preview}, reports[-1], lambda: False))  # type: ignore[arg-type]
    counted = {"added": 1, "present": 0, "refused": 0, "held": 1}
    assert results == [{**counted, "preview": True}, counted]
    held = FileOutcome.from_json(next(record for record in reports[1].records if record["outcome"] == "held"))
    assert (held.name, held.near, held.item_id, held.class_name) == ("new/near.png", known.item_id, None, "new")
    assert Image.open(io.BytesIO(held.picture)).size == near.size and dataset.counts().originals == 2
    admit = {**params, "admit": [held.sha256]}
    result = run_import(dataset.workspace, admit, Reported(), lambda: False)  # type: ignore[arg-type]
    assert result == {"added": 1, "present": 1, "refused": 0}
    assert {item.source: item.class_name for item in dataset.items()}["new/near.png"] == "new"
    assert list(dataset.workspace.staging.iterdir()) == []


@pytest.mark.parametrize("zip_it", [True, False])
def test_images_that_an_export_names_are_no_copies_of_each_other(
    dataset: Dataset, tmp_path: Path, zip_it: bool
) -> None:
    """Both were kept where they come from. What was here before is still compared, and so is a file that is another
    than the table says."""
    twin, stray = draw("circle"), draw("circle")
    twin.putpixel((0, 0), (250, 250, 250))
    stray.putpixel((0, 0), (240, 240, 240))
    import_files(dataset, [IncomingFile("a.png", png_bytes(draw("circle")), class_name="circle")])
    import_files(dataset, [IncomingFile("b.png", png_bytes(twin), class_name="circle")])
    export_zip(dataset, stream := io.BytesIO())
    with zipfile.ZipFile(stream) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["circle/stray.png"] = png_bytes(stray)
    members["labels.csv"] += b"circle/stray.png,circle,drawing,80,80,0123abc,stray.png,,,,\r\n"
    uploads = [("n.zip", zipped(members, tmp_path / "n.zip").read_bytes())] if zip_it else list(members.items())
    there = Dataset(Workspace(tmp_path / "there"))
    params: dict[str, Any] = {"files": receive(there.workspace, uploads), "admit": []}
    result = run_import(there.workspace, params, Reported(), lambda: False)  # type: ignore[arg-type]
    assert (result["added"], result["held"]) == (2, 1)

    here = Dataset(Workspace(tmp_path / "here"))
    import_files(here, [IncomingFile("mine.png", png_bytes(stray), class_name="circle")])
    params = {"files": receive(here.workspace, uploads), "admit": []}
    result = run_import(here.workspace, params, Reported(), lambda: False)  # type: ignore[arg-type]
    assert (result["added"], result["present"], result["held"]) == (0, 1, 2)


def test_an_import_is_one_entry_and_its_undo_sends_it_to_the_trash(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.intake.ingest.BATCH", 3)
    import_files(dataset, incoming(8))
    (entry,) = dataset.history()
    assert (entry.action, entry.items, entry.classes) == ("import", 8, 1)
    assert entry.detail == {"source": "0.png, 1.png, 2.png, …", "added": 8}
    dataset.undo()
    assert dataset.counts().trash == 8 and dataset.counts().originals == 0 and dataset.classes() == []
    dataset.redo()
    assert dataset.classes()[0].originals == 8
    for item in dataset.items(limit=None):
        assert content_hash(dataset.image_bytes(item)) == item.sha256


@pytest.mark.parametrize(
    ("names", "source"),
    [
        (["up/A/1.png", "up\\B\\1.png"], "up"),
        (["A/1.png", "B/2.png"], "1.png, 2.png"),
        (["A/1.png", "2.png"], "1.png, 2.png"),
        (["1.png"], "1.png"),
    ],
)
def test_the_journal_names_what_was_imported(dataset: Dataset, names: list[str], source: str) -> None:
    import_files(dataset, [IncomingFile(name, random_png(n)) for n, name in enumerate(names)])
    assert dataset.history()[0].detail == {"source": source, "added": len(names)}


def test_stopped_and_taken_up_again(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.intake.ingest.BATCH", 3)
    calls = itertools.count()
    assert len(import_files(dataset, incoming(10), should_stop=lambda: next(calls) >= 2)) == 6
    assert dataset.counts().originals == 6
    assert Counter(o.outcome for o in import_files(dataset, incoming(10))) == {"present": 6, "added": 4}


def test_the_vector_comes_with_the_row(dataset: Dataset) -> None:
    class Widths:
        space = "width"
        preprocessing = Preprocessing()

        def embed_images(self, images: Any) -> Any:
            for open_ in images:
                yield np.array([open_().width], dtype=np.float32)

    drawings = [IncomingFile(f"{n}.png", png_bytes(draw("cross", seed=n)), class_name="pont") for n in range(3)]
    import_files(dataset, drawings, embedder=Widths())  # type: ignore[arg-type]
    assert dataset.missing_vectors("width") == [] and dataset.vectors("width")[3].tolist() == [[64.0]] * 3


def test_a_viewer_imports_nothing(dataset: Dataset) -> None:
    with pytest.raises(NotAllowed):
        import_files(dataset.acting_as(Actor("Vi", "viewer")), incoming(1))


def test_a_zip_lands_with_its_classes_and_its_refusals(dataset: Dataset, tmp_path: Path) -> None:
    members = {
        f"set/{name}/{shape}.png": png_bytes(draw(shape)) for name, shape in zip(["(e", "e)"], SHAPES[:2], strict=True)
    }
    members |= {
        "set/(e/bad.png": b"no",
        "set/(e/inner.zip": b"PK\x03\x04",
        "set/flat.png": random_png(1),
        "__MACOSX/x": b"",
    }
    path = zipped(members, tmp_path / "marks.zip")
    outcomes = import_archive(dataset, path)
    assert Counter(o.outcome for o in outcomes) == {"added": 3, "refused": 2}
    assert {item.class_name for item in dataset.items()} == {"(e", "e)", ""}
    assert dataset.history()[0].detail == {"source": "marks.zip", "added": 3}
    assert Counter(o.outcome for o in import_archive(dataset, path)) == {"present": 3, "refused": 2}
    assert {c.name: c.originals for c in dataset.classes()} == {"(e": 1, "e)": 1}


def test_a_class_chosen_by_hand_overrides_the_zip(dataset: Dataset, tmp_path: Path) -> None:
    import_archive(
        dataset, zipped({"a/1.png": random_png(1), "2.png": random_png(2)}, tmp_path / "x.zip"), class_name="[sl"
    )
    assert [(c.name, c.originals) for c in dataset.classes()] == [("[sl", 2)]


def test_an_unsafe_or_stopped_archive_changes_nothing(dataset: Dataset, tmp_path: Path) -> None:
    before = sorted(p for p in tmp_path.rglob("*"))
    with pytest.raises(ArchiveRefused):
        import_archive(dataset, zipped({"a/1.png": random_png(1), "../../2.png": random_png(2)}, tmp_path / "x.zip"))
    assert (
        import_archive(dataset, zipped({"a/1.png": random_png(1)}, tmp_path / "x.zip"), should_stop=lambda: True) == []
    )
    assert dataset.items() == [] and dataset.history() == []
    after = sorted(
        p for p in tmp_path.rglob("*") if p.name != "x.zip" and p.suffix != ".sqlite" and "sqlite-" not in p.name
    )
    assert [p for p in after if p.is_file()] == [p for p in before if p.is_file() and "sqlite" not in p.name]


def test_an_archive_too_large_for_the_disk_is_refused(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(ArchiveRefused, match="not enough room"):
        import_archive(dataset, zipped({"a/1.png": random_png(1)}, tmp_path / "x.zip"))


def test_one_picture_under_two_classes_of_one_archive_keeps_both(dataset: Dataset, tmp_path: Path) -> None:
    members = {f"{name}/{n}.png": random_png(0) for name in ("a", "b") for n in range(2)}
    outcomes = import_archive(dataset, zipped({**members, "flat.png": random_png(0)}, tmp_path / "x.zip"))
    assert said(outcomes) == [
        ("added", ""),
        ("present", "Already there, in the class a."),
        ("added", "The same picture is also in the class a."),
        ("present", "Already there, in the class b."),
        ("present", "Already there, in the class a."),
    ]


@pytest.mark.parametrize("batch", [2, 200])
def test_odd_names_make_the_round_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """import -> rename -> move -> export -> import: the same pictures under the same classes."""
    monkeypatch.setattr("core.intake.ingest.BATCH", batch)
    first = Dataset(Workspace(tmp_path / "one"))
    files = [
        IncomingFile("mark.png", random_png(10 * n + k), class_name=name)
        for n, name in enumerate(ODD)
        for k in range(2)
    ]
    assert {o.outcome for o in import_files(first, files)} == {"added"}
    assert {c.name for c in first.classes()} == set(ODD)
    ids = {c.name: c.id for c in first.classes()}
    for name in ODD:  # every name is left, and taken by another class
        first.rename_class(ids[name], f"was {name}"[:120])
    for name, following in zip(ODD, ODD[1:] + ODD[:1], strict=True):
        first.rename_class(ids[name], following)
    first.relabel(first.item_ids(class_id=ids["*"])[:1], ids["con"])
    first.relabel(first.item_ids(class_id=ids["nan"])[:1], None)
    first.rescan()
    with open(tmp_path / "out.zip", "wb") as target:
        assert export_zip(first, target).images == 2 * len(ODD)
    second = Dataset(Workspace(tmp_path / "two"))
    assert {o.outcome for o in import_archive(second, tmp_path / "out.zip")} == {"added", "read"}
    assert multiset(second) == multiset(first)
    assert {item.path.rpartition("/")[2] for item in second.items(limit=None)} == {
        item.path.rpartition("/")[2] for item in first.items(limit=None)
    }
    assert {o.outcome for o in import_archive(second, tmp_path / "out.zip")} == {"present", "read"}
    second.rescan()
    assert multiset(second) == multiset(first)


def test_a_folder_upload_gives_its_classes() -> None:
    files = [
        IncomingFile("set\\(e\\a.png", b"1"),
        IncomingFile("set/e)/b.png", b"2"),
        IncomingFile("set/e)/c.png", b"3", class_name="x"),
    ]
    assert [f.class_name for f in with_classes(files)[0]] == ["(e", "e)", "x"]
    table = IncomingFile("labels.csv", b"file_name,label\na.png,pont\n")
    labelled, remarks, _ = with_classes([table, *files[:1]])
    assert [(f.name, f.class_name) for f in labelled] == [("set\\(e\\a.png", "pont")] and remarks == []


@pytest.mark.parametrize("zip_it", [True, False])
def test_each_path_of_a_csv_gets_its_own_label(dataset: Dataset, tmp_path: Path, zip_it: bool) -> None:
    """The same file names in several folders: in a zip and as a folder."""
    table = b"file_name,label\nA/1.png,catA\nA/2.png,catA\nB/1.png,catB\n"
    members = {f"up/{name}.png": random_png(n) for n, name in enumerate(("A/1", "A/2", "B/1", "B/2"))}
    members["up/labels.csv"] = table
    uploads = [("up.zip", zipped(members, tmp_path / "up.zip").read_bytes())] if zip_it else list(members.items())
    report = Reported()
    run_import(dataset.workspace, {"files": receive(dataset.workspace, uploads)}, report, lambda: False)  # type: ignore[arg-type]
    found = {record["name"]: record["class_name"] for record in report.records}
    assert found == {"up/A/1.png": "catA", "up/A/2.png": "catA", "up/B/1.png": "catB", "up/B/2.png": "B"}


@pytest.mark.parametrize("preview", [True, False])
def test_a_csv_that_labels_nothing_is_listed(dataset: Dataset, preview: bool) -> None:
    uploads = [("a.png", random_png(1)), ("labels.csv", b"file_name,label\nb.png,x\n")]
    report, params = Reported(), {"files": receive(dataset.workspace, uploads), "preview": preview}
    result = run_import(dataset.workspace, params, report, lambda: False)  # type: ignore[arg-type]
    assert (result["added"], result["refused"]) == (1, 1)
    assert (
        str(FileOutcome.from_json(report.records[-1]).reason)
        == "labels.csv: rows that name no file here: 1 of 1 (b.png)."
    )


def test_outcomes_are_kept_as_records() -> None:
    (outcome,) = [FileOutcome("{s}.png", "refused", ArchiveRefused("{name} has {n} files.", name="{s}", n=3), None, 7)]
    kept = FileOutcome.from_json(outcome.to_json())
    assert (kept.name, kept.outcome, str(kept.reason), kept.near) == ("{s}.png", "refused", "{s} has 3 files.", 7)
    assert FileOutcome.from_json(FileOutcome("a", "added", None, 1).to_json()) == FileOutcome("a", "added", None, 1)


class Reported:
    """Stands in for `core.ground.job_process.Report`."""

    def __init__(self) -> None:
        self.progress: list[tuple[int, int]] = []
        self.records: list[dict[str, Any]] = []

    def __call__(self, done: int, total: int, note: str = "") -> None:
        self.progress.append((done, total))

    def append(self, record: dict[str, Any]) -> None:
        self.records.append(record)


def test_the_job_takes_files_and_archives(dataset: Dataset, tmp_path: Path) -> None:
    good, bad = (zipped(m, tmp_path / "z.zip").read_bytes() for m in ({"(e/1.png": random_png(1)}, {"../1.png": b""}))
    uploads = [
        ("good.zip", good),
        ("bad.zip", bad),
        ("set/pont/2.png", random_png(2)),
        ("set/arc/3.png", random_png(3)),
    ]
    params = {"files": receive(dataset.workspace, ((name, io.BytesIO(data)) for name, data in uploads))}
    ada = dataset.workspace.acting_as(Actor("Ada", "curator"))
    report = Reported()
    never: Callable[[], bool] = lambda: False  # noqa: E731
    assert run_import(ada, params, report, never) == {"added": 3, "present": 0, "refused": 1}  # type: ignore[arg-type]
    assert {c.name for c in dataset.classes()} == {"(e", "pont", "arc"} and dataset.history()[0].who == "Ada"
    assert [r["name"] for r in report.records] == ["(e/1.png", "bad.zip", "set/pont/2.png", "set/arc/3.png"]
    assert report.progress[-1] == (4, 4) and list(dataset.workspace.staging.iterdir()) == []


def test_a_look_first_says_what_would_be_and_the_same_job_then_takes_it_in(dataset: Dataset) -> None:
    (known,) = import_files(dataset, [IncomingFile("a.png", png_bytes(draw("circle")), class_name="circle")])
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("pont/1.png", random_png(1))
        archive.writestr("pont/2.png", b"not an image")
    near = draw("circle")
    near.putpixel((0, 0), (250, 250, 250))
    files = receive(dataset.workspace, [("near.png", png_bytes(near)), ("set.zip", zipped.getvalue())])
    version, runner = dataset.version, JobRunner(dataset.workspace)
    work, params = "core.intake.work:run_import", {"files": files, "preview": True}
    job = runner.wait(runner.start("import", work, params, key="k").id, timeout_s=120)
    assert job.result == {"added": 2, "present": 0, "refused": 1, "preview": True}
    found = {o.name: (o.outcome, o.near) for o in map(FileOutcome.from_json, job.outcomes())}
    assert found["near.png"] == ("added", known.item_id) and found["pont/2.png"][0] == "refused"
    assert dataset.version == version and dataset.counts().originals == 1
    job = runner.wait(runner.again(job.id, preview=False).id, timeout_s=120)
    assert job.result == {"added": 2, "present": 0, "refused": 1} and dataset.counts().originals == 3
    assert list(dataset.workspace.staging.iterdir()) == []


def test_the_job_in_its_process(workspace: Workspace) -> None:
    runner = JobRunner(workspace)
    files = receive(workspace, [(f"pont/{n}.png", random_png(n)) for n in range(5)])
    job = runner.wait(runner.start("import", "core.intake.work:run_import", {"files": files}).id, timeout_s=120)
    assert (job.state, job.result) == ("succeeded", {"added": 5, "present": 0, "refused": 0})
    assert [FileOutcome.from_json(r).outcome for r in job.outcomes()] == ["added"] * 5
    assert Dataset(workspace).counts().originals == 5


def test_hostile_files_end_in_an_outcome_and_leave_nothing_but_pictures(dataset: Dataset) -> None:
    cases = [(name, case) for name, case in hostile.IMAGES.items() if case.opens]  # the others: test_images.py
    files = [IncomingFile(name, case.make(), class_name="x") for name, case in cases]
    outcomes = import_files(dataset, files)
    assert len(outcomes) == len(files)
    for (name, _), outcome in zip(cases, outcomes, strict=True):
        assert outcome.outcome != "refused", name
    for item in dataset.items(limit=None):
        stored = dataset.image_bytes(item)
        assert is_bare_png(stored) or is_bare_jpeg(stored)
        assert b"<script" not in stored and b"<?php" not in stored


@pytest.mark.parametrize("path", [path for path in hostile.BAD_PATHS if not is_junk(basename(path))])
def test_an_uploads_name_is_never_a_path(dataset: Dataset, path: str) -> None:
    (outcome,) = import_files(dataset, [IncomingFile(path, random_png(1), class_name="x")])
    assert outcome.outcome == "added"
    (item,) = dataset.items()
    assert item.path.startswith("data/raw_gravures/x/") and item.path.count("/") == 3
    assert [p.name for p in dataset.workspace.root.parent.iterdir()] == ["workspace"]


def test_odd_class_names_from_the_hostile_list(dataset: Dataset) -> None:
    files = [IncomingFile(f"{n}.png", random_png(n), class_name=name) for n, name in enumerate(hostile.ODD_CLASS_NAMES)]
    assert {o.outcome for o in import_files(dataset, files)} == {"added"}
    assert {c.name for c in dataset.classes()} == set(hostile.ODD_CLASS_NAMES)
    dataset.catalogue.close()
    for path in dataset.workspace.data.glob("catalogue.sqlite*"):
        path.unlink()
    again = Dataset(dataset.workspace)
    again.rescan()
    assert {c.name for c in again.classes()} == set(hostile.ODD_CLASS_NAMES)


def test_a_zip_with_originals_and_variants_makes_no_class_of_its_layout(dataset: Dataset, tmp_path: Path) -> None:
    members = {
        "raw_gravures/(e/a.png": random_png(1),
        "raw_gravures/e)/b.png": random_png(2),
        "augmented_gravures/(e/a_1.png": random_png(3),
        "augmented_gravures/e)/b_1.png": random_png(4),
    }
    outcomes = import_archive(dataset, zipped(members, tmp_path / "both.zip"))
    assert [o.outcome for o in outcomes] == ["added", "added", "refused"]
    assert {record.name for record in dataset.classes()} == {"(e", "e)"}


def test_a_copy_that_hid_behind_a_frame_or_a_turn_is_held_back(dataset: Dataset) -> None:
    """What the model sees of them is the same; nothing of small marks on large pages is."""
    known = draw("wave", side=160)
    import_files(dataset, [IncomingFile("a.png", png_bytes(known))])
    hidden = {
        "framed.png": ImageOps.expand(known, 19, fill=(255, 255, 255)),
        "inverted.png": ImageOps.invert(known),
        "turned.png": known.rotate(5, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255)),
        "moved.png": known.transform(known.size, Image.Transform.AFFINE, (1, 0, -5, 0, 1, 5), fillcolor=(255,) * 3),
    }
    files = [IncomingFile(name, png_bytes(image)) for name, image in hidden.items()]
    assert [o.outcome for o in import_files(dataset, files, admit=[])] == ["held"] * 4
    pages = []
    for shape in ("circle", "cross", "triangle", "square"):
        pages.append(Image.new("RGB", (800, 800), "white"))
        pages[-1].paste(draw(shape), (368, 368))
    files = [IncomingFile(f"{n}.png", png_bytes(page)) for n, page in enumerate(pages)]
    assert [o.outcome for o in import_files(dataset, files, admit=[])] == ["added"] * 4


def test_nothing_in_an_archive_is_opened_but_pictures(dataset: Dataset, tmp_path: Path) -> None:
    """An archive in an archive is not unpacked, whatever its name; of a picture that is one too, the pixels come."""
    inner = zipped({"../../evil.png": random_png(1), "b/2.png": random_png(2)}, tmp_path / "inner.zip").read_bytes()
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
    members = {
        "a/inner.zip": inner, "a/inner.png": inner, "a/x.svg": svg, "a/y.png": svg, "a/net.onnx": b"\x08\x07",
        "a/both.png": random_png(3) + inner, "a/page.html": b"<script>alert(1)</script>", "a/net.pt": b"\x80\x04.",
    }  # fmt: skip
    outcomes = {o.name: o.outcome for o in import_archive(dataset, zipped(members, tmp_path / "x.zip"))}
    assert outcomes.pop("a/both.png") == "added" and set(outcomes.values()) == {"refused"} and len(outcomes) == 7
    (item,) = dataset.items(class_id=next(one.id for one in dataset.classes() if one.name == "a"))
    assert is_bare_png(dataset.image_bytes(item)) and b"PK" not in dataset.image_bytes(item)
    assert not list(tmp_path.rglob("evil*")) and not list(dataset.workspace.root.rglob("*evil*"))
