"""Ways of seeing compared: which is proposed, what is taken, and the way back; with embedders that need no weights."""

from __future__ import annotations

import numpy as np
import pytest

from core.collection.dataset import Dataset
from core.embedding.weights import PROMOTED
from core.ground.config import Preprocessing
from core.ground.errors import BadInput, Conflict, ExtrasMissing, NotAllowed
from core.ground.images import decode
from core.recognition import views
from core.recognition.views import VIEWS, Comparison, Score, compare, keep, kept, take
from core.shell.main import main
from tests.conftest import draw, png_bytes

STROKES, PLAIN, WHOLE = VIEWS[0], VIEWS[2], VIEWS[4]


class Eyes:
    """Tells classes apart by the tone of the picture's corner in plain views, and by nothing in the others."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing
        self.space, self.dimension = f"eyes-{preprocessing.mode}{preprocessing.size}", 8

    def embed_images(self, images, *, batch=16):
        for number, image in enumerate(images):
            tone = np.asarray(image() if callable(image) else image.convert("L"))[0, 0]
            where = int(np.ravel(tone)[0]) // 40 if self.preprocessing.mode == "plain" else number * 5 % 7
            yield np.eye(8, dtype=np.float32)[where]


@pytest.fixture
def toned(workspace, monkeypatch):
    """Three classes of eight marks that differ in the tone of their paper alone."""
    for number, shape in enumerate(("circle", "cross", "bar")):
        folder = workspace.raw / shape
        folder.mkdir(parents=True)
        for seed in range(8):
            picture = draw(("circle", "cross", "bar", "wave")[seed % 4], seed=10 * number + seed)
            picture = picture.point(lambda value, number=number: value * (90 + 60 * number) // 255)
            (folder / f"{seed}.png").write_bytes(png_bytes(picture))
    monkeypatch.setattr(
        "core.embedding.embedder.load_embedder",
        lambda workspace, *, preprocessing=None, **_: Eyes(preprocessing or workspace.config().preprocessing),
    )
    dataset = Dataset(workspace)
    dataset.rescan()
    return dataset


def test_the_view_that_names_most_is_best_and_all_are_told(toned):
    made = compare(toned)
    assert {score.preprocessing for score in made.scores} == set(VIEWS)
    assert [score.right for score in made.scores] == sorted((score.right for score in made.scores), reverse=True)
    by = {score.preprocessing: score for score in made.scores}
    assert by[PLAIN].right == by[PLAIN].asked == 24
    assert by[STROKES].right < 16 and by[STROKES].chance == 1.0 and by[PLAIN].chance < 0.01
    assert by[PLAIN].low < 1.0 == by[PLAIN].high
    assert made.in_use == STROKES
    assert made.best == made.scores[0].preprocessing and made.best.mode == "plain"


def test_a_difference_that_may_be_chance_changes_nothing():
    scores = (Score(PLAIN, 90, 100, 0.8, 0.95, chance=0.3), Score(STROKES, 88, 100, 0.8, 0.94))
    assert Comparison(scores, STROKES, 0.0).best == STROKES
    surely = (Score(PLAIN, 99, 100, 0.95, 1.0, chance=0.001), Score(STROKES, 88, 100, 0.8, 0.94))
    assert Comparison(surely, STROKES, 0.0).best == PLAIN


def test_a_copy_of_the_asked_image_does_not_answer(toned):
    for folder in toned.workspace.raw.iterdir():
        first = folder / "0.png"
        for path in folder.iterdir():
            picture = decode(first.read_bytes())
            picture.putpixel((0, 0), (int(path.stem), 0, 0))
            path.write_bytes(png_bytes(picture))
    toned.rescan()
    with pytest.raises(BadInput, match="20 images have another"):
        compare(toned)


def test_a_trained_network_sees_as_it_was_trained_to(toned):
    toned.workspace.model.mkdir(exist_ok=True)
    (toned.workspace.model / PROMOTED).write_bytes(b"x")
    with pytest.raises(Conflict, match="trained network"):
        compare(toned)


def test_a_view_that_needs_pytorch_is_left_out_where_that_is_missing(toned, monkeypatch):
    def light(workspace, *, preprocessing=None, **_):
        if preprocessing == WHOLE:
            raise ExtrasMissing("no PyTorch")
        return Eyes(preprocessing)

    monkeypatch.setattr("core.embedding.embedder.load_embedder", light)
    assert {score.preprocessing for score in compare(toned).scores} == set(VIEWS) - {WHOLE}


def test_stopping_leaves_nothing(toned):
    assert compare(toned, should_stop=lambda: True) is None
    assert kept(toned.workspace) is None


def test_the_choice_is_a_change_of_the_journal_and_undone_as_others(toned):
    keep(toned.workspace, compare(toned))
    take(toned, WHOLE)
    assert toned.workspace.config().preprocessing == WHOLE
    assert kept(toned.workspace).settled and kept(toned.workspace).in_use == STROKES
    (entry,) = toned.history(1)
    assert entry.action == "settings" and entry.undoable and list(entry.detail["settings"]) == ["preprocessing"]
    toned.undo()
    assert toned.workspace.config().preprocessing == STROKES
    assert kept(toned.workspace).settled  # the proposal was answered, and is not made again
    toned.redo()
    assert toned.workspace.config().preprocessing == WHOLE


def test_only_a_researcher_changes_how_everybody_sees(toned):
    from core.ground.rights import Actor

    with pytest.raises(NotAllowed):
        take(toned.acting_as(Actor("Ada", "curator")), PLAIN)
    assert toned.workspace.config().preprocessing == STROKES


def test_a_damaged_record_is_none(toned):
    keep(toned.workspace, compare(toned))
    path = toned.workspace.config_path.with_name(views.FILE)
    assert kept(toned.workspace) is not None
    for damage in ("{", "[]", '{"scores": 3}', path.read_text(encoding="utf-8").replace("plain", "plane")):
        path.write_text(damage, encoding="utf-8")
        assert kept(toned.workspace) is None


def test_the_shell_prints_the_table_and_takes_the_best(toned, capsys):
    where = ["--workspace", str(toned.workspace.root)]
    assert main(["compare-views", *where]) == 0
    said = capsys.readouterr().out
    assert "strokes   96 px" in said and "100.0 % [" in said and "in use" in said and "best" in said
    assert toned.workspace.config().preprocessing == STROKES
    assert main(["compare-views", "--apply", *where]) == 0
    assert "Taken: plain" in capsys.readouterr().out
    assert toned.workspace.config().preprocessing.mode == "plain"
    assert main(["compare-views", "--apply", *where]) == 0
    assert "Nothing to change" in capsys.readouterr().out
