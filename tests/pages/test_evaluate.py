"""Evaluate: what is asked of the job, the scores with their doubt, a confusion opened, corrected and taken back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from streamlit.util import AttributeDictionary

from core.collection.dataset import Dataset
from core.evaluation.report import Share, evaluate
from core.evaluation.store import Evaluation, folder_of
from core.evaluation.unseen import FILE, FirstRank, Unseen
from core.recognition.calibrate import Verdict
from pages.ui.evaluation import downloads
from pages.ui.text import cell
from pages.ui.verdict_words import LOOK, verdict_badge
from tests.conftest import FakeEmbedder
from tests.pages.conftest import PAGES, component, text_of, type_new
from tests.pages.made_runs import make_run


@pytest.fixture
def asked(monkeypatch):
    """What was asked of the jobs; nothing is run."""
    from core.ground import jobs

    calls = []
    monkeypatch.setattr(
        jobs.JobRunner, "start", lambda self, kind, work, params, *, key=None: calls.append((kind, work, params, key))
    )
    return calls


def evaluation_of(workspace):
    return Evaluation(folder_of(workspace, "", "test", space=FakeEmbedder.space))


def wrong_of(workspace):
    """The content hash of the one wrong answer."""
    predictions = evaluation_of(workspace).predictions
    (row,) = predictions.wrong
    return str(predictions.sha256[row])


def item_with(workspace, sha256):
    return next(item for item in Dataset(workspace).items(limit=None) if item.sha256 == sha256)


def metrics(at):
    return {metric.label: metric.value for metric in at.metric}


def test_without_labelled_images_it_leads_to_the_library(open_page, workspace):
    assert "There are no labelled images to evaluate with yet." in text_of(open_page(workspace, "evaluate"))


def test_before_an_evaluation_it_explains_and_starts_one(open_page, drawn_workspace, asked):
    at = open_page(drawn_workspace, "evaluate")
    assert "Not evaluated yet" in text_of(at)
    at.button(key="evaluation.first").click().run()
    assert asked == [
        ("evaluation", "core.evaluation.work:run_evaluation", {"run": "", "side": "test"}, "evaluation  test")
    ]


def test_the_other_side_is_another_evaluation(open_page, measured, asked):
    at = open_page(measured, "evaluate", side="validation")
    assert "Not evaluated yet" in text_of(at)
    at.button(key="evaluation.first").click().run()
    assert asked[0][2] == {"run": "", "side": "validation"}


def test_the_scores_are_the_stored_ones_with_interval_and_leak_badge(open_page, measured):
    at = open_page(measured, "evaluate")
    report = evaluation_of(measured).report
    assert (report.top1.hits, report.top1.n) == (7, 8)
    assert metrics(at)["Top-1"] == "87.5%" and metrics(at)["Top-5"] == "100%"
    text = text_of(at)
    assert "52.9 – 97.8%" in text, "Wilson's interval of 7 of 8"
    assert text.count("no leak") == 5, "beside every score"
    assert f"8 images asked · {report.references} references · 4 of 4 classes can be measured" in text


def test_the_confused_pair_is_listed_and_drawn(open_page, measured):
    at = open_page(measured, "evaluate")
    (listed,) = component(at, "burin_pairs")
    (pair,) = listed["pairs"]
    assert (pair["own"], pair["other"], pair["id"]) == ("circle", "cross", "circle/cross")
    assert all(src.startswith("/thumbnail/") for src in pair["images"])
    (drawn,) = component(at, "burin_matrix")
    names, report = drawn["names"], evaluation_of(measured).report
    cells = {(names[row], names[column]): count for row, column, count in drawn["cells"]}
    assert cells[("circle", "cross")] == 1 and sum(cells.values()) == report.queries == 8
    assert drawn["diagonal"] is True
    at.toggle(key="evaluate.mistakes").set_value(True).run()
    assert component(at, "burin_matrix")[0]["diagonal"] is False


def test_a_pair_in_the_address_shows_its_images_beside_both_references(open_page, measured):
    at = open_page(measured, "evaluate", pair="circle/cross")
    assert not component(at, "burin_matrix"), "the images stand in its place"
    (shown,) = component(at, "burin_compare")
    assert shown["query"]["title"] == "circle" and shown["query"]["seen"].startswith("data:image/png;base64,")
    assert [one["title"] for one in shown["references"]] == ["circle", "cross"]
    assert "Labelled **circle**, called **cross**" in text_of(at)
    at.button(key="evaluate.close").click().run()
    assert component(at, "burin_matrix")


@pytest.mark.parametrize("pair", ["", "circle", "circle/nonsense", "../x", "a/b/c"])
def test_an_address_with_nonsense_shows_the_matrix(open_page, measured, pair):
    at = open_page(measured, "evaluate", pair=pair, view="sideways", side="up", run="../..")
    assert component(at, "burin_matrix")


def test_an_image_is_corrected_where_it_is_seen_and_taken_back_there(open_page, measured, asked):
    sha256 = wrong_of(measured)
    at = open_page(measured, "evaluate", pair="circle/cross")
    case = f"evaluate.case.{'.'.join(map(str, _pair(measured)))}.{sha256[:12]}"
    at.button(key=f"{case}.said").click().run()
    assert item_with(measured, sha256).class_name == "cross"
    text = text_of(at)
    assert "1 image is now of cross." in text and "now cross" in text
    assert "Out of date" in text and "1 relabelled" in text
    assert component(at, "burin_pairs")[0]["pairs"][0]["note"] == "1 of 2 · 1 corrected"
    at.button(key=f"{case}.undo").click().run()
    assert item_with(measured, sha256).class_name == "circle"
    assert "Out of date" not in text_of(at) and component(at, "burin_pairs")[0]["pairs"][0]["note"] == "1 of 2"


def test_a_new_class_made_in_a_confusion_takes_nothing_that_somebody_else_changed(open_page, measured, asked):
    sha256 = wrong_of(measured)
    at = open_page(measured, "evaluate", pair="circle/cross")
    case = f"evaluate.case.{'.'.join(map(str, _pair(measured)))}.{sha256[:12]}"
    item = item_with(measured, sha256)
    Dataset(measured).set_kind([item.id], "photo")
    type_new(at.selectbox(key=f"{case}.class.{item.ver}"), "étoile")
    assert "changed by somebody else" in text_of(at)
    assert item_with(measured, sha256).class_name == "circle"
    assert "étoile" not in {record.name for record in Dataset(measured).classes()}
    type_new(at.selectbox(key=f"{case}.class.{item_with(measured, sha256).ver}"), "étoile")
    assert item_with(measured, sha256).class_name == "étoile" and "1 image is now of étoile." in text_of(at)


def test_out_of_date_it_offers_to_measure_again(open_page, measured, asked):
    dataset = Dataset(measured)
    dataset.trash([item_with(measured, wrong_of(measured)).id])
    at = open_page(measured, "evaluate")
    assert "1 gone" in text_of(at)
    assert [button.label for button in at.button].count("Evaluate again") == 1
    at.button(key="evaluation.again").click().run()
    assert asked[0][0] == "evaluation"


def _pair(workspace):
    folders = evaluation_of(workspace).predictions.folders
    return folders.index("circle"), folders.index("cross")


def test_the_table_says_what_cannot_be_measured_and_opens_a_class(open_page, measured):
    at = open_page(measured, "evaluate", view="classes")
    report = evaluation_of(measured).report
    for name, scores in (("Macro: every class alike", report.macro), ("Weighted: every image alike", report.weighted)):
        cells = " | ".join(f"{round(100 * score, 1):g}%" for score in scores)
        assert f"| {name} | {cells} |" in text_of(at)
    table = at.dataframe[0].value
    worst = table.iloc[0]
    assert worst["Class"] == "circle" and worst["Recall"] == 50 and worst["Most taken for"] == "cross × 1"
    at.session_state["evaluate.classes"] = AttributeDictionary(
        {"selection": {"rows": [], "columns": [], "cells": [(0, "Class")]}}
    )
    at.run()
    assert len(component(at, "burin_compare")) == 2, "both queries of circle"


def test_of_one_query_nothing_is_measured(open_page, measured):
    import json

    path = evaluation_of(measured).folder / "report.json"
    record = json.loads(path.read_text())
    for row in record["classes"]:
        if row["folder"] == "bar":
            row.update(n=1, hits=1)
    path.write_text(json.dumps(record))
    table = open_page(measured, "evaluate", view="classes").dataframe[0].value
    bar = table[table["Class"] == "bar"].iloc[0]
    assert bar["Interval"] == "n = 1: cannot be measured" and bar["Recall"] != bar["Recall"]


def test_the_curves_and_the_verdicts(open_page, measured):
    at = open_page(measured, "evaluate", view="curves")
    report = evaluation_of(measured).report
    text = text_of(at)
    assert len(at.get("plotly_chart")) == 3
    certain = next(row for row in report.verdicts if row.verdict == "certain")
    assert f"{certain.n} of 8 known marks; right" in text


def test_a_verdict_leads_to_its_images(open_page, measured):
    at = open_page(measured, "evaluate", view="curves")
    row = max(evaluation_of(measured).report.verdicts, key=lambda each: each.n)
    at.button(key=f"evaluate.verdict.{row.verdict}").click().run()
    assert len(component(at, "burin_compare")) == min(row.n, 6)
    at.button(key=f"evaluate.verdict.{row.verdict}").click().run()
    assert not component(at, "burin_compare")
    assert not component(open_page(measured, "evaluate", view="curves", verdict="nonsense"), "burin_compare")


def test_every_verdict_has_its_words_and_look():
    assert set(LOOK) == set(get_args(Verdict))
    badges = [verdict_badge(verdict) for verdict in get_args(Verdict)]
    assert len(set(badges)) == len(badges) and not any(
        verdict in badge for verdict in ("not_found", "unknown") for badge in badges
    )


def test_without_held_out_classes_it_says_how_to_have_some(open_page, measured):
    (evaluation_of(measured).folder / FILE).unlink()
    text = text_of(open_page(measured, "evaluate", view="unseen"))
    assert "This run was trained on every class" in text and "Train one with classes held out" in text


def test_classes_never_trained_on_have_their_own_figures(open_page, measured):
    ranks = (FirstRank(1, 0.912, 0.021, 3, 40), FirstRank(5, 0.987, 0.004, 2, 12))
    Unseen(("bar", "cross", "circle"), 46, 10, ranks, 0.934, Share(2, 46)).save(evaluation_of(measured).folder)
    at = open_page(measured, "evaluate", view="unseen")
    text, shown = text_of(at), metrics(at)
    assert "3 classes that were never trained on, with 46 images." in text and "bar, cross, circle" in text
    assert shown["1 reference a class"] == "91.2%" and shown["5 references a class"] == "98.7%"
    assert "± 2.1 · 3 classes" in text
    assert shown["Called certain all the same"] == "4.3%" and shown["Known against new (AUROC)"] == "0.934"
    french = open_page(measured, "evaluate", view="unseen", locale="fr-FR")
    assert "3 classes" in text_of(french) and "never trained" not in text_of(french)


def test_alone_there_is_nothing_to_compare_with(open_page, measured):
    assert "Evaluate a second model on the same side" in text_of(open_page(measured, "evaluate", view="compare"))


@pytest.fixture
def better(measured):
    """A run that was asked the same images and got them all right."""
    run = make_run(measured, name="Better <b>")
    run.best_path.write_bytes(b"weights")
    first = evaluation_of(measured)
    ranked = first.predictions.ranked.copy()
    for row in first.predictions.wrong:
        ranked[row] = first.predictions.truth[row]
    made = replace(first.predictions, ranked=ranked, about=replace(first.predictions.about, run=run.id, leak=None))
    Evaluation(folder_of(measured, run.id, "test")).save(made, evaluate(made), first.split)
    return run


def test_two_models_are_compared_image_by_image(open_page, measured, better):
    at = open_page(measured, "evaluate", view="compare", run=better.id)
    text = text_of(at)
    assert metrics(at)["Top-1"] == "100%" and text.count("split not known") == 5
    assert "1 image more is right" in text
    assert "nothing can be concluded (McNemar, p = 1.000)" in text, "one image of difference is chance"
    walls = {group["title"]: group for wall in component(at, "burin_gallery") for group in wall["groups"]}
    (gained,) = walls["Right only now"]["tiles"]
    assert Dataset(measured).item(gained["id"]).sha256 == wrong_of(measured)
    assert "Wrong only now" not in walls
    changed = at.dataframe[0].value
    assert list(changed["Class"]) == ["circle"] and list(changed["Change"]) == [cell("+1")]
    assert "left out" not in text and "references differ" not in text and not component(at, "burin_compare")
    at.session_state["evaluate.changed"] = AttributeDictionary(
        {"selection": {"rows": [], "columns": [], "cells": [(0, "Class")]}}
    )
    at.run()
    shown = component(at, "burin_compare")
    assert len(shown) == 2, "both queries of circle, what changed first"
    wrong = item_with(measured, wrong_of(measured))
    first = next(one for one in at.button if one.key.endswith(".trash"))
    assert wrong.sha256[:12] in first.key


def test_two_models_asked_other_images_are_told_apart(open_page, measured, better):
    held = Evaluation(folder_of(measured, better.id, "test"))
    made, first = held.predictions, evaluation_of(measured)
    rows = np.arange(len(made)) != 0  # the first image was asked of the other only
    parts = {name: getattr(made, name)[rows] for name in _per_query(made)}
    gallery = made.gallery.copy()
    gallery[0] = made.sha256[0]  # and this one learnt from it
    made = replace(made, **parts, gallery=gallery)
    held.save(made, evaluate(made), first.split)
    text = text_of(open_page(measured, "evaluate", view="compare", run=better.id))
    assert "1 image is left out: 1 that the other has as a reference." in text
    assert "The references differ: 2 are of one of the two only." in text


def _per_query(predictions):
    held = vars(predictions).items()
    return [name for name, value in held if isinstance(value, np.ndarray) and len(value) == len(predictions)]


def test_the_run_that_was_chosen_follows_to_the_other_pages(open_page, measured, better):
    at = open_page(measured, "evaluate", run=better.id)
    assert not component(at, "burin_pairs") and "there is nothing to confuse" in text_of(at)
    at.switch_page(PAGES["errors"])
    assert "there is no error to explore" in text_of(at.run())


def test_every_file_is_offered_under_a_name_of_its_own(open_page, measured):
    at = open_page(measured, "evaluate", view="files")
    keys = {button.key for button in at.get("download_button")}
    names = ("report.json", "report.txt", "classes.csv", "predictions.csv", "confusion.csv", "confusion.png")
    assert {f"evaluate.file.{name}" for name in (*names, "curves.png", "report.html")} <= keys


def test_charts_are_taken_away_in_the_reader_s_language(measured):
    folder = evaluation_of(measured).folder
    assert downloads.in_language(folder / "curves.png", "fr") == folder / "curves.fr.png"
    assert downloads.in_language(folder / "curves.png", "en") == folder / "curves.png"
    assert downloads.in_language(folder / "classes.csv", "fr") == folder / "classes.csv"


def test_in_french(open_page, measured):
    at = open_page(measured, "evaluate", locale="fr-FR")
    assert metrics(at)["Top-1"] == "87,5\u202f%"
    assert "8 images interrogées" in text_of(at) and "aucune fuite" in text_of(at)


def test_a_damaged_evaluation_is_said_and_can_be_made_again(open_page, measured, asked):
    (evaluation_of(measured).folder / "predictions.npz").write_bytes(b"no")
    at = open_page(measured, "evaluate")
    assert "evaluate again" in text_of(at)
    at.button(key="evaluation.start").click().run()
    assert asked
    shutil.rmtree(evaluation_of(measured).folder)
    assert "Not evaluated yet" in text_of(at.run())
