"""A short run of what `make fuzz` does for ten minutes, always the same, and all that was ever found."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.targets import FOUND, TARGETS, Target

each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def needs(target: Target) -> None:
    if target.name == "checkpoint":
        pytest.importorskip("torch")


@each_target
def test_every_seed_and_all_that_was_found(target: Target):
    needs(target)
    inputs = [*target.seeds(), *(path.read_bytes() for path in target.found())]
    assert len(inputs) >= 6
    for data in inputs:
        target.check(data)


@each_target
def test_a_short_run(target: Target):
    needs(target)

    @settings(
        max_examples=150, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(target.inputs())
    def run(data: bytes) -> None:
        target.check(data)

    run()


@pytest.mark.parametrize("name", ["image", "archive", "checkpoint"])
def test_a_reader_that_lets_something_else_through_is_found(name: str, monkeypatch: pytest.MonkeyPatch):
    """The net itself: a fault planted in each reader is noticed."""
    needs(TARGETS[name])

    place, planted = {  # the decoder and the readers of models refuse for damage: a fault of ours is of another kind
        "image": ("core.ground.images.inspect", RuntimeError),
        "archive": ("core.intake.archives.Archive._check_names", KeyError),
        "checkpoint": ("core.embedding.card.json.loads", ZeroDivisionError),
    }[name]

    def broken(*_: object, **__: object) -> None:
        raise planted("planted")

    seeds = TARGETS[name].seeds()
    monkeypatch.setattr(place, broken)
    with pytest.raises((AssertionError, KeyError, ZeroDivisionError)):
        for data in seeds:
            TARGETS[name].check(data)


def test_what_was_found_belongs_to_a_target():
    assert {path.name.partition("-")[0] for path in FOUND.glob("*.bin")} <= set(TARGETS)
