"""`core.training.prepare`: what goes before the first step is done once, and what cannot be had is found before it."""

from __future__ import annotations

import pytest

from core.ground.errors import WeightsUnavailable
from core.training.data import gather
from core.training.prepare import Request, prepared
from core.training.runs import Runs
from core.variation.policies import PRESETS
from tests.conftest import FakeEmbedder


@pytest.fixture
def notes(filled, tiny, monkeypatch):
    """``notes(seed=1)`` -> what was done before a training of these settings, in order."""
    monkeypatch.setattr("core.embedding.embedder.load_embedder", lambda workspace: FakeEmbedder())

    def prepare(**changes: object) -> list[str]:
        said: list[str] = []
        settings = tiny.with_(policy=PRESETS["sketch-icon"].to_json(), **changes)
        prepared(filled, Request(settings), gather(filled, None), lambda done, total, note: said.append(note))
        return list(dict.fromkeys(said))

    return prepare


def test_a_policy_is_checked_for_label_safety_once_for_these_labels(notes, filled):
    assert notes() == ["splitting", "checking"]
    assert notes(seed=1) == ["splitting"], "the same policy, the same labels"
    one, other = Runs(filled).list()
    assert one.record.left_out == other.record.left_out and "label safety" not in one.record.overrides
    next((filled.raw / "circle").iterdir()).rename(filled.raw / "cross" / "moved.png")
    assert notes(seed=2) == ["splitting", "checking"], "the labels are others"


def test_missing_weights_are_found_before_anything_that_takes_long(notes, monkeypatch):
    def none(*_: object, **__: object) -> None:
        raise WeightsUnavailable("No weights.")

    monkeypatch.setattr("core.training.initial_network.resolve", none)
    done: list[str] = []
    monkeypatch.setattr("core.training.prepare.audit", lambda *_, **__: done.append("audit"))
    monkeypatch.setattr("core.training.prepare.check_and_keep", lambda *_, **__: done.append("check"))
    with pytest.raises(WeightsUnavailable):
        notes(start="imagenet")
    assert done == []
