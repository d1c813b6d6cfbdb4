"""The Train page through Home.py: the form, what it says will happen, Start, a run as it ended, Promote."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest

from core.collection.dataset import Dataset
from core.ground.config import Preprocessing
from core.ground.errors import NotAllowed
from core.ground.job import Job, publish
from core.ground.rights import Actor
from core.ground.workspace import new_id
from core.training.audit import Leak, LeakAudit
from core.training.prepare import Request
from core.training.promoted import promoted
from core.training.queue import Queue
from core.training.settings import Thaw, TrainSettings, gradual
from core.training.splits import make_split, near_duplicate_groups
from core.variation.sources import originals_of
from core.variation.variants import Manifest, Variant
from pages.ui import i18n, job_panel, services
from pages.ui.training import words
from pages.ui.training.curves import MOST_POINTS, curves, frame, reach, smoothed, spec, staggered, steps_per_epoch
from pages.ui.training.run_progress import left
from pages.ui.variation import writing
from tests.conftest import draw, png_bytes
from tests.pages.conftest import text_of
from tests.pages.made_runs import STEPS, jobs_here, make_run

SIDES = {"training": "train", "validation": "validation", "test": "test"}
EMBEDDER = services.embedder  # as it is when no test stands in for it


@pytest.fixture
def started(monkeypatch):
    """What was asked of the jobs; a training is said to run, and runs nothing."""
    from core.ground import jobs

    asked: list[dict] = []

    def start(self, kind, work, params, *, key=None, alone=False, then=""):
        self.workspace.allow(f"job {kind}")  # the door is in the real one
        if asked and kind == "train":
            return self.get(asked[0]["job"])
        folder = self.workspace.jobs / new_id()
        folder.mkdir(parents=True)
        job = Job(folder.name, kind, str(folder), key, state="running", beat_at=2e9, note="splitting")
        publish(job)
        (folder / "request.json").write_text(json.dumps({"work": work, "params": params}), encoding="utf-8")
        asked.append({**params, "job": job.id, "work": work, "key": key})
        return job

    monkeypatch.setattr(jobs.JobRunner, "start", start)
    return asked


def button(at, key):
    return next((each for each in at.button if each.key == key), None)


# The form


def test_an_empty_library_says_so(open_page, workspace):
    at = open_page(workspace, "train")
    assert at.title[0].value == "Train" and "there are none yet" in text_of(at)
    assert not [each for each in at.button if each.key == "train.start"]


def test_the_form_begins_with_cores_defaults(open_page, drawn_workspace, started):
    at = open_page(drawn_workspace, "train")
    at.button("train.start").click().run()
    [asked] = started
    assert asked["work"] == "core.training.work:run_training" and asked["key"] == "train"
    assert TrainSettings.from_json(asked["settings"]) == TrainSettings()
    assert (asked["override_leaks"], asked["override_safety"], asked["name"]) == (False, False, "")


def test_what_is_chosen_is_what_is_asked(open_page, drawn_workspace, started):
    at = open_page(drawn_workspace, "train")
    at.selectbox("train.loss.embedding.0").set_value("multi-similarity").run()
    at.number_input("train.loss.multi-similarity.alpha.0").set_value(3.0)
    at.number_input("train.epochs.0").set_value(7)
    at.selectbox("train.size.0").set_value(64)
    at.selectbox("train.policy.0").set_value("none")
    at.number_input("train.classes_per_batch.0").set_value(3)
    at.slider("train.test.0").set_value(25)
    at.toggle("train.onecycle.0").set_value(False)
    at.text_input("train.name.0").set_value("(e of *Monday*").run()
    at.button("train.start").click().run()
    settings = TrainSettings.from_json(started[0]["settings"])
    assert (settings.loss, settings.epochs, settings.preprocessing.size) == ("multi-similarity", 7, 64)
    assert settings.loss_parameters["alpha"] == 3.0 and settings.policy is None
    assert (settings.classes_per_batch, settings.test, settings.onecycle) == (3, 0.25, False)
    assert started[0]["name"] == "(e of *Monday*"


def test_the_siamese_network_offers_its_own_loss(open_page, drawn_workspace, started):
    at = open_page(drawn_workspace, "train")
    at.segmented_control("train.model.0").set_value("siamese").run()
    assert at.selectbox("train.loss.siamese.0").options == ["Contrastive (pairs)"]
    at.button("train.start").click().run()
    assert started[0]["settings"]["model"] == "siamese" and started[0]["settings"]["loss"] == "contrastive"


def test_where_mark_and_picture_are_joined_a_training_begins_with_the_whole_picture(
    open_page, drawn_workspace, started
):
    drawn_workspace.save_config(drawn_workspace.config().with_(preprocessing=Preprocessing("joined")))
    at = open_page(drawn_workspace, "train")
    mode = at.selectbox("train.mode.0")
    assert mode.options == ["strokes redrawn", "cropped to the ink", "the whole picture"]
    assert mode.value == "plain"
    at.button("train.start").click().run()
    assert TrainSettings.from_json(started[0]["settings"]).preprocessing == Preprocessing("plain")


def test_the_unfreezing_table_is_edited(open_page, drawn_workspace, started):
    at = open_page(drawn_workspace, "train")
    assert TrainSettings().unfreezing == gradual(20) == (Thaw(0, "head"), Thaw(2, "last"), Thaw(5, "all"))
    edits = {"edited_rows": {"1": {"From epoch": 4}}, "added_rows": [], "deleted_rows": [2]}
    at.session_state["train.unfreezing.0.0"] = edits
    at.run()
    at.button("train.start").click().run()
    settings = TrainSettings.from_json(started[0]["settings"])
    assert settings.unfreezing == (Thaw(0, "head"), Thaw(3, "last"))


def test_the_untouched_table_follows_the_number_of_epochs(open_page, drawn_workspace, started):
    at = open_page(drawn_workspace, "train")
    at.number_input("train.epochs.0").set_value(40).run()
    at.button("train.start").click().run()
    assert TrainSettings.from_json(started[0]["settings"]) == TrainSettings(epochs=40, unfreezing=gradual(40))


def test_a_table_that_trains_nothing_at_first_is_refused_in_words(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "train")
    at.session_state["train.unfreezing.0.0"] = {"edited_rows": {}, "added_rows": [], "deleted_rows": [0]}
    at.run()
    assert "Something must be trained from epoch 0 on" in text_of(at)
    assert button(at, "train.start").disabled


# What will happen


def test_the_split_is_shown_before_anything_is_trained(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "train")
    originals = originals_of(Dataset(drawn_workspace))
    groups = near_duplicate_groups(originals)  # two of the four bars are one picture
    counts = make_split(originals, groups=groups, seed=0, validation=0.15, test=0.15).counts()
    assert sum(counts.values()) == 12 and min(counts.values()) >= 3  # one of each class on each side
    said = text_of(at)
    assert all(f"■]\u00a0{name}\u00a0**{counts[side]}**" in said for name, side in SIDES.items())
    assert "no leak" in said and "cannot be measured" not in said
    assert "Batches of 3 classes × 4 images; 1 step an epoch, 20 in all." in said
    assert "A batch was to hold 16 classes, but only 3 have training images: it holds those." in said


def test_a_class_with_one_original_is_named_as_unmeasurable(open_page, drawn_workspace):
    (drawn_workspace.raw / "wave").mkdir()
    (drawn_workspace.raw / "wave" / "a.png").write_bytes(png_bytes(draw("wave")))
    said = text_of(open_page(drawn_workspace, "train"))
    assert "1 class is trained on and cannot be measured, having too few originals: wave" in said


def test_one_class_alone_cannot_be_trained(open_page, workspace):
    (workspace.raw / "circle").mkdir(parents=True)
    for seed in range(3):
        (workspace.raw / "circle" / f"{seed}.png").write_bytes(png_bytes(draw("circle", seed=seed)))
    at = open_page(workspace, "train")
    assert "it needs at least 2 with training images, and there are 1" in text_of(at)
    assert button(at, "train.start").disabled


def written(workspace, originals, each: int) -> None:
    """``each`` variants of every one of these originals, as the writer leaves them."""
    manifest = Manifest(workspace.augmented)
    made = []
    for original in originals:
        for n in range(each):
            content = png_bytes(draw("wave", seed=len(made)))
            sha256 = hashlib.sha256(content).hexdigest()
            made.append(Variant(original.folder, f"{sha256[:12]}.png", sha256, None, original.path.name,
                                original.sha256, "p", "d", 0, n, 0, [], "b"))  # fmt: skip
            manifest.folder.mkdir(parents=True, exist_ok=True)
            manifest.put(made[-1], content)
    manifest.append(made)


def test_written_variants_are_counted_and_need_no_policy(open_page, drawn_workspace, started):
    at = open_page(drawn_workspace, "train")
    originals = originals_of(Dataset(drawn_workspace))
    split = make_split(originals, groups=near_duplicate_groups(originals), seed=0, validation=0.15, test=0.15)
    trained = len(split.of(originals, "train"))
    assert "checked for label safety first" in text_of(at) and at.checkbox("train.safety") is not None
    at.selectbox("train.source.0").set_value("variants").run()
    assert "There are no written variants: the originals alone are trained on" in text_of(at)
    written(drawn_workspace, originals, each=20)
    at.number_input("train.classes_per_batch.0").set_value(3).run()
    said = text_of(at)
    n = 20 * trained
    assert f"With {n} variants written from the training originals: {n + trained} training images." in said
    assert f"{-(-(n + trained) // 12)} steps an epoch" in said
    assert "label safety" not in said and "no written variants" not in said
    assert not [box for box in at.checkbox if box.key == "train.safety"]
    at.button("train.start").click().run()
    assert started[0]["settings"]["source"] == "variants" and started[0]["override_safety"] is False


def test_leaks_must_be_meant(open_page, drawn_workspace, started, monkeypatch):
    from pages.ui.training import plan

    leak = Leak("content", ("a", "b"), ("test", "train"), ("circle/1.png", "circle/2.png"))
    monkeypatch.setattr(plan, "audit", lambda *_, **__: LeakAudit((leak,), 12))
    at = open_page(drawn_workspace, "train")
    assert "1 leak" in text_of(at) and "circle/1.png = circle/2.png" in text_of(at)
    assert button(at, "train.start").disabled
    at.checkbox("train.leaks").set_value(True).run()
    at.button("train.start").click().run()
    assert started[0]["override_leaks"] is True


def test_names_that_leave_open_what_is_a_variant_are_said_to_be_not_known(open_page, drawn_workspace):
    for file in sorted((drawn_workspace.raw / "circle").iterdir())[:6]:
        for number in (1, 2, 3):
            image = draw("circle", seed=1000 * number + zlib.crc32(file.stem.encode()) % 1000)
            file.with_name(f"{file.stem}_{number}.png").write_bytes(png_bytes(image))
    at = open_page(drawn_workspace, "train")
    text = text_of(at)
    assert "leaks not known" in text and "no leak" not in text
    assert "is a variant, the scores are too good" in text or "are variants, the scores are too good" in text


def test_the_time_is_that_of_the_batches_that_there_will_be(open_page, drawn_workspace):
    """Three classes make no batch of sixteen, whatever is typed."""
    make_run(drawn_workspace, steps=5, policy=None)
    at = open_page(drawn_workspace, "train", view="new")
    at.selectbox("train.policy.0").set_value("none")
    at.number_input("train.steps.0").set_value(5)
    times = set()
    for typed in (3, 16, 64):
        at.number_input("train.classes_per_batch.0").set_value(typed).run()
        times |= {each.value for each in at.markdown if "as in the last run of this network" in each.value}
    assert len(times) == 1, times
    assert "label-safety check" not in "".join(times)


def test_the_check_of_a_policy_is_part_of_the_time(open_page, drawn_workspace, monkeypatch):
    """On a machine of which one picture takes half a second to check."""
    monkeypatch.setattr(writing, "cost_of", lambda policy: SimpleNamespace(check=0.5, seconds=0.01))
    (said,) = [
        each.value
        for each in open_page(drawn_workspace, "train", view="new").markdown
        if "on this machine" in each.value
    ]
    assert "of it are for the label-safety check, which is made once." in said


# Start


def test_ten_clicks_make_one_job_and_the_page_follows_it(open_page, drawn_workspace, started):
    at = open_page(drawn_workspace, "train")
    start = button(at, "train.start")
    start.click().run()
    assert "Preparing" in [header.value for header in at.header]
    assert at.query_params.get("view") in (None, ["run"])
    at.query_params["view"] = "new"
    at.run()
    assert button(at, "train.start").label == "Add to the queue" and "One training at a time" in text_of(at)
    button(at, "train.start").click().run()  # the same, to the seed: it is under way
    assert len(started) == 1 and Queue(drawn_workspace).line().entries == ()


def test_what_is_started_while_another_is_under_way_waits_and_is_seen_on_every_page(
    open_page, drawn_workspace, started
):
    at = open_page(drawn_workspace, "train", view="new")
    button(at, "train.start").click().run()
    for seed in (1, 2, 3):
        at.query_params["view"] = "new"
        at.run().number_input("train.seed.0").set_value(seed).run()
        at.text_input(f"train.name.{seed}").set_value(f"seed *{seed}*").run()
        button(at, "train.start").click().run()
    assert len(started) == 1 and "seed *3* waits for its turn: number 3 in the queue." in text_of(at)
    foot = open_page(drawn_workspace, "history")
    assert "3 trainings wait" in [each.label for each in foot.get("page_link")]
    at.query_params["view"] = "queue"
    at.run()
    assert "3 trainings wait" in [each.value for each in at.subheader]
    ids = [entry.id for entry in Queue(drawn_workspace).line().waiting]
    assert button(at, f"queue.up.{ids[0]}").disabled and button(at, f"queue.down.{ids[2]}").disabled
    button(at, f"queue.up.{ids[2]}").click().run()
    button(at, f"queue.out.{ids[1]}").click().run()
    assert [entry.id for entry in Queue(drawn_workspace).line().waiting] == [ids[0], ids[2]]
    assert "seed *2* waits no more." in text_of(at) and "seed 3" in text_of(at)
    button(at, "queue.hold").click().run()
    assert "The queue is held" in text_of(at) and button(at, "queue.hold").label == "Let them begin"
    foot = open_page(drawn_workspace, "overview")
    assert "2 trainings wait · held" in [each.label for each in foot.get("page_link")]


def test_several_seeds_are_several_trainings(open_page, drawn_workspace, started):
    at = open_page(drawn_workspace, "train", view="new")
    at.text_input("train.name.0").set_value("s")
    at.number_input("train.seed.0").set_value(5)
    at.number_input("train.seeds.0").set_value(3).run()
    button(at, "train.start").click().run()
    waiting = Queue(drawn_workspace).line().waiting
    assert [(each["name"], each["settings"]["seed"]) for each in started] == [("s 1/3", 5)]
    assert [(entry.name, entry.settings.seed) for entry in waiting] == [("s 2/3", 6), ("s 3/3", 7)]
    assert {each["series"] for each in started} == {entry.params["series"] for entry in waiting} != {""}
    assert "s 3/3 waits for its turn: number 2 in the queue." in text_of(at)
    assert "Preparing" in [header.value for header in at.header], "the first of them is shown"


def test_a_training_that_could_not_begin_says_why_in_the_queue(open_page, drawn_workspace):
    line = Queue(drawn_workspace)
    line.hold(True)
    entry = line.add(Request(TrainSettings(), name="Monday"))
    error = {"template": "There is no folder {path}.", "values": {"path": "x"}}
    kept = line.path.read_text(encoding="utf-8").replace('"error": null', f'"error": {json.dumps(error)}')
    line.path.write_text(kept, encoding="utf-8")
    at = open_page(drawn_workspace, "train", view="queue")
    assert "Monday" in text_of(at) and "There is no folder x." in text_of(at)
    assert "Nothing waits" in [each.value for each in at.subheader]
    button(at, f"queue.out.{entry.id}").click().run()
    assert "There is no folder x." not in text_of(at) and line.line().entries == ()


def test_a_run_that_was_stopped_before_its_first_epoch_says_so(open_page, drawn_workspace):
    run = make_run(drawn_workspace, state="running")
    run.ask_to_stop()  # and its process was ended before it came to a safe point
    at = open_page(drawn_workspace, "train")
    assert "stopped" in text_of(at) and "Stopped by hand before its first epoch was over" in text_of(at)
    run.best_path.write_bytes(b"")
    assert "Stopped by hand. The best weights so far are kept." in text_of(at.run())


def test_a_viewer_may_look_and_not_train(open_page, drawn_workspace, started, monkeypatch):
    from pages.ui import people
    from pages.ui.training import actions

    at = open_page(drawn_workspace, "train")
    monkeypatch.setattr(people, "actor", lambda: Actor("Zoé", "viewer"))
    enabled = button(at, "train.start")
    enabled.click().run()  # the page was drawn before the role was taken away
    assert not started
    with pytest.raises(NotAllowed, match="Zoé may look and report, not change"):
        services.jobs().start("train", actions.WORK, {})
    assert button(at, "train.start").disabled and not actions.allowed()


def test_a_training_that_failed_before_it_was_a_run_says_why(open_page, drawn_workspace, started):
    make_run(drawn_workspace, name="Monday")
    at = open_page(drawn_workspace, "train", view="new")
    at.button("train.start").click().run()
    job = services.jobs().get(started[0]["job"])
    publish(
        replace(
            job, state="failed", created_at=9e9, error_template="There is no folder {path}.", error_values={"path": "x"}
        )
    )
    at = open_page(drawn_workspace, "train")
    assert "There is no folder x." in text_of(at) and "Monday" not in text_of(at)


def test_of_a_large_collection_leaks_are_looked_for_by_the_run(open_page, drawn_workspace, monkeypatch):
    from pages.ui.training import plan

    monkeypatch.setattr(plan, "MOST", 5)
    said = text_of(open_page(drawn_workspace, "train"))
    assert "looked for when the run starts" in said and "no leak" not in said


# A run


def test_a_finished_run_shows_its_scores_with_intervals(open_page, drawn_workspace):
    make_run(drawn_workspace, name="Monday", top1=0.9)
    at = open_page(drawn_workspace, "train")
    shown = {metric.label: (metric.value, metric.delta) for metric in at.metric}
    assert shown["top-1"] == ("90%", "+20.0 points") and shown["top-5"] == ("100%", "0.0 points")
    said = text_of(at)
    assert "Monday" in said and "finished" in said and "no leak" in said
    assert "59.6–98.2%" in said  # Wilson: 9 of 10
    assert "Measured on 10 validation originals · epoch 2 of 2 was the best" in said
    assert [code.value for code in at.code][-1] == "epoch 0: (best)"  # the first one starts TensorBoard


def test_a_leaky_run_is_red_beside_its_scores(open_page, drawn_workspace):
    leak = Leak("near-duplicate", ("a", "b"), ("test", "train"), ("circle/1.png", "circle/2.png"))
    make_run(drawn_workspace, audit=LeakAudit((leak,), 12))
    said = text_of(open_page(drawn_workspace, "train"))
    assert ":red-badge" in said and "1 leak" in said and "no leak" not in said


def test_an_interrupted_run_offers_to_go_on(open_page, drawn_workspace, started):
    run = make_run(drawn_workspace, state="running")  # and no process holds it
    run.resume_path.write_bytes(b"state")
    at = open_page(drawn_workspace, "train")
    assert "It can go on from its last whole epoch." in text_of(at)
    at.button("train.run.resume").click().run()
    assert started[0]["run_id"] == run.id


def test_pause_resume_and_stop_reach_the_training(open_page, drawn_workspace, started):
    run = make_run(drawn_workspace, state="running", epochs=4)
    at = open_page(drawn_workspace, "train")
    monday = {"settings": run.record.settings, "run_id": run.id}
    job = services.jobs().start("train", "core.training.work:run_training", monday, key="train")
    at.run()
    assert "running" in text_of(at)
    assert button(at, "train.run.pause").disabled  # it splits: there is nothing to pause yet
    publish(replace(job, note="reading"))
    at.run().button("train.run.pause").click().run()
    assert run.paused and "Pausing before the next step…" in text_of(at) and "paused" not in text_of(at).lower()
    publish(replace(job, note="training"))
    assert "Pausing after this step…" in text_of(at.run())
    publish(replace(job, note="paused"))
    said = text_of(at.run())
    assert "Paused: it waits" in said and "Pausing" not in said
    at.button("train.run.go_on").click().run()
    assert not run.paused
    at.button("train.run.stop").click().run()
    assert services.jobs().get(job.id).stopping and "Stopping…" in [each.label for each in at.button]


def test_a_training_in_a_shell_is_followed_paused_and_stopped(open_page, drawn_workspace):
    run = make_run(drawn_workspace, state="running", epochs=4)
    with run.held():  # which the shell's process does; there is no job
        at = open_page(drawn_workspace, "train")
        assert "running" in text_of(at) and not services.jobs().list("train")
        at.button("train.run.pause").click().run()
        assert run.paused and "Paused: it waits" in text_of(at)
        at.button("train.run.stop").click().run()
        assert run.asked_to_stop and not run.paused
        run.end("stopped")  # as after a SIGINT
    assert "stopped" in text_of(at.run()) and button(at, "train.run.stop") is None


def test_a_training_in_a_shell_is_told_at_the_foot_of_every_page(open_page, drawn_workspace):
    run = make_run(drawn_workspace, state="running", epochs=4)

    def foot(at) -> list[str]:
        return [link.proto.label for link in at.get("page_link") if link.proto.label.startswith("Training · ")]

    with run.held():
        at = open_page(drawn_workspace, "history")
        assert foot(at) == ["Training · 4 / 4 · 1 second left"]
        run.pause()
        assert foot(at.run()) == ["Training · 4 / 4 · paused"]
        run.end("stopped")
    assert foot(at.run()) == []


def test_promote_makes_it_the_model_in_use_and_the_page_says_so(open_page, drawn_workspace, fake_embedder, monkeypatch):
    jobs_here(monkeypatch, fake_embedder)
    run = make_run(drawn_workspace, name="Monday", weights=True)
    at = open_page(drawn_workspace, "train")
    assert promoted(drawn_workspace) is None
    at.button("train.run.promote").click().run()
    used = promoted(drawn_workspace)
    assert used is not None and used.run_id == run.id
    assert "in use" in text_of(at) and button(at, "train.run.promote").disabled
    at.switch_page("pages/search/identify.py").run()
    assert "**Monday**, in use since today" in text_of(at) and "Top-1 90%" in text_of(at)


def test_settings_of_a_run_come_into_the_form(open_page, drawn_workspace, started):
    make_run(drawn_workspace, epochs=3, loss="multi-similarity", policy=None)
    at = open_page(drawn_workspace, "train")
    at.button("train.run.take").click().run()
    epochs = next(each for each in at.number_input if each.key.startswith("train.epochs"))
    assert epochs.value == 3
    at.button("train.start").click().run()
    settings = TrainSettings.from_json(started[0]["settings"])
    assert (settings.epochs, settings.loss, settings.policy) == (3, "multi-similarity", None)


def test_another_promotion_is_noticed_and_prepared_anew(open_page, drawn_workspace, monkeypatch, fake_embedder):
    from core.embedding import embedder
    from core.embedding.weights import PROMOTED

    open_page(drawn_workspace, "overview")
    monkeypatch.setattr(services, "embedder", EMBEDDER)
    monkeypatch.setattr(embedder, "load_embedder", lambda workspace: type(fake_embedder)())
    assert services.preparation().stage == "ready" and not services.preparation().again
    before = services.embedder()
    assert services.embedder() is before
    drawn_workspace.model.mkdir(parents=True)
    (drawn_workspace.model / PROMOTED).write_bytes(b"weights")  # by another tab, or the shell
    assert services.embedder() is not before
    assert services.preparation().stage == "waiting" and services.preparation().again
    (drawn_workspace.model / PROMOTED).unlink()
    assert services.embedder() is before and services.preparation().stage == "ready"


def test_french_is_spoken(open_page, drawn_workspace):
    make_run(drawn_workspace)
    at = open_page(drawn_workspace, "train", locale="fr-FR")
    assert at.title[0].value == "Entraîner"
    assert "Mesuré sur 10 originaux de validation" in text_of(at)
    [value] = [metric.value for metric in at.metric if metric.label == "top-1"]
    assert value.startswith("90") and value.endswith("%")


# The curves


def records(workspace):
    return make_run(workspace, epochs=3).metrics()


def test_steps_lie_on_the_axis_of_epochs(drawn_workspace):
    lines = records(drawn_workspace)
    assert steps_per_epoch(lines) == STEPS
    made = curves(lines, steps_per_epoch=STEPS)
    loss = [row for row in made.loss if row["series"] == "each"]
    assert [row["x"] for row in loss] == [step / STEPS for step in range(1, 3 * STEPS + 1)]
    assert [row["y"] for row in loss] == [1 / step for step in range(1, 3 * STEPS + 1)]
    top1 = [(row["x"], row["y"]) for row in made.scores if row["series"] == "top1"]
    assert top1 == [(0, 0.7), (1, 0.7), (2, 0.8), (3, 0.9)]  # the start, then each epoch
    assert made.thaws == [(0.0, "head")] and made.steps == 12
    assert made.last("memory") == 900 and made.last("rate", "last") == 0.0001
    assert made.distances[0] == {"x": 1, "y": 0.3, "low": 0.1, "high": 0.5, "series": "positive"}


def test_a_long_curve_is_thinned_and_keeps_its_mean():
    lines = [{"kind": "step", "step": step, "epoch": 0, "loss": float(step % 2), "lr": {}} for step in range(1, 2001)]
    loss = [row for row in curves(lines, steps_per_epoch=2000).loss if row["series"] == "each"]
    assert len(loss) <= MOST_POINTS and abs(sum(row["y"] for row in loss) / len(loss) - 0.5) < 0.01


def test_a_loss_that_is_no_number_leaves_a_gap_and_no_error():
    lines = [{"kind": "step", "step": 1, "epoch": 0, "loss": 1.0, "lr": {}},
             {"kind": "step", "step": 2, "epoch": 0, "loss": float("nan"), "lr": {}}]  # fmt: skip
    assert [row["y"] for row in curves(lines, steps_per_epoch=1).loss if row["series"] == "each"] == [1.0]


def test_a_smoothed_constant_is_that_constant():
    assert smoothed([2.0] * 40) == pytest.approx([2.0] * 40)
    assert smoothed([]) == []


def test_a_chart_is_one_table_and_its_specification_never_changes(drawn_workspace):
    made = curves(records(drawn_workspace), steps_per_epoch=STEPS)
    table = frame(made.loss, {"each": "each step", "smooth": "smoothed"}, [(0.0, "head", 0)])
    assert len({len(column) for column in table.values()}) == 1
    assert table["mark"][-1] == "head" and table["y"][-1] is None
    asked = {"words": {"x": "epochs", "y": "Loss", "soft": "#666"}, "figures": ".2f", "domain": (0, 1)}
    assert spec({"a": "#000"}, **asked) == spec({"a": "#000"}, **asked)
    assert spec({"a": "#000"}, locale="fr", **asked)["config"]["locale"]["number"]["decimal"] == ","


def test_an_axis_reaches_round_numbers_and_is_never_empty():
    def rows(*values):
        return [{"x": 1, "y": value, "series": "a"} for value in values]

    assert reach(rows(1.0), whole=False) == pytest.approx((0.95, 1.0))
    assert reach(rows(0.93, 0.97), whole=False) == pytest.approx((0.9, 1.0))
    assert reach(rows(1.18)) == (0, 1.5) and reach(rows(0.0)) == (0, 1) and reach([]) == (0, 1)
    assert reach(rows(3e-4, 4e-9), log=True) == pytest.approx((1e-9, 1e-3)) and reach(rows(1e-3), log=True)[1] > 1e-3


def test_a_tiny_rate_is_written_as_a_power(monkeypatch):
    monkeypatch.setattr(words, "workbench", lambda: SimpleNamespace(language="en"))
    assert words.significant(4e-9) == "4\u00a0×\u00a010⁻⁹" and words.significant(1e-3) == "0.001"


def test_no_chance_and_no_time_is_said_to_be_nothing(monkeypatch):
    for module in (words, i18n):
        monkeypatch.setattr(module, "workbench", lambda: SimpleNamespace(language="en"))
    assert (i18n.chance(2e-5), i18n.chance(0.031)) == ("p < 0.001", "p = 0.031")
    assert words.duration(0.2) == "1 s" and job_panel.time_left(0.2) == "1 second left"


def test_marks_that_have_no_room_beside_one_another_go_one_line_up():
    marks = [(0.0, "head"), (1.0, "last blocks"), (2.0, "whole network"), (20.0, "x")]
    assert staggered(marks, epochs=20) == [(0.0, "head", 0), (1.0, "last blocks", 1), (2.0, "whole network", 2),
                                           (20.0, "x", 0)]  # fmt: skip
    assert {line for _x, _text, line in staggered([(0, "head"), (1, "last blocks")], epochs=2)} == {0}


def test_a_chart_is_told_the_reach_of_both_axes(drawn_workspace):
    drawn = spec({"a": "#000"}, words={"x": "epochs", "y": "Loss", "soft": "#666"}, figures=".2f", domain=(0, 2))
    drawn_axes = [layer["encoding"] for layer in drawn["layer"]]
    assert all(axes["x"]["scale"]["domain"] == [0, 1] for axes in drawn_axes)
    assert all(axes["y"]["scale"]["domain"] == [0, 2] for axes in drawn_axes if "y" in axes)


def test_time_left_follows_the_pace_of_the_last_steps(drawn_workspace):
    lines = make_run(drawn_workspace, epochs=2).metrics()  # 0.5 s a step, 1 s a validation
    now = left(lines, epochs=5, steps_per_epoch=STEPS)
    assert (now.epoch, now.step, now.share) == (3, 0, 0.4)
    assert now.epoch_s == pytest.approx(STEPS * 0.5 + 1) and now.total_s == pytest.approx(3 * (STEPS * 0.5 + 1))
    nothing = left([], epochs=5, steps_per_epoch=STEPS)
    assert asdict(nothing) == asdict(type(nothing)(1, 5, 0, STEPS))
