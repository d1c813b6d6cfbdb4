"""The Runs page through Home.py: the list, what is in use, comparison, notes, the trash, checkpoints in and out."""

from __future__ import annotations

import json

import pytest

from core.ground.rights import Actor
from core.showcase import shipped
from core.training.audit import Leak, LeakAudit
from core.training.promoted import promoted
from core.training.promotion import promote
from core.training.runs import Runs
from core.training.transfer import export_pt
from pages.ui import people
from pages.ui.training import run_actions
from tests.pages.conftest import component, text_of
from tests.pages.made_runs import jobs_here, make_run


def button(at, key):
    return next((each for each in at.button if each.key == key), None)


def param(at, name: str) -> str:
    """A part of the address, which the page may have set or the test."""
    value = at.query_params[name]
    return value[0] if isinstance(value, list) else value


def frames(at) -> list[str]:
    """The names in the list, in their order."""
    return [each.key.removeprefix("runs.open.") for each in at.button if (each.key or "").startswith("runs.open.")]


def test_no_run_yet_says_what_one_is(open_page, drawn_workspace):
    at = open_page(drawn_workspace, "runs")
    said = text_of(at)
    assert "There is none yet" in said and "not trained yet" in said
    assert not frames(at)


def test_runs_are_listed_newest_first_or_best_first(open_page, drawn_workspace):
    first = make_run(drawn_workspace, name="Monday", top1=0.9)
    second = make_run(drawn_workspace, name="Tuesday", top1=0.7, state="collapsed")
    at = open_page(drawn_workspace, "runs")
    assert frames(at) == [second.id, first.id]
    said = text_of(at)
    assert "2 runs" in said and "collapsed" in said and "top-1 **90%** :small[:gray[59.6–98.2%]]" in said
    at = open_page(drawn_workspace, "runs", order="best")
    assert frames(at) == [first.id, second.id]


def test_a_run_opens_by_its_address(open_page, drawn_workspace):
    run = make_run(drawn_workspace, name="Monday")
    at = open_page(drawn_workspace, "runs")
    at.button(f"runs.open.{run.id}").click().run()
    assert param(at, "run") == run.id
    assert "Monday" in [header.value for header in at.header] and button(at, "runs.back") is not None
    assert "Measured on 10 validation originals" in text_of(at)
    at.button("runs.back").click().run()
    assert frames(at) == [run.id]
    at = open_page(drawn_workspace, "runs", run="../../etc")
    assert frames(at) == [run.id]  # an address that names no run shows the list


def test_ticked_runs_are_compared(open_page, drawn_workspace):
    one = make_run(drawn_workspace, name="Same", epochs=2, loss_parameters={"margin": 0.2})
    two = make_run(drawn_workspace, name="Same", epochs=3, loss="multi-similarity", top1=0.8)
    at = open_page(drawn_workspace, "runs")
    at.checkbox(f"runs.pick.{one.id}").set_value(True).run()
    assert "compared" not in text_of(at)  # one alone
    at.checkbox(f"runs.pick.{two.id}").set_value(True).run()
    assert sorted(param(at, "compare").split(".")) == sorted([one.id, two.id])
    assert "2 runs compared" in [each.value for each in at.subheader]
    [scores] = (frame.value.to_dict("list") for frame in at.dataframe)
    [table] = at.table
    differences = {name: [said.replace("\\", "") for said in column] for name, column in table.value.items()}
    assert scores["Run"] == ["2 · Same", "1 · Same"]  # newest first
    assert scores["top-1"] == ["80% (49.0–94.3%)", "90% (59.6–98.2%)"]
    assert differences["Setting"] == ["Loss", "Numbers of the loss", "Epochs"]
    assert differences["1 · Same"] == ["Triplet loss, hard examples", "margin 0.2", "2"]
    assert differences["2 · Same"][0] == "Multi-similarity" and differences["2 · Same"][2] == "3"
    assert "not measured on the same images" not in text_of(at)
    at.button("runs.clear").click().run()
    assert "compare" not in at.query_params and not at.checkbox(f"runs.pick.{one.id}").value


def test_runs_of_other_splits_are_said_to_be_measured_on_other_images(open_page, drawn_workspace):
    one, two = make_run(drawn_workspace, seed=0), make_run(drawn_workspace, seed=5)
    said = text_of(open_page(drawn_workspace, "runs", compare=f"{one.id}.{two.id}"))
    assert "not measured on the same images" in said


def test_promote_then_back_to_the_one_before(open_page, drawn_workspace, fake_embedder, monkeypatch):
    jobs_here(monkeypatch, fake_embedder)
    one = make_run(drawn_workspace, name="Monday", weights=True)
    two = make_run(drawn_workspace, name="Tuesday", weights=True)
    promote(drawn_workspace, one)
    at = open_page(drawn_workspace, "runs", run=two.id)
    at.button("runs.run.promote").click().run()
    assert promoted(drawn_workspace).run_id == two.id
    at.button("runs.back").click().run()
    assert "**Tuesday**, in use since today" in text_of(at)
    at.button("runs.roll_back").click().run()
    assert promoted(drawn_workspace).run_id == one.id
    assert "**Monday**, in use since today" in text_of(at)
    assert (drawn_workspace.model / "best_efficientnet_triplet.pt").is_file()
    at.button("runs.roll_back").click().run()
    assert promoted(drawn_workspace) is None and "not trained yet" in text_of(at)
    assert button(at, "runs.roll_back") is None


def test_a_promotion_that_fails_says_why_and_changes_nothing(open_page, drawn_workspace, fake_embedder, monkeypatch):
    jobs_here(monkeypatch, fake_embedder)
    run = make_run(drawn_workspace, name="Monday", weights=True)
    run.best_path.write_bytes(run.best_path.read_bytes()[:-1])
    at = open_page(drawn_workspace, "runs", run=run.id)
    at.button("runs.run.promote").click().run()
    assert promoted(drawn_workspace) is None and "best.safetensors is damaged" in text_of(at)


def test_a_run_far_below_what_is_in_use_is_promoted_only_when_that_is_meant(
    open_page, drawn_workspace, fake_embedder, monkeypatch
):
    from core.training.promotion import Beside
    from pages.ui.training import actions

    jobs_here(monkeypatch, fake_embedder)
    monkeypatch.setattr(actions, "beside", lambda run: Beside(run=0.165, used=0.992, n=200))
    run = make_run(drawn_workspace, name="Monday", weights=True)
    at = open_page(drawn_workspace, "runs", run=run.id)
    said = "On the same images (200) this run is right in 16.5 %, what is in use in 99.2 %."
    assert said in text_of(at) and at.button("runs.run.promote").disabled
    at.checkbox("runs.run.meant").set_value(True).run()
    at.button("runs.run.promote").click().run()
    assert promoted(drawn_workspace).run_id == run.id


@pytest.mark.parametrize(("of", "used", "n"), [(0.97, 0.99, 200), (0.99, 0.5, 200), (0.0, 1.0, 2)])
def test_a_run_that_may_be_as_good_is_promoted_without_a_question(
    open_page, drawn_workspace, fake_embedder, monkeypatch, of, used, n
):
    from core.training.promotion import Beside
    from pages.ui.training import actions

    monkeypatch.setattr(actions, "beside", lambda run: Beside(run=of, used=used, n=n))
    run = make_run(drawn_workspace, name="Monday", weights=True)
    at = open_page(drawn_workspace, "runs", run=run.id)
    assert "On the same" not in text_of(at) and not at.button("runs.run.promote").disabled


def test_a_promotion_under_way_says_how_far_it_is(open_page, drawn_workspace):
    from core.ground.job import Job, publish

    run = make_run(drawn_workspace, weights=True)
    folder = drawn_workspace.jobs / "abc"
    folder.mkdir(parents=True)
    job = Job("abc", "promote", str(folder), state="running", beat_at=2e9, done=3, total=12, note="embedding")
    publish(job)
    (folder / "request.json").write_text(json.dumps({"params": {"run_id": run.id}}), encoding="utf-8")
    at = open_page(drawn_workspace, "runs", run=run.id)
    [bar] = [each.proto for each in at.get("progress")]
    assert bar.value == 25 and "Getting the references ready for it: 3 / 12" in bar.text
    assert button(at, "runs.run.promote") is None


def test_settings_are_taken_from_a_run_into_the_form(open_page, drawn_workspace):
    run = make_run(drawn_workspace, epochs=3)
    at = open_page(drawn_workspace, "runs", run=run.id)
    at.button("runs.run.take").click().run()
    assert at.title[0].value == "Train"
    assert next(each for each in at.number_input if each.key.startswith("train.epochs")).value == 3


def test_a_note_and_a_name_are_kept(open_page, drawn_workspace):
    run = make_run(drawn_workspace)
    at = open_page(drawn_workspace, "runs", run=run.id)
    at.text_area(f"runs.run.note.{run.id}").set_value("![x](http://evil.example) *best*").run()
    at.text_input(f"runs.run.name.{run.id}").set_value("{s} [0]").run()
    record = Runs(drawn_workspace).get(run.id).record
    assert (record.note, record.name) == ("![x](http://evil.example) *best*", "{s} [0]")
    shown = "\n".join(str(each.value) for each in at.markdown)
    assert "](http" not in shown and "\\*best\\*" in shown
    at.text_input(f"runs.run.name.{run.id}").set_value("  ").run()
    assert "from 1 to 80 characters" in text_of(at)


def test_two_people_do_not_overwrite_each_other_s_name_and_note(open_page, drawn_workspace):
    run = make_run(drawn_workspace, name="Monday")
    at, others = open_page(drawn_workspace, "runs", run=run.id), Runs(drawn_workspace)
    others.rename(run.id, "Tuesday")
    others.note(run.id, "theirs")
    at.text_input(f"runs.run.name.{run.id}").set_value("Mine").run()
    assert "Tuesday was changed by somebody else" in text_of(at) and others.get(run.id).record.name == "Tuesday"
    assert at.text_input(f"runs.run.name.{run.id}").value == "Mine", "what was typed stays"
    assert at.text_area(f"runs.run.note.{run.id}").value == "theirs", "what nobody typed over is seen as it is"
    at.text_area(f"runs.run.note.{run.id}").set_value("theirs, and mine").run()
    at.text_input(f"runs.run.name.{run.id}").set_value("Mine after all").run()
    assert (others.get(run.id).record.name, others.get(run.id).record.note) == ("Mine after all", "theirs, and mine")


def test_a_deleted_run_comes_back_from_the_trash(open_page, drawn_workspace):
    run = make_run(drawn_workspace, name="Monday")
    at = open_page(drawn_workspace, "runs", run=run.id)
    at.button("runs.run.delete").click().run()
    assert not Runs(drawn_workspace).list() and "Monday is in the trash." in text_of(at)
    assert "run" not in at.query_params
    at.button(f"runs.restore.{run.id}").click().run()
    assert frames(at) == [run.id]


def test_a_run_in_use_cannot_be_deleted_and_the_button_says_why(open_page, drawn_workspace):
    run = make_run(drawn_workspace, name="Monday", weights=True)
    promote(drawn_workspace, run)
    delete = button(open_page(drawn_workspace, "runs", run=run.id), "runs.run.delete")
    assert delete.disabled and "promote another one, or go back to the one before, first" in delete.help


def test_a_run_gone_back_to_from_the_trash_keeps_its_name(open_page, drawn_workspace):
    one = make_run(drawn_workspace, name="Monday", weights=True)
    two = make_run(drawn_workspace, name="Tuesday", weights=True)
    promote(drawn_workspace, one)
    promote(drawn_workspace, two)
    Runs(drawn_workspace).delete(one.id)
    at = open_page(drawn_workspace, "runs")
    at.button("runs.roll_back").click().run()
    assert "**Monday (in the trash)**, in use since today" in text_of(at) and "by hand" not in text_of(at)


def test_a_curator_may_look_and_not_promote(open_page, drawn_workspace, monkeypatch):
    run = make_run(drawn_workspace, weights=True)
    monkeypatch.setattr(people, "actor", lambda: Actor("Zoé", "curator"))
    at = open_page(drawn_workspace, "runs", run=run.id)
    assert button(at, "runs.run.promote").disabled and button(at, "runs.run.delete").disabled


def test_every_export_carries_the_run_and_the_hash_of_its_weights(open_page, drawn_workspace):
    from core.embedding.weights import sha256_of

    run = make_run(drawn_workspace, weights=True)
    at = open_page(drawn_workspace, "runs", run=run.id)
    buttons = [each.proto for each in at.get("download_button")]
    assert len(buttons) == 5
    stem = f"burin-1-tf-efficientnet-lite0-hard-triplet-96-px-{sha256_of(run.best_path)[:8]}"
    assert run_actions.stem(run) == stem
    assert run_actions.content(run, "safetensors") == run.best_path.read_bytes()
    assert run_actions.content(run, "metrics.jsonl").count(b"\n") == len(run.metrics())
    assert run_actions.content(run, "pt")[:2] == b"PK"


def test_a_checkpoint_becomes_a_run_and_a_foreign_file_does_not(open_page, drawn_workspace):
    run = make_run(drawn_workspace, weights=True)
    at = open_page(drawn_workspace, "runs")
    kind = "application/octet-stream"
    at.file_uploader("runs.import.0").upload("mine.safetensors", run.best_path.read_bytes(), kind).run()
    at.button("runs.bring_in").click().run()
    made = Runs(drawn_workspace).list()[0]
    assert made.record.name == "mine" and made.state == "finished" and param(at, "run") == made.id
    assert "Brought in from mine.safetensors: evaluate it" in text_of(at)
    at = open_page(drawn_workspace, "runs")
    at.file_uploader("runs.import.0").upload("evil.pt", b"cos\nsystem\n(S'true'\ntR.", kind).run()
    at.button("runs.bring_in").click().run()
    assert len(Runs(drawn_workspace).list()) == 2 and "evil.pt" in text_of(at) and not at.exception


def test_of_a_plain_state_dict_is_asked_what_it_saw_and_nothing_is_invented(open_page, drawn_workspace, tmp_path):
    run = make_run(drawn_workspace, name="Monday", weights=True)
    export_pt(run, tmp_path / "mine.pt")
    at = open_page(drawn_workspace, "runs")
    at.file_uploader("runs.import.0").upload("mine.pt", (tmp_path / "mine.pt").read_bytes(), "application/zip").run()
    assert at.selectbox("runs.import.size").value == 96
    at.selectbox("runs.import.size").set_value(64)
    at.selectbox("runs.import.mode").set_value("plain").run()
    at.button("runs.bring_in").click().run()
    made = Runs(drawn_workspace).list()[0]
    assert (made.settings.preprocessing.mode, made.settings.preprocessing.size) == ("plain", 64)
    assert "this was taken: the whole picture, 64 px." in text_of(at)
    assert button(at, "runs.run.take") is None
    [settings] = (frame.value.to_dict("list") for frame in at.dataframe)
    assert settings["Setting"] == ["Backbone", "Embedding size", "What the model sees", "Image size"]
    at = open_page(drawn_workspace, "runs", compare=f"{run.id}.{made.id}")
    [scores] = (frame.value.to_dict("list") for frame in at.dataframe)
    assert scores["Leaks"] == ["not audited", "no leak"]


def test_leaks_are_listed_with_the_run(open_page, drawn_workspace):
    leak = Leak("original", ("a", "b"), ("train", "validation"), ("circle/1.png", "circle/2.png"))
    run = make_run(drawn_workspace, audit=LeakAudit((leak,), 12))
    said = text_of(open_page(drawn_workspace, "runs", run=run.id))
    assert "Pictures made from one original on two sides" in said and "circle/1.png = circle/2.png" in said


def test_the_overview_counts_runs_and_says_what_to_do(open_page, drawn_workspace):
    def stations(at):
        return {station["pictogram"]: station for station in component(at, "burin_pipeline")[0]["stations"]}

    at = open_page(drawn_workspace)
    assert stations(at)["train"]["figure"] == "0" and "Train a model on these marks" in [s.value for s in at.subheader]
    run = make_run(drawn_workspace, name="Monday", top1=0.9, weights=True)
    at = open_page(drawn_workspace)
    shown = stations(at)
    assert (shown["train"]["figure"], shown["train"]["note"]) == ("1", "best top-1 90%")
    assert (shown["evaluate"]["figure"], shown["evaluate"]["note"]) == ("none", "untrained")
    assert "Promote a run" in [each.value for each in at.subheader]
    promote(drawn_workspace, run)
    shown = stations(open_page(drawn_workspace))
    assert (shown["evaluate"]["figure"], shown["evaluate"]["caption"]) == ("90%", "top-1 of the model in use")


@pytest.mark.parametrize("locale", ["fr-FR"])
def test_french_is_spoken(open_page, drawn_workspace, locale):
    make_run(drawn_workspace)
    at = open_page(drawn_workspace, "runs", locale=locale)
    assert at.title[0].value == "Entraînements" and "1 entraînement" in text_of(at) and "aucune fuite" in text_of(at)


def test_the_sample_s_run_is_told_in_the_reader_s_language_and_kept_as_it_is(open_page, drawn_workspace):
    run = make_run(drawn_workspace, name=shipped.NAME, weights=True)
    Runs(drawn_workspace).note(run.id, shipped.NOTE)
    (record,) = (json.loads(path.read_text()) for path in (shipped.SHIPPED / "model" / "runs").glob("*/run.json"))
    assert (record["name"], record["note"]) == (shipped.NAME, shipped.NOTE)
    at = open_page(drawn_workspace, "runs", locale="fr-FR")
    said = text_of(at)
    assert "La tête, 12 époques" in said and "Livré avec l’exemple" in said and shipped.NAME not in said
    at = open_page(drawn_workspace, "train", locale="fr-FR", view="run", run=run.id)
    assert [header.value.replace("\\", "") for header in at.header] == ["La tête, 12 époques"]
    at = open_page(drawn_workspace, "evaluate", locale="fr-FR")
    assert "La tête, 12 époques" in at.selectbox(key="evaluation.run").options
    assert Runs(drawn_workspace).get(run.id).record.name == shipped.NAME
    Runs(drawn_workspace).rename(run.id, "Mine")
    assert "Mine" in text_of(open_page(drawn_workspace, "runs", locale="fr-FR"))
