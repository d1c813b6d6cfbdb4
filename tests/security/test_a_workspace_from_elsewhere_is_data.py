"""Promise: a backup or a workspace that somebody else made is data: it runs nothing, and leads nowhere else."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import time
import zipfile
import zlib
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.collection.backup import MANIFEST, SETTINGS, back_up, restore
from core.collection.dataset import Dataset
from core.embedding import engine
from core.ground.errors import BadInput, BurinError, NotFound, WorkspaceRefused
from core.ground.images import content_hash
from core.ground.job import Job, publish, read
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from core.intake import exports
from core.showcase import laid
from core.showcase.sample import remove
from core.synthesis.sample import MANIFEST as MARKS
from core.variation.variants import Manifest, Variant
from tests.conftest import draw, png_bytes


def backup_of(path: Path, files: dict[str, bytes], *, raw: bytes | None = None) -> Path:
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(MANIFEST, raw if raw is not None else json.dumps({"format": 1, "files": sums}))
    return path


EVIL = b"from pathlib import Path\nPath(__file__).with_name('ran').touch()\ndef run_it(*_):\n    return {}\n"
REQUEST = json.dumps({"work": "data.evil:run_it", "params": {}}).encode()


@pytest.mark.parametrize(
    "name",
    ["data/jobs/0a/request.json", "data/cache/engines/x.onnx", "data/staging/x.png", "data/.0123456789abcdef012.tmp"],
)
def test_what_a_backup_leaves_out_comes_in_from_none(tmp_path: Path, name: str) -> None:
    """A job that was made elsewhere would wait to be gone on with, an engine in the cache would be opened."""
    source = backup_of(tmp_path / "bad.zip", {"data/raw_gravures/a/a.png": b"x", name: REQUEST})
    with pytest.raises(BadInput):
        restore(source, Workspace(tmp_path / "there"))
    assert not (tmp_path / "there" / "data").exists()


def test_a_job_does_no_work_but_burin_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped job whose request names a module of the workspace, in a folder where modules are looked for."""
    workspace = Workspace(tmp_path)
    (workspace.data / "evil.py").parent.mkdir(parents=True)
    (workspace.data / "evil.py").write_bytes(EVIL)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    for work in ("data.evil:run_it", "os:system", "subprocess:call", ".evil:run_it"):
        folder = workspace.jobs / f"0{zlib.crc32(work.encode()):08x}"
        folder.mkdir(parents=True)
        publish(Job(folder.name, "import", str(folder), state="stopped", created_at=time.time()))
        (folder / "request.json").write_text(json.dumps({"work": work, "params": {}}))
        ended = JobRunner(workspace).wait(JobRunner(workspace).again(folder.name).id, timeout_s=60)
        assert ended.state == "failed" and "not Burin's" in str(ended.error), work
    assert not (workspace.data / "ran").exists()


def test_a_job_s_file_chooses_neither_its_folder_nor_its_name(tmp_path: Path) -> None:
    """Else a record could have another folder removed, or another process ended."""
    folder = tmp_path / "0a"
    folder.mkdir()
    record = {"id": "", "kind": "import", "folder": "/etc", "pid": os.getpid(), "state": "running", "beat_at": 0}
    (folder / "job.json").write_text(json.dumps(record))
    job = read(folder)
    assert job is not None and (job.id, job.folder) == ("0a", str(folder))


def test_a_backup_does_not_choose_the_servers_that_are_asked(drawn_workspace: Workspace, tmp_path: Path) -> None:
    urls = {"catalogue_url": "postgresql+psycopg://x:y@canary.invalid/z", "index_url": "http://canary.invalid:19530"}
    urls["ray_address"] = "canary.invalid:6379"  # whose answers would be code here
    settings = json.dumps({**urls, "neighbours": 7}).encode()
    restore(backup_of(tmp_path / "all.zip", {SETTINGS: settings}), Workspace(tmp_path / "there"))
    config = Workspace(tmp_path / "there").config()
    assert (config.catalogue_url, config.index_url, config.ray_address, config.neighbours) == ("", "", "", 7)


def _deep() -> bytes:
    return b'{"format": 1, "files": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@pytest.mark.parametrize(
    "manifest",
    [_deep(), b"[]", b"{}", b"null", b'{"format": 1, "files": 3}', b"\xff\xfe",
     b'{"format": 1, "files": {"\\ud800": ""}}', b'{"format": 1, "files": {"data/x": null}}',
     b'{"format": 1e999, "files": {}}'],
)  # fmt: skip
def test_a_list_of_a_backup_that_makes_no_sense_is_refused_in_a_sentence(tmp_path: Path, manifest: bytes) -> None:
    source = backup_of(tmp_path / "bad.zip", {"data/x": b"x"}, raw=manifest)
    with pytest.raises(BadInput):
        restore(source, Workspace(tmp_path / "there"))
    assert not (tmp_path / "there" / "data").exists()


def test_every_damage_of_a_backup_is_a_sentence(tmp_path: Path) -> None:
    """One byte after another is turned: it is restored as it was, or refused, and nothing lies half there."""
    files = {"data/raw_gravures/a/a.txt": b"abc" * 300, "model/x.txt": b"y" * 50, SETTINGS: b'{"neighbours": 7}'}
    whole = backup_of(tmp_path / "all.zip", files).read_bytes()
    refused = 0
    for at in range(0, len(whole), 3):
        bad = tmp_path / "bad.zip"
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        there = Workspace(tmp_path / "there" / str(at))
        try:
            restore(bad, there)
        except BurinError:
            refused += 1
            assert not there.data.exists() and not there.model.exists()
        else:
            assert (there.root / "data/raw_gravures/a/a.txt").read_bytes() == files["data/raw_gravures/a/a.txt"]
    assert refused > 50


def test_a_backup_larger_than_the_disk_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = backup_of(tmp_path / "bomb.zip", {"data/x": bytes(5_000_000)})
    monkeypatch.setattr("core.collection.backup._room_at", lambda folder: 4_000_000)
    with pytest.raises(BadInput, match="not enough room"):
        restore(source, Workspace(tmp_path / "there"))


OUT = "../../../secret.png"


@pytest.fixture
def hostile(drawn_workspace: Workspace) -> Workspace:
    """A catalogue whose rows lead to a picture beside the workspace: of an image, a class, the trash, and of moves."""
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    dataset.trash(dataset.item_ids()[-1:])
    secret = drawn_workspace.root.parent / "secret.png"
    secret.write_bytes(png_bytes(draw("bar", seed=99)))
    dataset.catalogue.close()
    with sqlite3.connect(drawn_workspace.catalogue) as connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM items WHERE state = 'present' ORDER BY id")]
        connection.execute("UPDATE items SET file = ? WHERE id = ?", (f"../{OUT}", ids[0]))
        connection.execute("UPDATE items SET trashed_as = ? WHERE state = 'trash'", (OUT,))
        folder = connection.execute("SELECT id FROM classes ORDER BY id DESC").fetchone()[0]
        connection.execute("UPDATE classes SET folder = '../../..' WHERE id = ?", (folder,))
        connection.execute("UPDATE items SET file = 'secret.png' WHERE id = ?", (ids[-1],))
        move = "INSERT INTO moves (id, op, item_id, class_id, source, target) VALUES (?, ?, ?, ?, ?, ?)"
        connection.execute(move, (901, "file", ids[1], None, "../../secret.png", "trash/taken.png"))
        connection.execute(move, (902, "file", ids[2], None, "raw_gravures/bar/x.png", "../../put.png"))
        connection.execute(move, (903, "mkdir", None, folder, "", "../../made"))
        connection.execute(move, (904, "rmdir", None, folder, "../../empty", ""))
        connection.execute(move, (905, "file", ids[3], None, str(secret), "trash/taken.png"))
        connection.execute(move, (906, "file", ids[4], None, "raw_gravures/bar/x.png", f"{secret.parent}/put.png"))
        connection.execute(move, (907, "delete", ids[5], None, str(secret), ""))
        connection.execute(move, (908, "delete", ids[5], None, "../../secret.png", ""))
        connection.execute(move, (909, "rmdir", None, folder, f"{secret.parent}/empty", ""))
        connection.execute(move, (910, "mkdir", None, folder, "", f"{secret.parent}/made"))
    (drawn_workspace.root.parent / "empty").mkdir()
    return drawn_workspace


def test_a_catalogue_leads_nowhere_out_of_the_workspace(hostile: Workspace) -> None:
    beside = hostile.root.parent
    before = {path.name for path in beside.iterdir()}
    secret = (beside / "secret.png").read_bytes()
    dataset = Dataset(hostile)
    dataset.settle()
    for item in dataset.items(limit=None):
        with suppress(BurinError):
            assert dataset.image_bytes(item) != secret
    for state in ("present", "trash"):
        for item_id in dataset.item_ids(state=state):
            with suppress(BurinError):
                assert dataset.image_bytes(dataset.item(item_id)) != secret
    dataset.discard(dataset.item_ids(state="trash"))
    dataset.rescan()
    dataset.trash(dataset.item_ids())
    back_up(dataset, hostile.root / "all.zip")
    with zipfile.ZipFile(hostile.root / "all.zip") as archive:
        assert all(archive.read(name) != secret for name in archive.namelist())
    assert {path.name for path in beside.iterdir()} == before
    assert (beside / "secret.png").read_bytes() == secret


@pytest.fixture
def beside(drawn_workspace: Workspace) -> Path:
    """A folder of somebody's beside the workspace, with a picture in it, and an empty one."""
    folder = drawn_workspace.root.parent / "theirs"
    (folder / "empty").mkdir(parents=True)
    (folder / "secret.png").write_bytes(png_bytes(draw("bar", seed=99)))
    return folder


@pytest.mark.parametrize("how", ["up", "absolute"])
def test_a_list_of_variants_leads_nowhere_out_of_its_folder(drawn_workspace: Workspace, beside: Path, how: str) -> None:
    """Else the next relabelling would bring in any file of this machine, and undoing a batch would delete it."""
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    item = dataset.items(limit=1)[0]
    folder = str(beside) if how == "absolute" else f"../../../{beside.name}"
    content = (beside / "secret.png").read_bytes()
    line = {
        "folder": folder, "file": "secret.png", "sha256": content_hash(content), "original_sha256": item.sha256,
        "batch": "1", "seed": 1, "steps": [],
    }  # fmt: skip
    named = {each.name: "" for each in fields(Variant)} | line
    drawn_workspace.augmented.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(drawn_workspace.augmented)
    manifest.path.write_text(json.dumps({"variant": named}) + "\n")
    other = next(record.id for record in dataset.classes() if record.id != item.class_id)
    dataset.relabel([item.id], other)
    assert manifest.variants() == [] and manifest.remove_batch("1") == 0
    assert (beside / "secret.png").read_bytes() == content


def test_what_a_sample_says_it_laid_out_leads_nowhere_else(drawn_workspace: Workspace, beside: Path) -> None:
    """Else removing the sample would remove whatever its record names."""
    (drawn_workspace.model / "runs" / "1a").mkdir(parents=True)
    for run in (str(beside), "../../../theirs", "../../data"):
        record = {"run": run, "paths": [str(beside), "../theirs", "data", "model/runs", "model/engines/../runs"]}
        record |= {"photographs": {str(beside / "secret.png"): [], "../../../theirs/secret.png": []}, "wrong": {}}
        (drawn_workspace.data / laid.FILE).write_text(json.dumps(record))
        folders = [str(beside / "empty"), "../../../theirs/empty"]
        (drawn_workspace.data / MARKS).write_text(json.dumps({"seed": 7, "files": [], "folders": folders}))
        assert laid.Laid.read(drawn_workspace).photographs == {}
        remove(drawn_workspace)
        assert (beside / "secret.png").is_file() and (beside / "empty").is_dir()
        assert (drawn_workspace.model / "runs" / "1a").is_dir() and len(list(drawn_workspace.raw.rglob("*.png"))) == 12


@pytest.mark.parametrize("name", ["../../../theirs/secret.png", "..", "linked.png", "absolute"])
def test_a_picture_of_a_product_is_one_of_its_own_folder(drawn_workspace: Workspace, beside: Path, name: str) -> None:
    drawn_workspace.product_pictures.mkdir(parents=True)
    (drawn_workspace.product_pictures / "linked.png").symlink_to(beside / "secret.png")
    with pytest.raises(NotFound):
        Dataset(drawn_workspace).product_picture(str(beside / "secret.png") if name == "absolute" else name)


def test_a_hash_that_is_a_path_is_none(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceRefused):
        workspace.thumbnail("../../../../tmp/x")


def test_a_network_that_keeps_its_numbers_in_other_files_is_not_opened(tmp_path: Path) -> None:
    """ONNX lets a tensor name a file to read its numbers from, and answers with them."""
    onnx = pytest.importorskip("onnx")
    (tmp_path / "secret").write_bytes(np.arange(4, dtype=np.float32).tobytes())

    def model(**place: Any) -> bytes:
        tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[4])
        if place:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for name, value in place.items():
                tensor.external_data.add(key=name, value=value)
        else:
            tensor.raw_data = np.arange(4, dtype=np.float32).tobytes()
        shape = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("Add", ["images", "w"], ["embeddings"])], "g",
            [shape("images", onnx.TensorProto.FLOAT, [4])], [shape("embeddings", onnx.TensorProto.FLOAT, [4])],
            [tensor],
        )  # fmt: skip
        opset = [onnx.helper.make_opsetid("", engine.OPSET)]
        return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()

    given = {"images": np.zeros(4, np.float32)}
    assert engine.session(model(), threads=1).run(None, given)[0].tolist() == [0, 1, 2, 3]
    for where in ("secret", str(tmp_path / "secret"), "../secret"):
        with pytest.raises(ValueError, match="other files"):
            engine.session(model(location=where, offset="0", length="16"), threads=1)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_link_put_in_the_place_of_an_image_is_not_followed(
    drawn_workspace: Workspace, tmp_path: Path, what: str
) -> None:
    """Who may put files into the folders does not choose what else of this machine is shown, sent or backed up."""
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    item = dataset.items(limit=1)[0]
    path = dataset.path(item)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / path.name).write_bytes(secret := png_bytes(draw("triangle", seed=99)))
    if what == "file":
        path.unlink()
        path.symlink_to(elsewhere / path.name)
    else:
        path.parent.rename(tmp_path / "away")
        path.parent.symlink_to(elsewhere)
    with pytest.raises(NotFound):
        dataset.image_bytes(item)
    made = back_up(dataset, drawn_workspace.root / "all.zip")
    with zipfile.ZipFile(made.path) as archive:
        assert all(archive.read(name) != secret for name in archive.namelist())
    buffer = io.BytesIO()
    exports.export_zip(dataset, buffer)
    assert secret not in buffer.getvalue()
    dataset.rescan()
    assert content_hash(secret) not in {each.sha256 for each in dataset.items(limit=None)}
