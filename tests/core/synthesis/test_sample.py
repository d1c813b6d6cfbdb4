"""The sample: what it holds, that it can be made again byte for byte, and that it leaves no trace when removed."""

from __future__ import annotations

import io
import itertools
import json
import shutil
from collections import Counter

import pytest
from PIL import Image

from core.collection.dataset import Dataset
from core.ground.errors import Conflict, NotFound
from core.ground.images import content_hash, decode
from core.ground.kinds import guess_kind
from core.ground.names import folder_for
from core.ground.sameness import look, pairs
from core.ground.workspace import Workspace
from core.synthesis.sample import CLASSES, MANIFEST, PLANTED, WRONG_LABELS, make_sample, remove_sample, sample_images
from tests.conftest import draw as shape
from tests.conftest import png_bytes

BY_NAME = {c.name: c for c in CLASSES}
TOTAL = sum(len(c.styles) for c in CLASSES) + PLANTED


@pytest.fixture(scope="module")
def images():
    return list(sample_images(seed=7))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Workspace, list[tuple[int, int]]]:
    """A workspace with the sample, made once, and the progress that was reported; tests copy it."""
    workspace = Workspace(tmp_path_factory.mktemp("made"))
    progress: list[tuple[int, int]] = []
    assert make_sample(workspace, on_progress=lambda done, total: progress.append((done, total))) == TOTAL
    return workspace, progress


@pytest.fixture
def sampled(made, workspace: Workspace) -> Workspace:
    shutil.copytree(made[0].root, workspace.root)
    return workspace


def files(workspace: Workspace) -> dict[str, bytes]:
    return {str(p.relative_to(workspace.raw)): p.read_bytes() for p in workspace.raw.rglob("*") if p.is_file()}


def test_about_two_dozen_classes_from_3_to_20_originals(images):
    counts = [len(c.styles) for c in CLASSES]
    assert len(CLASSES) == 24 and min(counts) == 3 and max(counts) == 20
    assert max(counts) / min(counts) > 5 and len(set(counts)) > 10, "imbalanced on purpose"
    own = [i for i in images if not i.shows and not i.copy_of]
    assert [sum(i.class_name == c.name for i in own) for c in CLASSES] == counts


def test_wrong_labels_and_near_copies_are_planted(images):
    wrong = [i for i in images if i.shows]
    assert [(i.class_name, i.shows) for i in wrong] == list(WRONG_LABELS)
    copies = [i for i in images if i.copy_of]
    assert len(wrong) + len(copies) == PLANTED
    by_place = {(i.class_name, i.file): i for i in images}
    assert len(by_place) == TOTAL, "no file has the place of another"
    for copy in copies:
        original = by_place[copy.class_name, copy.copy_of]
        assert original.data != copy.data
        one, other = (look(decode(i.data)) for i in (original, copy))
        assert list(pairs([one, other])) == [(0, 1)]


def test_names_are_as_odd_as_real_ones():
    assert {"(e", "e)", "(e)", "étoile", "---e", "[sl", "_x_", "{s}", "^", "->", "..."} <= set(BY_NAME)
    folders = [folder_for(name).casefold() for name in BY_NAME]
    assert len(set(folders)) == len(CLASSES)


@pytest.mark.parametrize("one,other", [("(e", "e)"), ("[sl", "ls]"), ("lune à droite", "lune à gauche"), ("->", "<-")])
def test_twins_are_mirror_images_by_construction(one, other):
    assert BY_NAME[one].template.mirrored() == BY_NAME[other].template
    assert BY_NAME[one].template != BY_NAME[other].template


def test_the_same_seed_gives_the_same_bytes_and_another_seed_none_of_them(images):
    assert images == list(sample_images(seed=7))
    assert not {i.data for i in images} & {i.data for i in itertools.islice(sample_images(seed=8), 40)}


def test_all_pictures_differ_and_open_and_have_the_promised_size(images):
    assert len({content_hash(i.data) for i in images}) == TOTAL
    for image in images:
        picture = decode(image.data, name=image.file)
        assert 96 <= picture.width == picture.height <= 300


def test_photographs_look_like_photographs_and_drawings_do_not(images):
    wrong = [
        (i.class_name, i.file)
        for i in images
        if (guess_kind(Image.open(io.BytesIO(i.data)).convert("RGB")) == "photo") != (i.kind == "photo")
    ]
    assert not wrong
    kinds = [i.kind for i in images]
    assert kinds.count("photo") >= 15 and kinds.count("icon") >= 6


def test_it_lands_in_the_workspace_with_kinds_and_fields(sampled, images):
    dataset = Dataset(sampled)
    assert {c.name: c.originals for c in dataset.classes()} == Counter(i.class_name for i in images)
    for kind in ("drawing", "photo", "icon"):
        assert dataset.count(kind=kind) == sum(i.kind == kind for i in images)
    fields = {c.name: c.fields for c in dataset.classes()}
    assert "(sample)" in fields["(e"]["maker"] and "not a real mark" in fields["(e"]["note"]
    assert sampled.config().sample


def test_progress_counts_every_image(made):
    assert made[1] == [(i + 1, TOTAL) for i in range(TOTAL)]


def test_a_workspace_with_images_is_left_alone(drawn_workspace):
    before = files(drawn_workspace)
    with pytest.raises(Conflict, match="already holds images"):
        make_sample(drawn_workspace)
    assert files(drawn_workspace) == before
    assert not drawn_workspace.config().sample and not (drawn_workspace.data / MANIFEST).exists()


def test_images_that_only_the_folders_know_count_too(workspace):
    folder = workspace.raw / "mine"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(png_bytes(shape("cross")))
    with pytest.raises(Conflict):
        make_sample(workspace)


def test_it_is_not_written_twice(sampled):
    with pytest.raises(Conflict):
        make_sample(sampled)
    assert Dataset(sampled).counts().originals == TOTAL


def test_removing_leaves_an_empty_workspace(sampled):
    assert remove_sample(sampled) == TOTAL
    counts = Dataset(sampled).counts()
    assert (counts.originals, counts.classes, counts.trash) == (0, 0, 0)
    assert list(sampled.raw.iterdir()) == []
    assert not sampled.config().sample and not (sampled.data / MANIFEST).exists()
    with pytest.raises(NotFound, match="no sample"):
        remove_sample(sampled)


def test_what_the_user_added_or_changed_stays(sampled):
    own = png_bytes(shape("triangle"))
    (sampled.raw / "étoile" / "mine.png").write_bytes(own)
    changed = sampled.raw / "ancre" / "sample_01.png"
    picture = Image.open(changed).convert("RGB")
    picture.putpixel((0, 0), (1, 2, 3))
    changed.write_bytes(png_bytes(picture))
    (sampled.raw / "atelier").mkdir()
    (sampled.raw / "atelier" / "notes.txt").write_text("mine")
    kept = {"étoile/mine.png", "ancre/sample_01.png", "atelier/notes.txt"}

    assert remove_sample(sampled) == TOTAL - 1
    assert set(files(sampled)) == kept
    assert {c.name: c.originals for c in Dataset(sampled).classes()} == {"étoile": 1, "ancre": 1, "atelier": 0}


def test_moved_and_trashed_sample_images_are_removed_too(sampled):
    dataset = Dataset(sampled)
    ids = {c.name: c.id for c in dataset.classes()}
    mine = dataset.create_class("mienne")
    stars = [i.id for i in dataset.items(class_id=ids["étoile"], limit=None)]
    dataset.relabel(stars[:3], mine)
    dataset.trash(stars[3:5])
    dataset.rename_class(ids["vague"], "houle")

    assert remove_sample(sampled) == TOTAL
    after = Dataset(sampled)
    assert after.counts().originals == after.counts().trash == 0
    assert {c.name for c in after.classes()} == {"mienne", "houle"}, "classes that the user made or named stay"


def test_edited_fields_stay_and_invented_ones_go(sampled):
    dataset = Dataset(sampled)
    ids = {c.name: c.id for c in dataset.classes()}
    dataset.edit_fields(ids["étoile"], product="Mine")
    (sampled.raw / "étoile" / "mine.png").write_bytes(png_bytes(shape("cross")))
    remove_sample(sampled)
    assert {c.name: c.fields for c in Dataset(sampled).classes()} == {"étoile": {"product": "Mine"}}


def test_it_can_be_made_again_after_removal(sampled):
    first = files(sampled)
    remove_sample(sampled)
    make_sample(sampled)
    assert files(sampled) == first


def test_the_user_cannot_undo_the_sample_by_accident(sampled):
    assert Dataset(sampled).undo() is None


def test_the_list_names_every_file_with_its_hash(sampled):
    listed = json.loads((sampled.data / MANIFEST).read_text(encoding="utf-8"))
    assert {e["path"]: e["sha256"] for e in listed["files"]} == {
        path: content_hash(data) for path, data in files(sampled).items()
    }
    assert listed["seed"] == 7


def test_nothing_slow_is_imported_for_it():
    import subprocess
    import sys

    slow = ("torch", "timm", "sklearn", "streamlit")
    code = f"import sys, core.synthesis.sample; print([m for m in {slow!r} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
