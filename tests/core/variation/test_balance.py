"""Plans by hand-checked counts, applied and undone; the shell's oversample."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.collection.dataset import Dataset
from core.ground.errors import ConfigRefused
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from core.shell.main import main
from core.variation.balance import START_S, TYPICAL_CHECK_S, Cost, counts, imbalance, measure, plan, undo
from core.variation.policies import PRESETS, Policy, Step
from core.variation.references import references
from core.variation.safety import check, looked_at
from core.variation.sources import Original, originals_of
from core.variation.variants import Manifest, Variant
from core.variation.writer import write
from tests import conftest


def originals(**sizes: int) -> list[Original]:
    return [
        Original(name, name, Path(f"{name}_{i}.png"), f"{name}{i}", i) for name, n in sizes.items() for i in range(n)
    ]


def variant(folder: str, number: int, *, of: int = 0, seed: int = 0) -> Variant:
    return Variant(folder, f"{of}_{number}.png", "", None, "", f"{folder}{of}", "", "", seed, number, 0, [], "b")


def added(made) -> dict[str, int]:
    return {each.count.folder: each.add for each in made.classes}


def test_figures_of_imbalance():
    even = imbalance([5, 5, 5, 5])
    assert (even.classes, even.ratio, even.gini) == (4, 1.0, 0.0) and even.effective == pytest.approx(4)
    uneven = imbalance([1, 3, 0])
    # Gini of 1 and 3: mean absolute difference of all pairs (0 + 2 + 2 + 0) / 4 = 1, by twice the mean 2.
    assert (uneven.classes, uneven.ratio, uneven.gini) == (2, 3.0, pytest.approx(0.25))
    assert uneven.effective == pytest.approx(1.7548, abs=1e-4)  # exp(-(1/4 ln 1/4 + 3/4 ln 3/4))
    assert imbalance([]).classes == 0


def test_strategies_side_by_side():
    some = originals(a=1, b=4, c=12, d=30)
    assert added(plan(some, strategy="minimum", minimum=10)) == {"a": 9, "b": 6, "c": 0, "d": 0}
    assert added(plan(some, strategy="median")) == {"a": 7, "b": 4, "c": 0, "d": 0}  # the median of 4 and 12
    assert added(plan(some, strategy="equalise", cap=20)) == {"a": 19, "b": 16, "c": 8, "d": 0}
    assert added(plan(some, strategy="equalise", cap=100)) == {"a": 29, "b": 26, "c": 18, "d": 0}
    sampler = plan(some, strategy="sampler")
    assert sampler.total == 0 and sampler.line is None
    weights = {each.count.folder: each.weight for each in sampler.classes}
    assert weights["a"] / weights["b"] == pytest.approx(2)  # sqrt(4 / 1)
    assert sum(weights[o.folder] for o in some) == pytest.approx(len(some))


def test_a_plan_evens_the_figures_and_names_single_classes():
    made = plan(originals(a=1, b=4, c=12), minimum=10, cost=Cost(0.02, 1500))
    assert made.single == ("a",) and made.line == 10
    assert (made.before.ratio, made.after.ratio) == (12.0, pytest.approx(1.2))
    assert made.after.gini < made.before.gini and made.after.effective > made.before.effective
    assert (made.total, made.seconds, made.bytes) == (15, pytest.approx(0.3), 22500)


def test_variants_are_spread_evenly_over_originals():
    made = plan(originals(a=3), minimum=10).classes[0]
    assert {of: len(numbers) for of, numbers in made.draws} == {"a0": 3, "a1": 2, "a2": 2}
    held = [variant("a", n) for n in range(3)]
    made = plan(originals(a=3), held, minimum=10).classes[0]
    assert dict(made.draws) == {"a1": (0, 1), "a2": (0, 1)} and made.count.variants == 3


def test_numbers_go_on_where_a_run_was_cut_short():
    whole = plan(originals(a=2), minimum=10).classes[0]
    held = [variant("a", 0), variant("a", 2), variant("a", 0, of=1)]
    rest = plan(originals(a=2), held, minimum=10).classes[0]
    had = {("a0", 0), ("a0", 2), ("a1", 0)}
    planned = {(of, n) for of, numbers in rest.draws for n in numbers}
    assert planned | had == {(of, n) for of, numbers in whole.draws for n in numbers} and not planned & had


def test_an_original_has_a_most_of_variants():
    made = plan(originals(a=1), minimum=30, most_per_original=8).classes[0]
    assert made.capped and made.add == 8 and made.after == 9


@pytest.mark.parametrize("wrong", [{"minimum": 0}, {"cap": 100_001}, {"most_per_original": 0}, {"strategy": "x"}])
def test_settings_outside_their_rule_are_refused(wrong):
    with pytest.raises(ConfigRefused):
        plan(originals(a=1), **wrong)


def test_nothing_to_balance():
    made = plan([])
    assert made.total == 0 and made.classes == () and counts([]) == []


@pytest.fixture
def uneven(workspace: Workspace) -> Dataset:
    for shape, count in (("bar", 1), ("cross", 3), ("circle", 6)):
        folder = workspace.raw / shape
        folder.mkdir(parents=True)
        for seed in range(count):
            (folder / f"{seed}.png").write_bytes(conftest.png_bytes(conftest.draw(shape, seed=seed)))
    dataset = Dataset(workspace)
    dataset.rescan()
    return dataset


def test_a_plan_applied_as_a_job_meets_its_line_and_is_undone(uneven):
    workspace = uneven.workspace
    manifest = Manifest(workspace.augmented)
    some = originals_of(uneven)
    before = plan(some, minimum=2, seed=9)
    write(manifest, before.tasks(some), before.policy, seed=9, safety=None)
    made = plan(some, manifest.variants(), minimum=5)
    runner = JobRunner(workspace)
    job = runner.wait(
        runner.start("balance", "core.variation.work:run_augment", made.params(some, override=True)).id, timeout_s=120
    )
    assert job.state == "succeeded" and job.result["written"] == made.total == 5 and job.result["batch"] == made.batch
    sizes = {record.name: record.originals + record.variants for record in Dataset(workspace).classes()}
    assert sizes == {"bar": 5, "cross": 5, "circle": 6}
    assert plan(some, manifest.variants(), minimum=5).total == 0
    assert undo(uneven, made.batch) == 5
    assert [v.seed for v in manifest.variants()] == [9], "the variant that was there before is gone"


def test_oversample_from_the_shell(uneven, capsys):
    workspace = uneven.workspace
    arguments = ["oversample", "--raw_dir", str(workspace.raw), "--augmented_dir", str(workspace.augmented)]
    arguments += ["--min_threshold", "4", "--override_safety"]
    assert main([*arguments, "--dry_run"]) == 0
    printed = capsys.readouterr().out
    assert "bar: 1 original (+ 0), 3 more from its only original" in printed and "To write: 4 variants" in printed
    assert not list(workspace.augmented.glob("*/*.png"))
    assert main(arguments) == 0 and "4 variants written" in capsys.readouterr().out
    assert len(list(workspace.augmented.glob("bar/*.png"))) == 3
    assert main(arguments) == 0 and "0 variants written" in capsys.readouterr().out


def test_augment_from_the_shell_on_plain_folders(uneven, tmp_path, capsys):
    elsewhere = tmp_path / "anywhere"
    uneven.workspace.raw.rename(elsewhere)
    (elsewhere / "bar" / "broken.png").write_bytes(b"no image")
    arguments = ["augment", "--raw_dir", str(elsewhere), "--output_dir", str(tmp_path / "out")]
    status = main([*arguments, "--per_image", "2", "--policy", "phone-photo", "--seed", "3", "--override_safety"])
    shown = capsys.readouterr()
    assert status == 0 and "20 variants written" in shown.out and "1 original refused" in shown.out
    assert "broken.png is not an image" in shown.err
    assert len(Manifest(tmp_path / "out").variants()) == 20
    assert main([*arguments, "--policy", "nonsense"]) == 2 and "hand-drawn" in capsys.readouterr().err
    assert main(["augment", "--raw_dir", str(tmp_path / "nowhere")]) == 2


def test_a_broken_original_of_a_workspace_is_counted_and_fails_nothing(uneven, capsys):
    raw = uneven.workspace.raw
    (raw / "bar" / "broken.png").write_text("no image")
    oversample = ["oversample", "--raw_dir", str(raw), "--min_threshold", "4", "--override_safety"]
    assert main([*oversample, "--dry_run"]) == 0 and "bar/broken.png: " in capsys.readouterr().err
    assert main(oversample) == 0
    shown = capsys.readouterr()
    assert "bar/broken.png: " in shown.err and "4 variants written, 0 there already, 1 original refused" in shown.out
    for path in raw.glob("*/*.png"):
        path.write_text("no image")
    assert main(["augment", "--raw_dir", str(raw), "--override_safety"]) == 1
    assert "0 variants written, 0 there already, 11 originals refused" in capsys.readouterr().out


def test_cost_is_measured(uneven):
    cost = measure(originals_of(uneven), PRESETS["hand-drawn"])
    assert cost.seconds > 0 and 100 < cost.bytes < 10_000
    assert measure([], PRESETS["hand-drawn"]) == Cost(0.0, 0.0)


def test_the_time_announced_is_that_of_the_start_the_check_and_the_writing(uneven, fake_embedder):
    assert Cost(0.5, 1, check=0.25).of(10, 40) == START_S + 5 + 12.5 and Cost(0.5, 1).of(0, 40) == 0
    cost = measure(originals_of(uneven), PRESETS["hand-drawn"], embedder=fake_embedder)
    assert 0 < cost.check != TYPICAL_CHECK_S

    class Counted(type(fake_embedder)):
        seen = 0

        def embed_images(self, images, **how):
            images = list(images)
            type(self).seen += len(images)
            return super().embed_images(images, **how)

    flips = Policy("x", "x", (Step("flip_horizontal"), Step("quarter_turn", 0.5), Step("blur"), Step("thin", 0)))
    refs = references(originals_of(uneven), fake_embedder, None)
    check(flips, refs, Counted(), tolerance=1.0)
    sizes = [len(refs.of(folder)) for folder in refs.folders]
    assert Counted.seen == looked_at(flips, sizes) > 0 == looked_at(Policy("x", "x"), sizes)
    made = plan(originals_of(uneven), minimum=5, policy=flips)
    assert made.looked_at == looked_at(flips, [each.count.originals for each in made.classes if each.add])
