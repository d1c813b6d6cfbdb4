"""The Augment page through Home.py: what it shows of a policy, what it saves, checks and writes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from PIL import Image, ImageOps

from core.collection.dataset import Dataset
from core.ground.images import decode
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from core.variation import policies
from core.variation.augment import draw_seed, preview
from core.variation.checks import labels_digest, remembered, run_check
from core.variation.policies import PRESETS, Policy, Step
from core.variation.sources import originals_of
from core.variation.transforms import TRANSFORMS
from core.variation.variants import Manifest
from core.variation.work import run_augment
from pages.ui.variation import choosing
from tests.conftest import png_bytes
from tests.pages.conftest import component, text_of

ANGLE = "augment.step.rotate.angle"


class Told:
    """Stands in for a job's report."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        pass

    def append(self, record: dict) -> None:
        pass


@pytest.fixture
def in_place(monkeypatch, fake_embedder):
    """Jobs do their work at once, in this process, with the stand-in for the encoder; what was started is listed."""
    from core.embedding import embedder
    from core.ground import jobs

    monkeypatch.setattr(embedder, "load_embedder", lambda workspace, **_: fake_embedder)
    started: list[tuple[str, dict]] = []

    def start(self, kind, work, params, *, key=None, alone=False):
        self.workspace.allow(f"job {kind}")  # the door is in the real one
        started.append((kind, params))
        {"core.variation.work:run_augment": run_augment, "core.variation.checks:run_check": run_check}[work](
            self.workspace, params, Told(), lambda: False
        )

    monkeypatch.setattr(jobs.JobRunner, "start", start)
    return started


def grid(at) -> dict:
    return component(at, "burin_draws")[0]


def test_the_original_stands_beside_seeded_draws_with_their_values(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "augment")
    assert at.title[0].value == "Augment"
    [row] = grid(at)["sections"]
    assert row["first"]["src"].startswith("data:image/webp") and len(row["tiles"]) == 12
    item = Dataset(drawn_workspace).items(limit=1)[0]
    picture = decode(drawn_workspace.root / item.path)
    made = preview(picture, PRESETS[policies.DEFAULT], seed=0, n=12, of=item.sha256)
    assert [tile["seed"] for tile in row["tiles"]] == [str(draw_seed(0, item.sha256, n)) for n in range(12)]
    assert [len(tile["steps"]) for tile in row["tiles"]] == [len(each.parameters) for each in made]
    pairs = zip(made, row["tiles"], strict=True)
    turned = [(p.values["angle"], tile) for each, tile in pairs for p in each.parameters if p.transform == "rotate"]
    assert turned
    for angle, tile in turned:
        said = f"{angle:.1f}°".replace("-", "−")
        assert {"title": "Rotation", "values": [["Angle", said]]} in tile["steps"]


def test_a_slider_moves_its_own_effect_and_the_seed_all(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "augment")
    before = grid(at)["sections"][0]["tiles"]
    at.slider(ANGLE).set_value((40.0, 60.0)).run()
    after = grid(at)["sections"][0]["tiles"]
    rotated = [any(step["title"] == "Rotation" for step in tile["steps"]) for tile in before]
    assert any(rotated) and not all(rotated)
    for was, now, moved in zip(before, after, rotated, strict=True):
        assert (was["src"] != now["src"]) == moved
    at.number_input("augment.seed").set_value(5).run()
    assert {t["seed"] for t in grid(at)["sections"][0]["tiles"]}.isdisjoint(t["seed"] for t in after)
    assert "Shipped policies stay as they are" in text_of(at)
    at.button("augment.discard").click().run()
    assert at.slider(ANGLE).value == (-8.0, 8.0)


def test_what_the_model_sees_and_which_class_is_nearest(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "augment")
    assert not grid(at)["seen"] and not grid(at)["sections"][0]["first"]["seen"]
    at.toggle("augment.seen").set_value(True).run()
    at.toggle("augment.judged").set_value(True).run()
    [row] = grid(at)["sections"]
    assert grid(at)["seen"] and row["first"]["seen"].startswith("data:")
    assert all(tile["seen"].startswith("data:") and tile["verdict"] for tile in row["tiles"])
    for tile in row["tiles"]:
        assert tile["unsafe"] == tile["verdict"].startswith("nearer to")


def test_one_of_each_rare_class_rarest_first(open_page, drawn_workspace):
    extra = (drawn_workspace.raw / "bar" / "bar_0.png").read_bytes()
    (drawn_workspace.raw / "lone").mkdir()
    (drawn_workspace.raw / "lone" / "one.png").write_bytes(extra)
    at = open_page(drawn_workspace, "augment", of="rare")
    assert [row["title"] for row in grid(at)["sections"]] == ["lone"], "the others have the most there are"


def test_no_class_is_rare_where_all_have_as_many(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "augment")
    assert len(at.button_group("augment.of").options) == 1
    record = Dataset(drawn_workspace).classes()[0]
    held = [replace(record, id=n, name=str(n), originals=size) for n, size in enumerate([5, 1, 5, 1, 1])]
    assert [each.originals for each in choosing.rare(held)] == [1, 1, 1], "the median itself is the fewest"
    assert [each.originals for each in choosing.rare([*held, *held, held[0]])] == [1] * 6


def test_the_policy_is_in_the_url_and_follows_it(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "augment", policy="phone-photo")
    assert at.selectbox("augment.policy.0").value == "phone-photo"
    steps = [step.transform for step in PRESETS["phone-photo"].steps]
    assert all(f"augment.step.{name}.remove" in [button.key for button in at.button] for name in steps)
    at.text_input("augment.copy_name.0").set_value("Ours").run()
    at.button("augment.copy").click().run()
    mine = policies.find(drawn_workspace, "Ours")
    assert at.query_params["policy"] in (mine.id, [mine.id])
    again = open_page(drawn_workspace, "augment", policy=mine.id)
    assert again.selectbox("augment.policy.0").value == mine.id
    again.selectbox("augment.policy.0").set_value("hand-drawn").run()
    assert "policy" not in again.query_params and again.slider(ANGLE).value == (-8.0, 8.0)
    assert open_page(drawn_workspace, "augment", policy="nonsense").selectbox("augment.policy.0").value == "hand-drawn"


def test_a_copy_is_saved_changed_renamed_exported_and_deleted(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "augment")
    at.slider(ANGLE).set_value((-3.0, 3.0)).run()
    at.text_input("augment.copy_name.0").set_value("Ours").run()
    at.button("augment.copy").click().run()
    mine = policies.find(drawn_workspace, "Ours")
    assert not mine.preset and mine.steps[3].ranges["angle"] == (-3.0, 3.0)
    assert at.selectbox("augment.policy.1").value == mine.id
    at.slider(ANGLE).set_value((-2.0, 2.0)).run()
    at.button("augment.save").click().run()
    assert policies.find(drawn_workspace, "Ours").steps[3].ranges["angle"] == (-2.0, 2.0)
    name = next(box for box in at.text_input if box.key.startswith("augment.rename_name"))
    name.set_value("Theirs").run()
    at.button("augment.rename").click().run()
    renamed = policies.find(drawn_workspace, "Theirs")
    assert renamed.id == mine.id and renamed.steps[3].ranges["angle"] == (-2.0, 2.0)
    at.button("augment.delete").click().run()
    assert [policy.id for policy in policies.policies(drawn_workspace)] == list(PRESETS)
    assert at.slider(ANGLE).value == (-8.0, 8.0)


@pytest.mark.parametrize("how", ["save", "rename", "delete"])
def test_two_people_do_not_overwrite_each_other_s_policy(open_page, drawn_workspace, how):
    mine = policies.copied(PRESETS["hand-drawn"], "Ours")
    policies.save(drawn_workspace, mine)
    at = open_page(drawn_workspace, "augment", policy=mine.id)
    at.slider(ANGLE).set_value((-2.0, 2.0)).run()
    theirs = mine.without({"rotate"})
    policies.save(drawn_workspace, theirs)
    if how == "rename":
        next(box for box in at.text_input if box.key.startswith("augment.rename_name")).set_value("Other").run()
    at.button(f"augment.{how}").click().run()
    assert "Ours was changed by somebody else in the meantime." in text_of(at) and not at.exception
    assert policies.find(drawn_workspace, "Ours") == theirs
    if how == "save":
        assert at.slider(ANGLE).value == (-2.0, 2.0), "the bench stays as it is"
        at.button("augment.discard").click().run()
    if how != "rename":
        assert ANGLE not in {slider.key for slider in at.slider}, "as it is saved now"


def test_a_file_comes_in_under_an_id_of_its_own_and_a_letter_is_refused(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "augment")
    given = Policy("hand-drawn", "From a colleague", (Step("blur"),))
    at.file_uploader("augment.import.0").upload("p.json", given.to_bytes(), "application/json").run()
    at.button("augment.import_now").click().run()
    saved = policies.find(drawn_workspace, "From a colleague")
    assert saved.id != "hand-drawn" and saved.steps == given.steps
    at.file_uploader("augment.import.1").upload("p.json", b"Dear sir", "application/json").run()
    at.button("augment.import_now").click().run()
    assert "This is not an augmentation policy." in text_of(at)
    assert len(policies.policies(drawn_workspace)) == len(PRESETS) + 1


def test_steps_are_added_moved_and_taken_out(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "augment")
    first = [step.transform for step in PRESETS["hand-drawn"].steps]
    at.selectbox("augment.add.0").set_value("flip_horizontal").run()
    at.button("augment.step.flip_horizontal.up").click().run()
    at.button(f"augment.step.{first[0]}.remove").click().run()
    at.text_input("augment.copy_name.0").set_value("Flipped").run()
    at.button("augment.copy").click().run()
    steps = [step.transform for step in policies.find(drawn_workspace, "Flipped").steps]
    assert steps == [*first[1:-1], "flip_horizontal", first[-1]]


def test_each_transform_alone_at_three_strengths(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "augment", view="strip")
    groups = component(at, "burin_draws")
    rows = {row["title"]: row for group in groups for row in group["sections"]}
    assert len(rows) == len(TRANSFORMS) and all(group["fixed"] for group in groups)
    assert [tile["caption"] for tile in rows["Rotation"]["tiles"]] == ["3.3°", "6.7°", "10.0°"]
    assert len(rows["Horizontal flip"]["tiles"]) == 1
    assert [tile["caption"] for tile in rows["Quarter turns"]["tiles"]] == ["1 × 90°", "2 × 90°", "3 × 90°"]
    assert "at low, middle and high strength" in text_of(at)


def test_a_mirror_twin_is_found_named_and_switched_off(open_page, workspace, in_place):
    for name in ("left", "right"):
        (workspace.raw / name).mkdir(parents=True)
    for n in range(4):
        mark = Image.new("RGB", (64, 64), "white")
        mark.paste("black", (10, 10, 16, 54 - n))
        mark.paste("black", (10, 10, 50 - n, 16))
        (workspace.raw / "left" / f"{n}.png").write_bytes(png_bytes(mark))
        (workspace.raw / "right" / f"{n}.png").write_bytes(png_bytes(ImageOps.mirror(mark)))
    at = open_page(workspace, "augment", view="safety")
    assert "have not been checked" in text_of(at)
    at.selectbox("augment.add.0").set_value("flip_horizontal").run()
    at.button("augment.check").click().run()
    said = text_of(at)
    assert "**left** mirrored left to right is **right**" in said and "it would become right" in said
    policy = Policy.from_json(in_place[0][1]["policy"])
    data = Dataset(workspace)
    checked = remembered(workspace, policy, "fake-pixels-8x8", labels_digest(originals_of(data)))
    assert checked and checked.current and "flip_horizontal" in checked.report.refused("left")
    at.button("augment.drop.flip_horizontal").click().run()
    assert not any(key.key.startswith("augment.step.flip_horizontal") for key in at.button)
    data.relabel([data.items(limit=1)[0].id], data.create_class("third"))
    assert not remembered(workspace, policy, "fake-pixels-8x8", labels_digest(originals_of(data))).current


def test_writing_is_listed_traced_and_undone(open_page, drawn_workspace, in_place):
    at = open_page(drawn_workspace, "augment", view="write")
    at.number_input("augment.per_image").set_value(2).run()
    assert "**24 variants** of 12 originals" in text_of(at)
    at.button("augment.write").click().run()
    [(kind, params)] = in_place
    assert kind == "augment" and params["per_image"] == 2 and params["override"] is False
    manifest = Manifest(drawn_workspace.augmented)
    [batch] = manifest.batches()
    assert batch.policy["id"] == "hand-drawn" and not batch.override
    held = manifest.variants()
    assert held and {v.original_sha256 for v in held} <= {o.sha256 for o in originals_of(Dataset(drawn_workspace))}
    assert f"**{len(held)} variants**" in text_of(at)
    at.button(f"augment.undo.{batch.id}").click().run()
    assert not manifest.variants() and f"{len(held)} variants deleted." in text_of(at)


def test_what_a_job_refused_is_listed_and_what_was_taken_back_said(open_page, drawn_workspace, jobs_here):
    jobs_here()
    (drawn_workspace.raw / "bar" / "broken.png").write_text("no image")
    runner = JobRunner(drawn_workspace)
    params = {"per_image": 1, "override": True, "who": "", "role": "curator"}
    job = runner.wait(runner.start("augment", "core.variation.work:run_augment", params).id, timeout_s=120)
    at = open_page(drawn_workspace, "augment", view="write")
    assert "12 written]" in text_of(at) and "1 original refused]" in text_of(at)
    assert "**bar/broken.png**" in text_of(at) and "broken.png is not an image" in text_of(at)
    at.button(f"augment.undo.{job.result['batch']}").click().run()
    assert "12 written, taken back]" in text_of(at)


def test_writing_without_the_check_has_to_be_meant_and_is_recorded(open_page, drawn_workspace, in_place):
    at = open_page(drawn_workspace, "augment", view="write")
    at.number_input("augment.per_image").set_value(1).run()
    assert at.button("augment.override").disabled
    at.checkbox("augment.meant").check().run()
    at.button("augment.override").click().run()
    [batch] = Manifest(drawn_workspace.augmented).batches()
    assert batch.override and "written without the check" in text_of(at)


def test_an_empty_library_says_so_and_french_is_spoken(open_page, workspace, drawn_workspace):
    empty = Workspace(workspace.root.parent / "empty")
    at = open_page(empty, "augment", locale="fr-FR")
    assert at.title[0].value == "Augmenter" and "il n’y en a pas encore" in text_of(at)
    at = open_page(drawn_workspace, "augment", locale="fr-FR")
    tiles = grid(at)["sections"][0]["tiles"]
    angles = [step["values"][0] for tile in tiles for step in tile["steps"] if step["title"] == "Rotation"]
    assert angles and all(name == "Angle" and "," in value for name, value in angles)
    labels = [fold.label.replace("\\", "") for fold in at.expander]
    assert any(label.startswith("Traits épaissis") and "35 %" in label for label in labels)


def test_a_damaged_memory_of_a_check_is_no_check(workspace):
    policy = replace(PRESETS["hand-drawn"], name="x")
    folder = workspace.cache / "safety"
    folder.mkdir(parents=True)
    assert remembered(workspace, policy, "s", "") is None
    for content in ("", "[]", json.dumps({"rows": [{}], "tolerance": 0.1, "twins": [], "refusals": [], "labels": ""})):
        (folder / f"{policy.digest}-{hashlib.sha256(b's').hexdigest()[:12]}.json").write_text(content)
        assert remembered(workspace, policy, "s", "") is None
