"""`core.training.families`: variants are known by their names, and what a name leaves open is said to be open."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from core.ground.images import content_hash
from core.training.audit import LeakAudit, audit
from core.training.families import families
from core.training.splits import make_split, near_duplicate_groups
from core.variation.policies import PRESETS
from core.variation.sources import Original, originals_in
from core.variation.variants import Manifest
from core.variation.writer import tasks_per_image, write
from tests.conftest import draw, png_bytes


def named(*files: str) -> list[Original]:
    return [
        Original(folder := f.partition("/")[0], folder, Path(f), hashlib.sha256(f.encode()).hexdigest()) for f in files
    ]


def together(*files: str) -> bool:
    found = families(named(*files)).of
    return len(found) == len(files) and len(set(found.values())) == 1


@pytest.mark.parametrize(
    "files",
    [
        ("a/mark_aug_0.jpg", "a/mark_aug_1.jpg", "a/mark.png"),
        ("a/mark-augmented-03.png", "a/mark_aug7.png"),
        ("a/mark (variant 2).png", "a/mark.png"),
        ("a/aug_4_mark.png", "a/aug_5_mark.png"),
        ("a/mark_rot15.png", "a/mark_flip.png", "a/mark.png"),
    ],
)
def test_variants_are_grouped_with_their_original(files: tuple[str, ...]) -> None:
    assert together(*files)


@pytest.mark.parametrize(
    "files",
    [
        ("a/symbole_20250416_115049.png", "a/symbole_20250416_115257.png"),
        ("a/0001_01.png", "a/0001_02.png", "a/0001_03.png"),
        ("a/auguste_1.png", "a/august.png", "a/e_rot.png"),
        ("a/mark_aug_0.jpg", "b/mark_aug_0.jpg"),
    ],
)
def test_other_names_make_no_family(files: tuple[str, ...]) -> None:
    found = families(named(*files))
    assert len(set(found.of.values())) == len(found.of) and found.open == ()


def test_numbers_alone_leave_it_open() -> None:
    originals = named("a/mark.png", "a/mark_1.png", "a/mark (2).png", "a/other.png")
    found = families(originals)
    assert found.of == {} and set(found.open) == {original.sha256 for original in originals[:3]}
    assert len(families(named("a/x_1.png", "a/x_2.png", "a/y_1.png", "a/y_2.png")).open) == 4


def filed(folder: Path, name: str, seed: int, turn: float = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image = draw("triangle", seed=seed).rotate(turn, fillcolor=(255, 255, 255))
    (folder / name).write_bytes(png_bytes(image))


def test_variants_of_another_script_never_part(tmp_path: Path) -> None:
    """As if each were an original, most families would lie on several sides."""
    for seed in range(6):
        for number, turn in enumerate((-25, -15, 15, 25)):
            filed(tmp_path / "triangle", f"t{seed}_aug_{number}.png", seed, turn)
    originals, _refused = originals_in(tmp_path)
    alone = make_split(originals, seed=0, validation=0.2, test=0.2)
    leaking = audit(alone, originals)
    assert not leaking.clean and {leak.kind for leak in leaking.findings} >= {"original"}
    groups = near_duplicate_groups(originals)
    split = make_split(originals, groups=groups, seed=0, validation=0.2, test=0.2)
    assert audit(split, originals, groups=groups).clean
    for seed in range(6):
        assert len({split.side[o.sha256] for o in originals if o.path.name.startswith(f"t{seed}_")}) == 1


def test_our_variants_copied_without_their_manifest_go_with_their_original(filled, originals, tmp_path) -> None:
    write(Manifest(filled.augmented), tasks_per_image(originals[:2], 2), PRESETS["sketch-icon"], safety=None)
    for original in originals[:2]:
        folder = tmp_path / original.folder
        folder.mkdir(exist_ok=True)
        (folder / original.path.name).write_bytes(original.path.read_bytes())
        for path in (filled.augmented / original.folder).glob("*.png"):
            (folder / path.name).write_bytes(path.read_bytes())
    copied, _refused = originals_in(tmp_path)
    found = families(copied).of
    assert len(copied) == 6 and len(found) == 6
    for original in originals[:2]:
        own = {o.sha256 for o in copied if original.sha256[:10] in o.path.name} | {original.sha256}
        assert len({found[sha256] for sha256 in own}) == 1


def test_an_open_question_is_never_clean(tmp_path: Path) -> None:
    for number, turn in enumerate((0, 12, -12, 20, -20)):
        filed(tmp_path / "triangle", "t.png" if not number else f"t_{number}.png", 3, turn)
    for seed in range(5):
        filed(tmp_path / "other", f"{seed}.png", seed + 10)
    originals, _refused = originals_in(tmp_path)
    found = audit(make_split(originals, seed=1, validation=0.2, test=0.2), originals, groups={})
    assert found.findings == () and not found.clean and len(found.open) == 5
    assert LeakAudit.from_json(found.to_json()) == found
    before = {name: value for name, value in found.to_json().items() if name != "open"}
    assert LeakAudit.from_json(before).open == ()  # a run of an earlier version


def test_an_upload_is_known_by_the_name_it_came_with() -> None:
    sha256 = content_hash(b"x")
    stored = Original("a", "a", Path(f"mark_aug_0_{sha256[:10]}.png"), sha256)
    (parent,) = named("a/mark.png")
    found = families([stored, parent])
    assert found.of[sha256] == found.of[parent.sha256]
