"""`core.training.trainer`: goes on where it stopped to the last bit; keeps the best; says why it ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
import torch
from torch import nn

from core.embedding.model import EmbeddingNet
from core.training import checkpoint
from core.training.batches import Batch
from core.training.health import measure
from core.training.losses import make_loss
from core.training.settings import Thaw, TrainSettings
from core.training.trainer import Checked, Hooks, Trainer
from core.training.validation import Scores

SETTINGS = TrainSettings(
    epochs=4, loss="supervised-contrastive", learning_rate=0.01, trunk_rate=0.5, start="scratch", average=0.5,
    unfreezing=(Thaw(0, "head"), Thaw(1, "last"), Thaw(2, "all")), classes_per_batch=3, images_per_class=2,
)  # fmt: skip


class Stripes:
    """Three classes that differ in the way their stripes run; a batch follows from its epoch and place alone."""

    def __init__(self, steps: int = 3) -> None:
        self.steps = steps

    def __len__(self) -> int:
        return self.steps

    def epoch(self, epoch: int) -> Iterator[Batch]:
        for step in range(self.steps):
            rng = np.random.default_rng([epoch, step])
            images = rng.integers(0, 200, (6, 32, 32, 3), dtype=np.uint8)
            images[0:2, ::4] += 50
            images[2:4, :, ::4] += 50
            yield Batch(images, np.array([0, 0, 1, 1, 2, 2]))


def trainer(settings: TrainSettings = SETTINGS, **options) -> tuple[Trainer, list[dict]]:
    torch.manual_seed(settings.seed)
    net = EmbeddingNet("tf_efficientnet_lite0", embedding_size=4, stage=1)
    events: list[dict] = []
    loss = make_loss(settings, classes=3, dimension=4)
    batches, world = options.pop("batches", Stripes()), options.pop("world", None)
    made = Trainer(net, loss, batches, settings, Hooks(on_event=events.append, **options), world=world)
    return made, events


def curve(events: list[dict]) -> list[tuple]:
    return [(e["step"], e["epoch"], e["loss"], e["active"], e["lr"]) for e in events if e["kind"] == "step"]


def value_of(*values: float):
    """A validation that gives these values in turn."""
    given = iter(values)

    def validate(net: nn.Module) -> Checked:
        value = next(given)
        return Checked(Scores(value, value, value, value, 10), measure(np.eye(4, dtype=np.float32), np.arange(4)))

    return validate


def test_a_resumed_training_equals_the_uninterrupted_one_bit_for_bit(tmp_path):
    """Losses, learning rates, weights and their average, with unfreezing on, after a stop in the third epoch."""
    whole, events = trainer()
    assert whole.run().state == "finished"

    asked = count()
    first, before = trainer(
        on_epoch=lambda t, best: checkpoint.save(tmp_path / "resume.pt", t.state()),
        should_stop=lambda: next(asked) == 10,  # before each of three epochs, and after each step
    )
    assert first.run().state == "stopped" and first.step == 8
    torch.manual_seed(99)  # whatever happened to the process in between
    second, after = trainer()
    second.load_state(checkpoint.load(tmp_path / "resume.pt"))
    assert (second.epoch, second.step) == (2, 6)
    assert second.run().state == "finished"

    assert curve(before)[:6] + curve(after) == curve(events)
    assert len(curve(events)) == 12 and all(line[2] > 0 for line in curve(events))
    for name, tensor in whole.weights().items():
        assert torch.equal(tensor, second.weights()[name]), name
    assert [e["part"] for e in events if e["kind"] == "thaw"] == ["head", "last", "all"]


@pytest.mark.parametrize("loss", ["proxy-anchor", "hard-triplet"])
def test_weights_of_the_loss_are_resumed_too(loss, tmp_path):
    settings = SETTINGS.with_(loss=loss, loss_parameters={}, epochs=2)
    whole, events = trainer(settings)
    whole.run()
    first, before = trainer(
        settings, on_epoch=lambda t, best: checkpoint.save(tmp_path / "r.pt", t.state()) if t.epoch == 1 else None
    )
    first.run()
    second, after = trainer(settings)
    second.load_state(checkpoint.load(tmp_path / "r.pt"))
    second.run()
    assert curve(before)[:3] + curve(after) == curve(events)


def test_training_tells_the_classes_apart():
    made, events = trainer(SETTINGS.with_(epochs=8, unfreezing=(), average=0.0))
    made.run()
    losses = [e["loss"] for e in events if e["kind"] == "step"]
    assert np.mean(losses[-6:]) < np.mean(losses[:6])
    assert all(0 <= e["active"] <= 1 and e["images_per_s"] > 0 for e in events if e["kind"] == "step")


def test_the_best_epoch_is_kept_and_patience_ends_it():
    kept: list[tuple[int, bool]] = []
    made, events = trainer(
        SETTINGS.with_(epochs=9, patience=2), batches=Stripes(1),
        validate=value_of(0.5, 0.8, 0.7, 0.6), on_epoch=lambda t, best: kept.append((t.epoch, best)),
    )  # fmt: skip
    ended = made.run()
    assert kept == [(1, True), (2, True), (3, False), (4, False)]
    assert made.best == (1, pytest.approx(0.8))
    assert ended.state == "finished" and str(ended.reason) == "No better score, for so many epochs: 2."
    assert [e["validation"]["top1"] for e in events if e["kind"] == "epoch"] == [0.5, 0.8, 0.7, 0.6]


def test_stopped_in_its_first_epoch_it_keeps_what_it_has():
    made, events = trainer(should_stop=lambda: True, validate=value_of(0.3))
    assert made.run().state == "stopped"
    (line,) = [e for e in events if e["kind"] == "epoch"]
    assert line["complete"] is False and line["best"] and made.best == (0, pytest.approx(0.3))


def test_paused_before_its_first_step_it_waits_says_so_and_goes_on():
    waits, said = iter([True, True]), []
    made, events = trainer(
        SETTINGS.with_(epochs=1), batches=Stripes(1), should_pause=lambda: next(waits, False),
        on_pause=lambda waiting: said.append((waiting, len(curve(events)))),
    )  # fmt: skip
    assert made.run().state == "finished" and next(waits, None) is None
    assert said == [(True, 0), (False, 0)] and len(curve(events)) == 1


def test_a_loss_that_is_no_number_ends_it_and_says_why():
    class Broken(nn.Module):
        def forward(self, embeddings, labels):
            return embeddings.sum() * float("nan")

    made, _events = trainer()
    made.loss = Broken()
    ended = made.run()
    assert ended.state == "collapsed" and "not a number" in str(ended.reason)


def test_blending_lies_between_the_start_and_the_trained_weights():
    made, _events = trainer(
        SETTINGS.with_(start="workspace", blend=0.25, average=0.0, unfreezing=()), batches=Stripes(2)
    )
    start = {name: tensor.clone() for name, tensor in made.net.state_dict().items()}
    made.run()
    trained, saved = made.net.state_dict(), made.finished().state_dict()
    name = "head.weight"
    torch.testing.assert_close(saved[name], start[name] + 0.25 * (trained[name] - start[name]))
    assert not torch.equal(saved[name], trained[name])


def test_the_average_follows_the_weights():
    made, _events = trainer(SETTINGS.with_(average=0.5, epochs=1), batches=Stripes(1))
    before = made.net.state_dict()["head.weight"].clone()
    made.run()
    after = made.net.state_dict()["head.weight"]
    keep = min(0.5, 1 / 11) if made.step > 1 else 0.0  # the first step counts fully
    torch.testing.assert_close(made.average["head.weight"], before * keep + after * (1 - keep))
