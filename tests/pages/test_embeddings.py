"""Map: what the browser is sent, how it is coloured, and that the session's one selection is what is acted on."""

from __future__ import annotations

import base64
import io
import zipfile

import numpy as np
import pytest

from core.collection import saved
from core.collection.dataset import Dataset
from core.evaluation import projection
from core.evaluation.store import Evaluation, folder_of
from core.ground.images import content_hash
from pages.ui.evaluation import atlas
from tests.conftest import FakeEmbedder, draw, png_bytes
from tests.pages.conftest import PAGES, component, text_of
from tests.pages.made_runs import make_run


def parts(at):
    """What the map's three parts were given, by their role."""
    return {data["role"]: data for data in component(at, "burin_pointmap")}


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def select(at, ids):
    """As after a lasso."""
    at.session_state["workbench"].selection = list(ids)
    return at.run()


def crosses(workspace):
    return [item.id for item in Dataset(workspace).items(limit=None) if item.class_name == "cross"]


def test_without_labelled_images_it_leads_to_the_library(open_page, workspace):
    assert "There are no labelled images" in text_of(open_page(workspace, "embeddings"))


def test_every_image_is_a_point_where_pca_puts_it(open_page, measured):
    at = open_page(measured, "embeddings")
    points = parts(at)["points"]
    ids = unpacked(points["ids"], "<i4")
    dataset = Dataset(measured)
    assert sorted(ids.tolist()) == sorted(dataset.item_ids()) and len(ids) == 46
    laid_out = projection.pca(projection.Points.load(dataset, FakeEmbedder.space))
    item = dataset.item(int(ids[5]))
    (row,) = laid_out.rows_of(np.array([item.sha256]))
    place = unpacked(points["x"], "<f4")[5], unpacked(points["y"], "<f4")[5]
    assert place == pytest.approx(tuple(laid_out.xy[row]), abs=1e-6)


def test_it_can_be_coloured_by_what_is_known_of_the_images(open_page, measured):
    at = open_page(measured, "embeddings")
    points = parts(at)["points"]
    assert set(points["colourings"]) == {"class", "split", "correctness", "verdict", "certainty", "kind"}
    names = points["colourings"]["correctness"]["names"]
    codes = unpacked(points["colourings"]["correctness"]["codes"], "<u2")
    assert {names[code]: int((codes == code).sum()) for code in np.unique(codes)} == {
        "right": 7, "wrong": 1, "not asked": 38,
    }  # fmt: skip
    labels = points["colourings"]["class"]
    found, counts = np.unique(unpacked(labels["codes"], "<u2"), return_counts=True)
    of_class = {labels["names"][code]: int(n) for code, n in zip(found, counts, strict=True)}
    assert of_class == {"bar": 10, "circle": 16, "cross": 10, "triangle": 10}
    assert parts(at)["state"]["colour"] == "class"
    assert parts(open_page(measured, "embeddings", colour="kind"))["state"]["colour"] == "kind"


def test_a_selection_made_elsewhere_is_shown_here_and_in_the_grid(open_page, measured):
    at = open_page(measured, "embeddings")
    assert not component(at, "burin_picker") and "Draw around some points" in text_of(at)
    ids = crosses(measured)
    select(at, ids)
    assert parts(at)["state"]["selected"] == ids
    (grid,) = component(at, "burin_picker")
    assert [tile["id"] for tile in grid["tiles"]] == ids == grid["selected"]
    assert "10 images selected" in text_of(at)


def test_what_is_selected_is_relabelled_as_one_class_and_taken_back(open_page, measured):
    ids = crosses(measured)
    at = select(open_page(measured, "embeddings"), ids)
    box = next(box for box in at.selectbox if box.key.startswith("select.class"))
    box.set_value("bar").run()
    assert {item.class_name for item in Dataset(measured).some(ids)} == {"bar"}
    assert "10 images are now of bar." in text_of(at)
    at.button(key="frame.undo.0").click().run()
    assert {item.class_name for item in Dataset(measured).some(ids)} == {"cross"}


def test_what_is_selected_goes_to_the_trash_and_off_the_map(open_page, measured):
    ids = crosses(measured)
    at = select(open_page(measured, "embeddings"), ids)
    at.button(key="select.trash").click().run()
    assert Dataset(measured).counts().trash == 10
    assert len(unpacked(parts(at)["points"]["ids"], "<i4")) == 36


def test_the_export_holds_exactly_what_is_selected(open_page, measured):
    ids = crosses(measured)[:3]
    at = select(open_page(measured, "embeddings"), ids)
    assert "embeddings.export" in {button.key for button in at.get("download_button")}
    with zipfile.ZipFile(io.BytesIO(atlas._archive(ids))) as archive:
        files = [name for name in archive.namelist() if name.endswith(".png")]
    assert sorted(files) == sorted(f"cross/{item.path.rpartition('/')[2]}" for item in Dataset(measured).some(ids))


def test_the_library_shows_what_was_selected_here(open_page, measured):
    ids = crosses(measured)[:2]
    at = open_page(measured, "library", ids=".".join(map(str, ids)))
    (wall,) = component(at, "burin_gallery")
    assert [tile["id"] for group in wall["groups"] for tile in group["tiles"]] == ids
    assert "2 images from another page" in text_of(at)


def test_umap_is_a_job_and_pca_stands_in_until_it_is_there(open_page, measured, monkeypatch):
    from core.ground import jobs

    calls = []
    monkeypatch.setattr(jobs.JobRunner, "start", lambda self, *what, key=None: calls.append((*what, key)))
    at = open_page(measured, "embeddings", layout="umap")
    assert parts(at)["points"]["place"].startswith("pca ")
    assert "PCA is shown until the UMAP is computed." in text_of(at)
    at.button(key="embeddings.compute").click().run()
    assert calls == [("projection", "core.evaluation.work:run_projection", {"run": ""}, "projection ")]
    points = projection.Points.load(Dataset(measured), FakeEmbedder.space)
    made = projection.Projection("umap", points.digest, points.sha256, projection.pca(points).xy[:, ::-1].copy())
    projection.keep(measured, FakeEmbedder.space, made)
    at.run()
    assert parts(at)["points"]["place"] == f"umap {points.digest}" and "is shown" not in text_of(at)


def test_new_images_are_pinned_where_they_belong_and_not_added(open_page, measured):
    at = open_page(measured, "embeddings")
    before = Dataset(measured).counts().originals
    new = ("new <b>.png", png_bytes(draw("cross", seed=999)), "image/png")
    at.file_uploader(key="embeddings.files").set_value([new])
    at.run()
    (pin,) = parts(at)["state"]["pins"]
    assert pin["name"] == "new <b>.png" and pin["src"].startswith("data:image/webp;base64,")
    points = parts(at)["points"]
    xy = np.stack([unpacked(points["x"], "<f4"), unpacked(points["y"], "<f4")], axis=1)
    near = np.argsort(np.linalg.norm(xy - (pin["x"], pin["y"]), axis=1))[:3]
    ids = unpacked(points["ids"], "<i4")[near].tolist()
    assert all("cross" in item.path or "wrong" in item.path for item in Dataset(measured).some(ids))
    assert Dataset(measured).counts().originals == before


def test_a_run_does_not_look_at_new_images_and_says_why(open_page, measured):
    run = make_run(measured, name="Better", weights=True)
    first = Evaluation(folder_of(measured, "", "test", space=FakeEmbedder.space))
    Evaluation(folder_of(measured, run.id, "test")).save(first.predictions, first.report, first.split)
    at = open_page(measured, "embeddings", run=run.id)
    assert "Only the encoder in use can look at a new image, and this is the map of **Better**." in text_of(at)
    assert not at.get("file_uploader")
    at.button(key="embeddings.in_use").click().run()
    assert at.file_uploader(key="embeddings.files") and "run" not in at.query_params


def test_what_identify_was_asked_is_shown_on_the_map(open_page, measured):
    run = make_run(measured, name="Better", weights=True)
    at = open_page(measured, "embeddings", run=run.id)
    at.switch_page(PAGES["identify"]).run()
    data = png_bytes(draw("cross", seed=997))
    at.file_uploader(key="identify.files.0").set_value([("asked.png", data, "image/png")])
    at.run()
    at.button(key=f"identify.map.{content_hash(data)[:16]}").click().run()
    (pin,) = parts(at)["state"]["pins"]
    assert pin["name"] == "asked.png" and "Pinned on the map, from Identify: asked.png." in text_of(at)
    assert at.button(key=f"embeddings.add.{content_hash(data)[:12]}")
    at.switch_page(PAGES["embeddings"]).run()
    at.button(key="embeddings.unpin").click().run()
    assert parts(at)["state"]["pins"] == [] and "Pinned" not in text_of(at)


def test_it_says_that_what_was_measured_is_out_of_date(open_page, measured):
    at = open_page(measured, "embeddings")
    assert "Out of date" not in text_of(at)
    held = Evaluation(folder_of(measured, "", "test", space=FakeEmbedder.space))
    asked = set(held.predictions.sha256.tolist())
    select(at, [item.id for item in Dataset(measured).items(limit=None) if item.sha256 in asked][:2])
    at.button(key="select.trash").click().run()
    assert "Out of date" in text_of(at) and "2 gone" in text_of(at)
    assert at.button(key="evaluation.again")


def test_a_pinned_image_becomes_a_reference_and_is_taken_back(open_page, measured):
    at = open_page(measured, "embeddings")
    before = Dataset(measured).counts().originals
    data = png_bytes(draw("cross", seed=998))
    at.file_uploader(key="embeddings.files").set_value([("new.png", data, "image/png")])
    at.run()
    key = f"embeddings.add.{content_hash(data)[:12]}"
    assert at.selectbox(key=f"{key}.class").value in ("cross", "circle")  # a cross among them has the wrong label
    at.selectbox(key=f"{key}.class").select("cross").run()
    at.button(key=key).click().run()
    assert "new.png is in the gallery now, as cross." in text_of(at)
    added = [item for item in Dataset(measured).items() if item.sha256 == content_hash(data)]
    assert [item.class_name for item in added] == ["cross"]
    assert "new.png is in the gallery." in text_of(at)
    at.button(key="frame.undo.0").click().run()
    assert Dataset(measured).counts().originals == before
    assert at.button(key=key)


def test_in_french(open_page, measured):
    at = open_page(measured, "embeddings", locale="fr-FR")
    words = parts(at)["state"]["words"]
    assert words["count"] == "{n} sur {total} sélectionnées" and words["pan"] == "Déplacer"
    assert parts(at)["points"]["colourings"]["split"]["names"][0] == "entraînement"


def test_a_map_is_kept_as_it_is_coloured(open_page, measured, dataset_of):
    at = open_page(measured, "embeddings", colour="kind")
    next(one for one in at.text_input if one.key.startswith("embeddings.view_name")).set_value("Kinds").run()
    at.button(key="embeddings.view_keep").click().run()
    assert saved.views(dataset_of(measured), "embeddings") == {"Kinds": {"colour": "kind"}}
    at.get_by_key("embeddings.colour").set_value("class").run()
    at.button(key="embeddings.view.0").click().run()
    assert not at.exception and at.query_params["colour"] == "kind"
