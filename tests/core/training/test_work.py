"""`core.training.work`: a run from images to weights; refused on a leak; resumed; killed; ten starts, one job."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import count
from pathlib import Path

import pytest
from PIL import Image

from core.embedding.card import read_sealed
from core.ground.errors import BadInput, LockLost
from core.ground.jobs import JobRunner
from core.ground.workspace import Workspace
from core.training.prepare import Request
from core.training.run import Run
from core.training.runs import Runs
from core.training.work import train
from core.variation.policies import PRESETS
from tests.chromium import free_port
from tests.conftest import png_bytes
from tests.core.training.conftest import fill

ROOT = Path(__file__).resolve().parents[3]


def curve(run: Run) -> list[tuple]:
    return [(m["step"], m["epoch"], m["loss"], m["lr"]) for m in run.metrics() if m["kind"] == "step"]


def validations(run: Run) -> list[dict]:
    return [m["validation"] for m in run.metrics() if m["kind"] == "epoch"]


def same_weights(one: Run, other: Run) -> bool:
    """Whether the best weights of two runs are equal to the last bit."""
    import torch

    from core.embedding.model import load

    first, second = (load(run.best_path)[0].state_dict() for run in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_leaves_what_its_pages_read(filled, tiny):
    notes: list[str] = []
    run = train(filled, Request(tiny, name="first"), on_progress=lambda done, total, note: notes.append(note))
    assert (run.state, run.record.name, run.record.counts["classes"]) == ("finished", "first", 4)
    counts = run.record.counts
    assert counts["train"] + counts["validation"] + counts["test"] == counts["originals"] == 20
    assert run.audit.clean and run.record.best is not None
    assert run.record.best["scores"]["n"] == counts["validation"] >= 4
    assert [m["kind"] for m in run.metrics()] == ["start", "step", "step", "epoch", "step", "step", "epoch"]
    assert set(run.metrics()[1]["lr"]) == {"head", "last", "first"}
    assert len(run.epochs()[-1]["health"]["positive"]) == 5
    card, _content = read_sealed(run.best_path)
    assert card.classes == ("bar", "circle", "cross", "triangle") and card.preprocessing == tiny.preprocessing
    assert any(path.name.startswith("events.out.tfevents") for path in run.folder.iterdir())
    assert "finished" in (run.folder / "log.txt").read_text(encoding="utf-8")
    assert run.resume_path.exists() and not run.resumable  # it can only be given more epochs
    assert {"splitting", "reading", "training", "validating"} <= set(notes)


def test_a_leak_refuses_the_training_and_the_run_shows_it(filled, tiny, monkeypatch):
    """A split that ignores groups, as somebody else's code might make it: the audit still sees the copies."""
    from core.training import prepare

    for path in sorted((filled.raw / "circle").glob("*.png")):
        with Image.open(path) as image:
            path.with_name(f"again_{path.name}").write_bytes(png_bytes(image.convert("RGB").resize((90, 90))))
    real = prepare.make_split
    monkeypatch.setattr(
        prepare, "make_split", lambda originals, **options: real(originals, **{**options, "groups": None})
    )
    with pytest.raises(BadInput, match="The leak audit found"):
        train(filled, Request(tiny))
    (run,) = Runs(filled).list()
    assert run.state == "failed" and not run.audit.clean and run.metrics() == []
    trained = train(filled, Request(tiny.with_(epochs=1), override_leaks=True))
    assert trained.state == "finished" and trained.record.overrides == ["leak audit"] and not trained.audit.clean


def test_copies_of_one_picture_stay_together_and_train(filled, tiny):
    path = next((filled.raw / "circle").glob("*.png"))
    with Image.open(path) as image:
        path.with_name("again.png").write_bytes(png_bytes(image.convert("RGB").resize((90, 90))))
    assert train(filled, Request(tiny.with_(epochs=1))).audit.clean


def test_a_resumed_run_equals_the_uninterrupted_one(filled, tiny):
    settings = tiny.with_(epochs=3, policy=PRESETS["sketch-icon"].to_json())
    whole = train(filled, Request(settings, override_safety=True))
    asked = count()
    stopped = train(filled, Request(settings, override_safety=True), should_stop=lambda: next(asked) == 7)  # step 5
    assert stopped.state == "stopped" and stopped.resumable and len(curve(stopped)) == 5
    resumed = train(filled, Request(settings, run_id=stopped.id))
    assert resumed.id == stopped.id and resumed.state == "finished"
    assert curve(resumed) == curve(whole) and validations(resumed) == validations(whole)
    assert same_weights(resumed, whole)
    assert resumed.record.overrides == ["label safety"]
    with pytest.raises(BadInput, match="there is nothing to go on with"):
        train(filled, Request(settings, run_id=stopped.id))


def test_a_run_whose_lock_was_lost_is_written_no_more_and_can_be_gone_on_with(filled, tiny, monkeypatch):
    asked = count(1)

    class Lost:
        def confirm(self, *, every_s: float = 0.0) -> None:
            if not every_s and next(asked) == 3:  # before the training, after its first epoch, after its second
                raise LockLost("Somebody else has begun the same.")

    with monkeypatch.context() as patched:
        patched.setattr(Run, "held", lambda self: nullcontext(Lost()))
        with pytest.raises(LockLost):
            train(filled, Request(tiny))
    [run] = Runs(filled).list()
    assert (run.record.state, run.record.ended_at, run.state) == ("running", None, "interrupted")
    assert [m["kind"] for m in run.metrics()] == ["start", "step", "step", "epoch", "step", "step"]
    assert run.resumable and train(filled, Request(tiny, run_id=run.id)).state == "finished"


def test_label_safety_keeps_a_flip_from_making_another_mark(workspace, tiny):
    """A stroke to the left and one to the right are two classes here: the horizontal flip is left out of both."""
    from PIL import ImageDraw

    for name, ends in (("left", (10, 10, 50, 50)), ("right", (50, 10, 10, 50))):
        folder = workspace.raw / name
        folder.mkdir(parents=True)
        for i in range(4):
            image = Image.new("RGB", (64, 64), "white")
            ImageDraw.Draw(image).line([value + i for value in ends], fill="black", width=4)
            (folder / f"{i}.png").write_bytes(png_bytes(image))
    flip = {"format": 1, "id": "flip", "name": "Flip",
            "steps": [{"transform": "flip_horizontal", "probability": 0.5, "ranges": {}}]}  # fmt: skip
    run = train(
        workspace, Request(tiny.with_(epochs=1, steps=1, classes_per_batch=2, policy=flip), override_leaks=True)
    )
    assert run.record.left_out == {"left": ["flip_horizontal"], "right": ["flip_horizontal"]}


def test_ten_starts_make_one_job(filled, tiny):
    runner, params = JobRunner(filled), Request(tiny.with_(epochs=10_000)).to_params()
    with ThreadPoolExecutor(10) as pool:
        started = list(
            pool.map(lambda _: runner.start("train", "core.training.work:run_training", params, key="train"), range(10))
        )
    try:
        assert len({job.id for job in started}) == 1
        assert len(runner.active("train")) == 1
    finally:
        runner.stop(started[0].id)
        ended = runner.wait(started[0].id, timeout_s=120)
    assert ended.state == "stopped"


# Kill -9: one process imports torch once and forks the trainings that are killed.

KILLER = """
import json, os, random, signal, sys, time
import tensorboardX, timm, torch
torch.set_num_threads(1)
from core.embedding import model
from core.ground.workspace import Workspace
from core.training import checkpoint, losses
from core.training.runs import Runs
from core.training.prepare import Request
from core.training.work import train
root, run_id, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
request = Request.from_params({"settings": settings, "run_id": run_id})

def started():
    child = os.fork()
    if not child:
        train(Workspace(root), request)
        os._exit(0)
    return child

whole = started(); began = time.monotonic(); os.waitpid(whole, 0); length = time.monotonic() - began
os.rename(f"{root}/model/runs/{run_id}", f"{root}/model/runs/whole")
chance, seen = random.Random(5), []
for _ in range(10):
    child = started()
    time.sleep(chance.uniform(0.1, 0.35) * length)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    try:
        run = Runs(Workspace(root)).get(run_id)
    except Exception as error:
        run = None  # killed before it began
    state = run.state if run else "not begun"
    if run and run.resume_path.exists():
        checkpoint.load(run.resume_path)
    if run:
        run.metrics()
        for path in (run.best_path, run.last_path):
            if path.exists():
                model.load(path)
    seen.append([os.WIFSIGNALED(status), state])
    if state == "finished":
        break
last = started()
_, status = os.waitpid(last, 0) if state != "finished" else (0, 0)
print(json.dumps({"seen": seen, "status": status}))
"""


@pytest.mark.slow
def test_killed_at_ten_random_points_it_goes_on_each_time(filled, tiny):
    settings = tiny.with_(epochs=4, steps=1)
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(filled.root), "killed", json.dumps(settings.to_json())],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["status"] == 0
    assert all(
        (killed and state in ("interrupted", "not begun")) or state == "finished" for killed, state in told["seen"]
    )
    whole, killed = Runs(filled).get("whole"), Runs(filled).get("killed")
    assert killed.state == "finished" and len(curve(whole)) == 4
    assert curve(killed) == curve(whole) and validations(killed) == validations(whole)
    assert same_weights(killed, whole)
    leftovers = [path.name for path in killed.folder.iterdir() if path.name.endswith(".tmp")]
    assert len(leftovers) <= 10


BOTH = """
import json, sys
sys.path.insert(0, {root!r})
from core.ground.workspace import Workspace
from core.training.prepare import Request
from core.training.work import train
train(Workspace(sys.argv[1]), Request.from_params(json.loads(sys.argv[2])))
"""


@pytest.mark.slow
def test_two_machines_train_as_one(workspace: Workspace, tiny):
    """``torchrun`` started twice, as on two machines that share the folder, with a CPU process each over gloo: the
    losses and scores of one process with the whole batch."""
    fill(workspace.raw)
    settings = tiny.with_(classes_per_batch=4, epochs=2)
    alone = train(workspace, Request(settings))
    path = workspace.root / "both.py"
    path.write_text(BOTH.format(root=str(ROOT)), encoding="utf-8")
    params = json.dumps(Request(settings, run_id="both").to_params())
    meeting = ["--rdzv_backend", "c10d", "--rdzv_endpoint", f"127.0.0.1:{free_port()}", "--rdzv_id", "two"]
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "1", *meeting]
    machines = [
        subprocess.Popen(
            [*command, str(path), str(workspace.root), params],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for machine in machines:
        _, said = machine.communicate(timeout=300)
        assert machine.returncode == 0, said[:3000]
    both = Runs(workspace).get("both")
    assert both.state == "finished"
    for (step, _, loss, lr), (step2, _, loss2, lr2) in zip(curve(alone), curve(both), strict=True):
        assert (step, lr) == (step2, lr2) and loss2 == pytest.approx(loss, abs=2e-4)
    assert validations(both)[-1]["top1"] == validations(alone)[-1]["top1"]
