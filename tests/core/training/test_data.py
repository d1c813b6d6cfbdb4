"""`core.training.data`: originals and the variants written from them, from a workspace or from any folder."""

from __future__ import annotations

import shutil

import pytest

from core.ground.errors import NotFound
from core.ground.workspace import Workspace
from core.training.data import gather
from core.training.prepare import Request
from core.training.splits import make_split
from core.training.work import train
from core.variation.policies import PRESETS
from core.variation.variants import Manifest
from core.variation.writer import tasks_per_image, write


def written(workspace: Workspace, originals, per_image: int = 2) -> None:
    policy = PRESETS["sketch-icon"]
    write(Manifest(workspace.augmented), tasks_per_image(originals, per_image), policy, safety=None)


def test_a_workspace_gives_its_originals_and_their_variants(filled, originals):
    written(filled, originals[:3])
    material = gather(filled)
    assert len(material.originals) == 20 and material.dataset is not None
    assert {sha256: len(found) for sha256, found in material.variants.items()} == {o.sha256: 2 for o in originals[:3]}


def test_written_variants_come_with_their_originals(filled, originals):
    written(filled, originals[:8])
    material = gather(filled, filled.augmented)
    assert {o.sha256 for o in material.originals} == {o.sha256 for o in originals[:8]}
    assert all(v.path.is_relative_to(filled.augmented) for found in material.variants.values() for v in found)


def test_variants_without_their_originals_are_split_by_them(filled, originals):
    written(filled, originals)
    shutil.rmtree(filled.raw)
    material = gather(filled, filled.augmented)
    assert len(material.originals) == 40
    groups = material.groups(filled)
    families = {v.sha256: v.original_sha256 for v in Manifest(filled.augmented).variants()}
    split = make_split(material.originals, groups=groups, seed=0, validation=0.2, test=0.2)
    for original in set(families.values()):
        assert len({split.side[sha256] for sha256, own in families.items() if own == original}) == 1


def test_any_folder_of_class_folders_will_do(workspace, filled):
    material = gather(Workspace(workspace.root / "elsewhere"), filled.raw)
    assert len(material.originals) == 20 and material.dataset is None
    with pytest.raises(NotFound):
        gather(workspace, workspace.root / "nowhere")


def test_variants_are_trained_on_and_never_measured(filled, originals, tiny):
    written(filled, originals)
    run = train(filled, Request(tiny.with_(epochs=1, source="variants")))
    assert run.audit.clean
    trained = run.record.counts["train"]
    assert f"{3 * trained} training images" in (run.folder / "log.txt").read_text(encoding="utf-8")
    assert run.record.best["scores"]["n"] == run.record.counts["validation"]
