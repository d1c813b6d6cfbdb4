"""What the training tests share: small drawn classes, a network of two blocks, settings that take seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.ground.config import Preprocessing
from core.ground.workspace import Workspace
from core.training.settings import TrainSettings
from core.variation.sources import Original, originals_in
from tests.conftest import SHAPES, draw, png_bytes

TINY = TrainSettings(
    preprocessing=Preprocessing(mode="crop", size=32),
    classes_per_batch=3,
    images_per_class=2,
    epochs=2,
    steps=2,
    policy=None,
    unfreezing=(),
    validation=0.2,
    test=0.2,
)


@pytest.fixture(autouse=True)
def _one_thread():
    """Small batches gain nothing from several threads, and tests run beside other work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny() -> TrainSettings:
    """Two epochs of two steps at 32 px, from the start that Identify uses."""
    return TINY


def fill(raw: Path, *, classes: int = 4, each: int = 5) -> None:
    """``classes`` folders of ``each`` drawn originals."""
    for shape in SHAPES[:classes]:
        folder = raw / shape
        folder.mkdir(parents=True, exist_ok=True)
        for seed in range(each):
            (folder / f"{shape}_{seed}.png").write_bytes(png_bytes(draw(shape, seed=seed)))


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """A workspace with four classes of five originals."""
    fill(workspace.raw)
    return workspace


@pytest.fixture
def originals(filled: Workspace) -> list[Original]:
    return originals_in(filled.raw)[0]
