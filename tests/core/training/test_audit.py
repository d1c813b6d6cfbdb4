"""`core.training.audit`: a clean split is green; a leak of each kind turns it red."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from core.ground.images import content_hash
from core.training.audit import LeakAudit, audit
from core.training.splits import Split, make_split, near_duplicate_groups
from core.variation.policies import PRESETS
from core.variation.sources import Original, originals_in
from core.variation.variants import Manifest
from core.variation.writer import tasks_per_image, write
from tests.conftest import png_bytes


def split_of(originals: list[Original]) -> Split:
    return make_split(originals, seed=0, validation=0.2, test=0.2)


def test_a_split_by_groups_is_clean(originals):
    groups = near_duplicate_groups(originals)
    split = make_split(originals, groups=groups, seed=0, validation=0.2, test=0.2)
    found = audit(split, originals)
    assert found.clean and found.images == 20
    assert LeakAudit.from_json(found.to_json()) == found


def test_a_leaky_split_turns_red(originals):
    """The same picture, saved once larger, on the test side: by content it is another file."""
    groups = near_duplicate_groups(originals)
    split = make_split(originals, groups=groups, seed=0, validation=0.2, test=0.2)
    trained = split.of(originals, "train")[0]
    path = trained.path.with_name("again.png")
    path.write_bytes(png_bytes(trained.read().resize((100, 100), Image.Resampling.BICUBIC)))
    copy = Original(trained.folder, trained.class_name, path, content_hash(path.read_bytes()))
    leaky = replace(split, side={**split.side, copy.sha256: "test"})
    found = audit(leaky, [*originals, copy])
    assert not found.clean
    (leak,) = found.findings
    assert leak.kind == "near-duplicate" and leak.sides == ("test", "train")
    assert set(leak.sha256s) == {trained.sha256, copy.sha256}
    assert f"{trained.folder}/again.png" in leak.names


def test_one_item_of_the_catalogue_on_two_sides(originals):
    split = split_of(originals)
    trained, tested = split.of(originals, "train")[0], split.of(originals, "test")[0]
    same = [replace(trained, item_id=7), replace(tested, item_id=7)]
    (leak,) = audit(split, same).findings
    assert leak.kind == "original"


def test_a_file_replaced_since_by_one_of_another_side(originals):
    split = split_of(originals)
    trained, tested = split.of(originals, "train")[0], split.of(originals, "test")[0]
    tested.path.write_bytes(trained.path.read_bytes())
    assert "content" in {leak.kind for leak in audit(split, originals).findings}


def test_a_written_variant_filed_as_an_original(originals, filled):
    manifest = Manifest(filled.augmented)
    source = originals[0]
    write(manifest, tasks_per_image([source], 1), PRESETS["sketch-icon"], safety=None)
    (variant,) = manifest.variants()
    target = filled.raw / source.folder / "found.png"
    target.write_bytes(manifest.file(variant).read_bytes())
    everything = originals_in(filled.raw)[0]
    side = {original.sha256: "train" for original in everything} | {variant.sha256: "test"}
    alone = {original.sha256: i for i, original in enumerate(everything)}  # however different they look
    found = audit(Split(0, side, {}), everything, groups=alone, manifest=manifest)
    assert {leak.kind for leak in found.findings} == {"original"}
    assert audit(Split(0, side, {}), everything, groups=alone).clean  # only the manifest knows
