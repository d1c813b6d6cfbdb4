"""Marks read in photographs come to lie where their drawings do; drawings stay where they are."""

from __future__ import annotations

import shutil

import numpy as np
from PIL import Image

from core.embedding import plans
from core.embedding.embedder import SMALL, load_embedder
from core.embedding.photograph_map import PhotographMap, fitted_map
from core.embedding.weights import resolve
from core.ground.config import TRAINABLE, Preprocessing
from core.ground.preprocessing import see
from core.sight.marks import Subject, is_clean, read_boxes, subject
from core.synthesis.drawing import draw
from core.synthesis.engraving import Form
from core.synthesis.marks import random_template
from core.synthesis.scenes import scene
from tests.conftest import SHAPES
from tests.conftest import draw as drawn
from tests.core.sight.test_marks import lens

STROKES = Preprocessing()


def photographed(count: int) -> tuple[list[Subject], list[Image.Image]]:
    """What is read in photographs of ``count`` marks, and a drawing of each."""
    read, drawings = [], []
    for number in range(3 * count):
        rng = np.random.default_rng([8, number])
        template = random_template(rng)
        form = Form.of(template)
        made = scene(lambda _, form=form: form, rng, side=160, marks=1, extent=(0.5, 0.8))  # type: ignore[misc]
        if len(made.boxes) and len(read) < count:
            read += read_boxes(made.picture, [tuple(made.boxes[0].tolist())])
            drawings.append(draw(template, rng))
    assert len(read) == count
    return read, drawings


def seen(pictures: list[Image.Image]) -> np.ndarray:
    return np.stack([see(picture, STROKES) for picture in pictures])


def test_a_photograph_is_more_like_its_drawing_than_its_strokes_are(workspace) -> None:
    embedder = load_embedder(workspace)
    read, drawings = photographed(40)
    shown = seen([one.picture for one in read])
    base = embedder.embed(seen(drawings))
    alone, together = embedder.embed(shown), embedder.embed(shown, read)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alike = [vectors @ base.T for vectors in (alone, together)]
    own = [np.diag(one) for one in alike]
    assert own[1].mean() > own[0].mean() + 0.03
    above = [float((mine[:, None] > all_).mean()) for mine, all_ in zip(own, alike, strict=True)]
    assert above[1] > above[0]  # and it stands out from the drawings of other marks


def test_one_by_one_in_a_batch_and_as_pictures_the_vectors_are_the_same(workspace) -> None:
    """Drawings among them, whose vectors are those of their strokes."""
    embedder = load_embedder(workspace)
    read, _ = photographed(6)
    drawings = [Subject(drawn(shape, seed=n)) for n, shape in enumerate(SHAPES)]
    mixed = [*read[:3], *drawings, *read[3:]]
    shown = seen([one.picture for one in mixed])
    together = embedder.embed(shown, mixed)
    alone = np.concatenate([embedder.embed(shown[i : i + 1], mixed[i : i + 1]) for i in range(len(mixed))])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, np.stack(list(embedder.embed_images(mixed))), atol=1e-5)
    plain = embedder.embed(shown)
    of_drawings = slice(3, 3 + len(drawings))
    np.testing.assert_allclose(together[of_drawings], plain[of_drawings], atol=1e-6)
    assert np.abs(np.delete(together, np.r_[of_drawings], 0) - np.delete(plain, np.r_[of_drawings], 0)).max() > 0.05


def test_a_large_photograph_is_read_where_it_is_opened(workspace) -> None:
    """Only what is seen of it is kept, and its vector is the same."""
    embedder = load_embedder(workspace)
    large = lens((450, 400, 200), size=(900, 800))
    assert large.width * large.height > SMALL and not is_clean(large)
    looked_at = subject(large, embedder.preprocessing)
    assert looked_at.photograph is not None
    (row,) = embedder.embed_images([lambda: large])
    np.testing.assert_allclose(row, embedder.embed(seen([looked_at.picture]), [looked_at])[0], atol=1e-5)


def test_a_map_is_taken_only_with_what_it_was_fitted_to(workspace, monkeypatch, tmp_path) -> None:
    with_map = load_embedder(workspace)
    weights = resolve(allow_network=False)
    assert plans.untrained_plan(workspace, "", STROKES).photographs is not None
    for mode in set(TRAINABLE) - {"strokes"}:
        assert plans.untrained_plan(workspace, "", Preprocessing(mode)).photographs is None
    assert plans.untrained_plan(workspace, "", Preprocessing("strokes", 128)).photographs is None  # another size
    assert fitted_map(plans.HEADS, weights, STROKES, ["another"]) is None

    heads = tmp_path / "heads"
    shutil.copytree(plans.HEADS, heads)
    next(heads.glob("*-photographs.safetensors")).unlink()
    monkeypatch.setattr(plans, "HEADS", heads)
    without = load_embedder(workspace)
    assert with_map.space != without.space and with_map.space.startswith(without.space)
    read, _ = photographed(2)
    shown = seen([one.picture for one in read])
    np.testing.assert_allclose(without.embed(shown, read), with_map.embed(shown), atol=1e-6)


def test_the_map_takes_the_views_end_to_end() -> None:
    weight = np.zeros((2, 6), np.float32)
    weight[0, 1], weight[1, 4] = 3, 4  # of the first view's second number, and of the third's first
    made = PhotographMap(weight, np.zeros(2, np.float32), "")(np.array([[[0, 1], [0, 0], [1, 0]]], np.float32))
    np.testing.assert_allclose(made, [[0.6, 0.8]], atol=1e-6)


def test_colours_of_a_photograph_do_not_matter(workspace) -> None:
    """References are opened as greys, what is asked is not."""
    embedder = load_embedder(workspace)
    (read, *_), _ = photographed(1)
    assert read.photograph is not None and read.photograph.mode == "L"
    other, shown = Subject(read.picture, read.photograph.convert("RGB")), seen([read.picture])
    np.testing.assert_allclose(embedder.embed(shown, [read]), embedder.embed(shown, [other]), atol=1e-5)
