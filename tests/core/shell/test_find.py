"""``find``: pictures of marks and a code in, products out."""

from __future__ import annotations

import json

import pytest

from core.catalogue.records import Carried, ProductDraft
from core.collection.dataset import Dataset
from core.shell.main import main
from tests.conftest import draw, png_bytes


@pytest.fixture
def shelf(drawn_workspace, fake_embedder, monkeypatch, tmp_path):
    """Three products of drawn shapes, and pictures of new drawings by shape."""
    monkeypatch.setattr("core.embedding.embedder.load_embedder", lambda *_, **__: fake_embedder)
    dataset = Dataset(drawn_workspace)
    dataset.rescan()
    ids = {c.name: c.id for c in dataset.classes()}
    both = (Carried(ids["circle"]), Carried(ids["cross"]))
    dataset.create_products(
        [ProductDraft("Clara", "Lenso", "T60", marks=both), ProductDraft("Clara", "Lenso", "K3", marks=both),
         ProductDraft("Uno", marks=(Carried(ids["bar"]),))]
    )  # fmt: skip
    for shape in ("circle", "cross", "bar"):
        (tmp_path / f"{shape}.png").write_bytes(png_bytes(draw(shape, seed=50)))
    return drawn_workspace, {shape: str(tmp_path / f"{shape}.png") for shape in ("circle", "cross", "bar")}


def test_marks_of_several_pictures_and_a_misread_code(shelf, capsys):
    workspace, files = shelf
    command = ["--workspace", str(workspace.root), "find", files["cross"], files["circle"], "--code", "t6O", "--json"]
    assert main(command) == 0
    said = json.loads(capsys.readouterr().out)
    assert [mark["classes"][0]["name"] for mark in said["marks"]] == ["cross", "circle"]
    first, second, third = said["products"]
    assert (first["name"], first["code"], first["fits"], first["missing"], first["extra"]) == ("Clara", "T60", 2, 0, [])
    assert first["edits"] < 1 <= second["edits"] and second["code"] == "K3" and third["name"] == "Uno"
    assert first["score"] > second["score"] > third["score"]


def test_in_words_and_with_a_file_that_is_no_picture(shelf, capsys, tmp_path):
    workspace, files = shelf
    (tmp_path / "no.png").write_bytes(b"nothing")
    assert main(["--workspace", str(workspace.root), "find", files["bar"], str(tmp_path / "no.png")]) == 1
    out = capsys.readouterr().out
    assert "Uno: 1 of 1 mark\n" in out and "Lenso Clara" in out
    assert main(["--workspace", str(workspace.root), "find"]) == 2
    assert "a code" in capsys.readouterr().err


def test_without_products_it_says_so(drawn_workspace, fake_embedder, monkeypatch, capsys):
    monkeypatch.setattr("core.embedding.embedder.load_embedder", lambda *_, **__: fake_embedder)
    assert main(["--workspace", str(drawn_workspace.root), "find", "--code", "T67"]) == 2
    assert "no product" in capsys.readouterr().out
