"""`core.training.promotion` and `transfer`: what is promoted is what Identify uses, and there is a way back."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import onnxruntime
import pytest
import torch

from core.collection.dataset import Dataset
from core.embedding.embedder import load_embedder
from core.embedding.model import EmbeddingNet, load
from core.ground.config import Preprocessing
from core.ground.errors import Conflict, ModelRefused, NotFound
from core.ground.workspace import Workspace
from core.training.audit import LeakAudit
from core.training.promoted import promoted
from core.training.promotion import beside, can_roll_back, promote, roll_back, run_promotion
from core.training.run import BEST, Run
from core.training.runs import Runs
from core.training.splits import Split, make_split
from core.training.transfer import export_onnx, export_pt, import_checkpoint
from core.variation.sources import originals_of
from tests.plant import at_every_step


def finished(workspace: Workspace, tiny, seed: int, split: Split | None = None) -> Run:
    torch.manual_seed(seed)
    net = EmbeddingNet("tf_efficientnet_lite0", embedding_size=8, stage=1, grid=2).eval()
    run = Runs(workspace).create(tiny, split or Split(0, {}, {}), LeakAudit(), [], state="finished")
    net.save(run.folder / BEST, preprocessing=tiny.preprocessing, classes=["(e", "étoile"])
    return run


def test_identify_uses_what_is_promoted_and_goes_back(workspace, tiny):
    one, two = finished(workspace, tiny, 1), finished(workspace, tiny, 2)
    assert promoted(workspace) is None and not can_roll_back(workspace)
    with pytest.raises(NotFound):
        roll_back(workspace)
    promote(workspace, one)
    first = load_embedder(workspace, engine="torch")
    assert promoted(workspace).run_id == one.id
    assert first.dimension == 8 and first.preprocessing == tiny.preprocessing
    assert "trained in this workspace" in first.sentence
    seen = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    expected = load(one.best_path)[0](torch.from_numpy(seen).permute(0, 3, 1, 2)).detach().numpy()
    np.testing.assert_allclose(first.embed(seen), expected, atol=1e-6)

    promote(workspace, two)
    second = load_embedder(workspace, engine="torch")
    assert second.space != first.space and promoted(workspace).run_id == two.id
    assert roll_back(workspace).run_id == one.id
    assert load_embedder(workspace, engine="torch").space == first.space
    assert roll_back(workspace) is None  # as it was before any training
    assert not any(workspace.model.glob("best_efficientnet_triplet.*"))


def test_beside_it_lie_a_card_and_a_plain_state_dict(workspace, tiny):
    run = finished(workspace, tiny, 3)
    promote(workspace, run)
    state = torch.load(workspace.model / "best_efficientnet_triplet.pt", weights_only=True)
    weights = load(run.best_path)[0].state_dict()
    assert state.keys() == weights.keys() and all(torch.equal(state[name], weights[name]) for name in weights)
    assert '"étoile"' in (workspace.model / "best_efficientnet_triplet.json").read_text(encoding="utf-8")


def test_damaged_weights_are_not_promoted(workspace, tiny):
    good, bad = finished(workspace, tiny, 1), finished(workspace, tiny, 2)
    promote(workspace, good)
    content = bytearray(bad.best_path.read_bytes())
    content[-5] ^= 1
    bad.best_path.write_bytes(bytes(content))
    with pytest.raises(ModelRefused, match="damaged"):
        promote(workspace, bad)
    assert promoted(workspace).run_id == good.id
    bad.best_path.unlink()
    with pytest.raises(NotFound, match="no weights yet"):
        promote(workspace, bad)


def test_a_run_in_use_is_not_thrown_away(workspace, tiny):
    one, two = finished(workspace, tiny, 1), finished(workspace, tiny, 2)
    promote(workspace, one)
    with pytest.raises(Conflict, match="Identify uses this run: promote another one"):
        Runs(workspace).delete(one.id)
    assert one.best_path.is_file()
    promote(workspace, two)
    Runs(workspace).delete(one.id)
    assert Runs(workspace).deleted() == [one.id]


def test_a_file_put_there_by_hand_is_of_no_known_run(workspace, tiny):
    promote(workspace, finished(workspace, tiny, 1))
    other = finished(workspace, tiny, 2)
    target = workspace.model / "best_efficientnet_triplet.safetensors"
    target.write_bytes(other.best_path.read_bytes())
    assert promoted(workspace).run_id == ""


def test_onnx_answers_as_torch_does(workspace, tiny, tmp_path):
    run = finished(workspace, tiny, 4)
    apart = export_onnx(run, tmp_path / "model.onnx")
    assert apart <= 1e-4
    seen = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    (found,) = onnxruntime.InferenceSession(str(tmp_path / "model.onnx")).run(["embeddings"], {"images": seen})
    expected = load(run.best_path)[0](torch.from_numpy(seen).permute(0, 3, 1, 2)).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_checkpoint_goes_out_and_comes_in(workspace, tiny, tmp_path, suffix):
    run = finished(workspace, tiny, 5)
    path = tmp_path / f"mine{suffix}"
    if suffix == ".pt":
        export_pt(run, path)
    else:
        path.write_bytes(run.best_path.read_bytes())
    back = import_checkpoint(workspace, path.read_bytes(), path.name)
    assert back.state == "finished" and back.record.name == "mine" and back.record.source == path.name
    one, other = load(run.best_path)[0].state_dict(), load(back.best_path)[0].state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    promote(workspace, back)
    assert promoted(workspace).run_id == back.id


def test_of_a_checkpoint_no_more_is_recorded_than_is_known(workspace, tiny, tmp_path):
    run = finished(workspace, tiny, 5)
    export_pt(run, tmp_path / "mine.pt")
    seen = Preprocessing(mode="plain", size=64)
    bare = import_checkpoint(workspace, tmp_path / "mine.pt", "mine.pt", preprocessing=seen)
    carded = import_checkpoint(workspace, run.best_path, "mine.safetensors", preprocessing=seen)
    assert bare.settings.preprocessing == load(bare.best_path)[1].preprocessing == seen
    assert carded.settings.preprocessing == tiny.preprocessing  # its card knows better
    assert set(bare.record.settings) == {"format", "architecture", "embedding_size", "preprocessing"}
    assert bare.brought_in and not bare.audit.images


def test_what_does_not_fit_is_not_imported(workspace, tiny, tmp_path):
    run = finished(workspace, tiny, 6)
    state = load(run.best_path)[0].state_dict()
    for name, changed in (
        ("infinite", {**state, "head.bias": torch.full((8,), float("inf"))}),
        ("shape", {**state, "head.bias": torch.zeros(9)}),
        ("type", {**state, "head.bias": torch.zeros(8, dtype=torch.float64)}),
        ("missing", {key: tensor for key, tensor in state.items() if "conv_stem" not in key}),
    ):
        torch.save(changed, tmp_path / f"{name}.pt")
        with pytest.raises(ModelRefused):
            import_checkpoint(workspace, tmp_path / f"{name}.pt", f"{name}.pt")
    with pytest.raises(ModelRefused, match="is not a model file"):
        import_checkpoint(workspace, b"", "model.pkl")
    assert len(Runs(workspace).list()) == 1 and not any(workspace.staging.iterdir())


@pytest.mark.parametrize(("top1", "below"), [(0.0, True), (1.0, False)])
def test_a_run_far_below_what_is_in_use_is_promoted_only_when_it_is_meant(
    filled, tiny, fake_embedder, monkeypatch, top1, below
):
    monkeypatch.setattr("core.embedding.embedder.load_embedder", lambda workspace, *, model=None: fake_embedder)
    dataset = Dataset(filled)
    dataset.rescan()
    split = make_split(originals_of(dataset), seed=0, validation=0.4, test=0)
    run = finished(filled, tiny, 5, split)
    run.update(best={"epoch": 0, "scores": {"top1": top1, "n": split.counts()["validation"]}})
    found = beside(dataset, run, fake_embedder)
    assert found is not None and found.n == 8 and found.used > 0.7 and found.far_below is below
    if below:
        with pytest.raises(Conflict, match=r"On the same images \(8\) this run is right in 0\.0 %"):
            run_promotion(filled, {"run_id": run.id}, lambda *_: None, lambda: False)
        assert promoted(filled) is None
    run_promotion(filled, {"run_id": run.id, "meant": below}, lambda *_: None, lambda: False)
    assert promoted(filled).run_id == run.id


def test_what_was_not_measured_is_not_compared(filled, tiny, fake_embedder):
    run = finished(filled, tiny, 6)
    assert beside(Dataset(filled), run, fake_embedder) is None


def test_at_no_moment_is_the_run_in_use_unknown(workspace, tiny, tmp_path, monkeypatch):
    """Killed at every step of a promotion and of the way back: what is in use is known, and there is a way on."""
    one, two, three = (finished(workspace, tiny, seed) for seed in (1, 2, 3))
    networks = {run.best_path.read_bytes(): load(run.best_path) for run in (one, two, three)}
    monkeypatch.setattr("core.embedding.model.load", lambda path: networks[path.read_bytes()])
    promote(workspace, one)
    promote(workspace, two)
    number = itertools.count()

    def prepare():
        copy = Workspace(tmp_path / f"copy{next(number)}")
        shutil.copytree(workspace.root, copy.root)
        return copy

    def check_promotion(copy):
        assert promoted(copy).run_id in (two.id, three.id)
        beside = copy.model / "best_efficientnet_triplet.pt"
        if beside.is_file():
            state = torch.load(beside, weights_only=True)
            used = networks[(copy.model / "best_efficientnet_triplet.safetensors").read_bytes()][0].state_dict()
            assert torch.equal(state["head.bias"], used["head.bias"])
        back = two.id if promoted(copy).run_id == three.id else one.id
        assert roll_back(copy).run_id == back, "one step back is one step back"

    assert at_every_step(prepare, lambda copy: promote(copy, three), check_promotion) > 10

    def check_way_back(copy):
        assert promoted(copy).run_id in (one.id, two.id)
        if promoted(copy).run_id == two.id:
            assert roll_back(copy).run_id == one.id
        assert roll_back(copy) is None and not can_roll_back(copy)

    assert at_every_step(prepare, roll_back, check_way_back) > 5


def test_going_back_goes_by_order_and_not_by_the_clock(workspace, tiny, monkeypatch):
    one, two = finished(workspace, tiny, 1), finished(workspace, tiny, 2)
    promote(workspace, one)
    promote(workspace, two)
    monkeypatch.setattr("core.ground.workspace._LAST", [0])  # another process,
    monkeypatch.setattr("core.ground.workspace.time.time", lambda: 1e9)  # after the clock went back
    promote(workspace, one)
    assert roll_back(workspace).run_id == two.id
    assert roll_back(workspace).run_id == one.id
