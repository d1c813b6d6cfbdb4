"""Which files of a folder are asked: originals, and never a variant."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.evaluation.evaluated_files import find, located, workspace_of
from core.ground.errors import BadInput, NotFound
from core.ground.workspace import Workspace
from core.variation.policies import PRESETS
from core.variation.sources import originals_in
from core.variation.variants import Manifest
from core.variation.writer import tasks_per_image, write
from tests import conftest


@pytest.fixture
def augmented(drawn_workspace):
    """Three classes of four originals, with two variants of each, and one file that nobody knows."""
    originals, _ = originals_in(drawn_workspace.raw)
    policy = PRESETS["sketch-icon"]
    write(Manifest(drawn_workspace.augmented), tasks_per_image(originals, 2), policy, seed=0, safety=None)
    stranger = drawn_workspace.augmented / "circle" / "from_somewhere.png"
    stranger.write_bytes(conftest.png_bytes(conftest.draw("wave", seed=5)))
    return drawn_workspace


def test_the_folder_of_variants_stands_for_its_originals(augmented):
    found = find(augmented, augmented.augmented)
    assert {original.path.parent.parent for original in found.originals} == {augmented.raw}
    assert (len(found.originals), found.variants, found.strangers) == (12, 24, 1)
    assert find(augmented, None).originals == find(augmented, augmented.raw).originals == found.originals


def test_any_other_folder_is_asked_without_its_variants(augmented, tmp_path):
    """A copy of the variants with their manifest, beside originals and a variant named as earlier scripts did."""
    mixed = tmp_path / "mixed"
    shutil.copytree(augmented.augmented, mixed)
    for seed in range(2):
        (mixed / "circle" / f"mark_{seed}.png").write_bytes(conftest.png_bytes(conftest.draw("bar", seed=50 + seed)))
    (mixed / "circle" / "mark_0_aug_3.png").write_bytes(conftest.png_bytes(conftest.draw("bar", seed=60)))
    variant = next(iter(Manifest(mixed).variants()))
    (mixed / "circle" / "renamed.png").write_bytes(Manifest(mixed).file(variant).read_bytes())
    found = find(Workspace(tmp_path / "elsewhere"), mixed)
    assert sorted(original.path.name for original in found.originals) == [
        "from_somewhere.png", "mark_0.png", "mark_1.png",
    ]  # fmt: skip
    assert found.dataset is None and found.variants >= 25


def test_only_variants_is_refused(augmented, tmp_path):
    (augmented.augmented / "circle" / "from_somewhere.png").unlink()
    mixed = tmp_path / "variants"
    shutil.copytree(augmented.augmented, mixed)
    with pytest.raises(BadInput, match=r"its files are variants \(24\)"):
        find(augmented, mixed)
    with pytest.raises(NotFound):
        find(augmented, tmp_path / "nowhere")


def test_a_folder_knows_its_workspace_by_its_place(tmp_path):
    given = Workspace(tmp_path)
    assert workspace_of(tmp_path / "w" / "data" / "augmented_gravures", given).root == tmp_path / "w"
    assert workspace_of(tmp_path / "somewhere", given) is given and workspace_of(None, given) is given


def test_a_folder_is_looked_up_here_then_in_the_workspace(augmented, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = Path("data/augmented_gravures")
    assert located(None, augmented) is None
    assert located(given, augmented) == augmented.augmented
    given.mkdir(parents=True)
    assert located(given, augmented) == given, "the current folder comes first"
    for name in ("nowhere", str(tmp_path / "nowhere")):
        with pytest.raises(NotFound, match="There is no folder"):
            located(Path(name), augmented)
