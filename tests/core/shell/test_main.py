"""The shell, with a stand-in for the encoder: what it prints, what it writes, how it exits."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from core.collection.dataset import Dataset
from core.shell.main import main
from tests.conftest import ROOT, draw, png_bytes


@pytest.fixture(autouse=True)
def stand_in(fake_embedder, monkeypatch):
    monkeypatch.setattr("core.embedding.embedder.load_embedder", lambda workspace, *, model=None: fake_embedder)


@pytest.fixture
def query(tmp_path):
    """A function that writes a drawn query and gives its path."""

    def write(shape: str, name: str | None = None) -> str:
        path = tmp_path / (name or f"{shape}.png")
        path.write_bytes(png_bytes(draw(shape, seed=77)))
        return str(path)

    return write


def test_index_says_what_is_ready_and_names_what_is_refused(drawn_workspace, capsys):
    (drawn_workspace.raw / "bar" / "broken.png").write_bytes(b"\x89PNG but no more")
    assert main(["index", "--workspace", str(drawn_workspace.root)]) == 1
    out, err = capsys.readouterr()
    assert "12 originals in 3 classes" in out
    assert "broken.png" in err
    assert Dataset(drawn_workspace).missing_vectors("fake-pixels-8x8") == []


def test_identify_prints_one_json_object_a_line_in_the_order_given(drawn_workspace, query, tmp_path, capsys):
    fake = tmp_path / "fake.png"
    fake.write_text("a text file")
    files = [query("cross"), str(fake), query("bar"), str(tmp_path / "nowhere.png")]
    assert main(["--workspace", str(drawn_workspace.root), "identify", *files, "--json"]) == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["file"] for r in records] == files
    assert [bool(r["error"]) for r in records] == [False, True, False, True]
    assert records[0]["classes"][0]["name"] == "cross"
    assert records[2]["classes"][0]["name"] == "bar"
    assert records[1]["classes"] == []
    assert {r["verdict"] for r in records} <= {"certain", "hesitates", "unknown"}
    assert all(set(r) == {"file", "verdict", "classes", "box", "marks", "error"} for r in records)
    assert [len(r["marks"]) for r in records] == [1, 0, 1, 0]


def test_identify_shows_k_classes_and_exits_0_when_all_are_answered(drawn_workspace, query, capsys):
    assert main(["identify", query("bar"), "--k", "2", "--json", "--workspace", str(drawn_workspace.root)]) == 0
    assert len(json.loads(capsys.readouterr().out)["classes"]) == 2


def test_identify_in_words(drawn_workspace, query, capsys):
    assert main(["identify", query("bar"), "--workspace", str(drawn_workspace.root)]) == 0
    assert "bar" in capsys.readouterr().out


def test_identify_says_that_no_mark_was_found_and_takes_a_box(drawn_workspace, tmp_path, capsys):
    blank, two = tmp_path / "blank.png", tmp_path / "two.png"
    blank.write_bytes(png_bytes(Image.new("RGB", (64, 64), "white")))
    picture = Image.new("RGB", (300, 100), "white")
    picture.paste(draw("circle", seed=50, side=96), (2, 2))
    picture.paste(draw("bar", seed=50, side=96), (202, 2))
    two.write_bytes(png_bytes(picture))
    where = ["--workspace", str(drawn_workspace.root)]
    assert main(["identify", str(blank), "--json", *where]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["verdict"], record["classes"], record["box"], record["marks"]) == ("not_found", [], None, [])
    assert main(["identify", str(blank), *where]) == 0
    assert "no mark found: show where it is" in capsys.readouterr().out

    boxes = ["--box", "200,0,100,100", "--box", "0,0,100,100"]
    assert main(["identify", str(two), "--json", *boxes, *where]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [(mark["classes"][0]["name"], mark["box"]) for mark in record["marks"]] == [
        ("bar", [200, 0, 100, 100]), ("circle", [0, 0, 100, 100]),
    ]  # fmt: skip
    assert record["box"] == [200, 0, 100, 100]
    assert main(["identify", str(two), *boxes, *where]) == 0
    said = capsys.readouterr().out
    assert "2 marks" in said
    assert "at 200,0,100,100:" in said
    assert main(["identify", str(two), str(blank), "--json", "--box", "200,0,100,100", *where]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["error"] is None
    assert "outside the picture" in second["error"]


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", "0,0,0,5", "-1,0,5,5", "1,2,3,4,5,6,7"])
def test_a_box_that_is_none_is_refused_with_what_it_must_be(box, query, capsys):
    with pytest.raises(SystemExit):
        main(["identify", query("bar"), f"--box={box}"])
    assert "left,top,width,height" in capsys.readouterr().err


def test_the_workspace_may_come_from_the_environment(drawn_workspace, query, capsys, monkeypatch):
    monkeypatch.setenv("BURIN_WORKSPACE", str(drawn_workspace.root))
    assert main(["identify", query("circle"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"][0]["name"] == "circle"


def test_an_empty_base_can_name_nothing_and_says_why(workspace, query, capsys):
    workspace.root.mkdir(exist_ok=True)
    assert main(["identify", query("circle"), "--json", "--workspace", str(workspace.root)]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verdict"], answer["classes"]) == ("unknown", [])
    assert "The base is empty" in answer["error"]


@pytest.mark.parametrize("command", ["identify", "index"])
def test_a_workspace_that_is_not_there_is_said_and_not_made(command, query, tmp_path, capsys):
    images = [query("circle")] if command == "identify" else []
    assert main([command, *images, "--workspace", str(tmp_path / "typo")]) == 2
    assert "There is no folder" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_embed_writes_rows_as_files_and_lists_the_refused(workspace, query, tmp_path, capsys):
    fake = tmp_path / "fake.png"
    fake.write_bytes(b"")
    out = tmp_path / "vectors.npz"
    files = [query("bar"), str(fake), query("cross")]
    assert main(["embed", *files, "--out", str(out), "--workspace", str(workspace.root)]) == 1
    with np.load(out, allow_pickle=False) as saved:
        assert saved["vectors"].shape == (2, 64)
        assert saved["vectors"].dtype == np.float32
        assert np.linalg.norm(saved["vectors"], axis=1) == pytest.approx(1)
        assert saved["files"].tolist() == [files[0], files[2]]
        assert saved["refused"].tolist() == [str(fake)]
    assert "fake.png is empty" in capsys.readouterr().err


def test_a_workspace_that_is_a_file_is_one_clear_line(query, capsys):
    path = query("bar")
    assert main(["index", "--workspace", path]) == 2
    assert "a workspace is a folder" in capsys.readouterr().err


def test_sample_fills_an_empty_workspace_leaves_a_full_one_and_goes_again(workspace, drawn_workspace, capsys):
    assert main(["sample", "--if-empty", "--workspace", str(drawn_workspace.root)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["sample", "--workspace", str(drawn_workspace.root)]) == 2
    assert len(Dataset(drawn_workspace).classes()) <= 3


def test_sample_is_removed_in_one_command(tmp_path, capsys):
    root = str(tmp_path / "new")
    assert main(["sample", "--workspace", root]) == 0
    assert "The sample is in" in capsys.readouterr().out
    assert main(["sample", "--remove", "--workspace", root]) == 0
    assert not any((tmp_path / "new" / "data" / "raw_gravures").rglob("*.png"))


@pytest.mark.parametrize("command", [["--help"], ["settings"], ["train", "--help"], ["runs"]])
def test_who_has_read_enough_hears_no_complaint(drawn_workspace, command):
    """As with ``| head -1``: the pipe is closed before anything is written to it."""
    words = [sys.executable, "-m", "core", "--workspace", str(drawn_workspace.root), *command]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 0 and said == ""
