"""What tests share: the real data (or a named skip), a workspace of one's own, an embedder that
needs no weights, and small pictures drawn on the spot. It asserts nothing.
"""

from __future__ import annotations

import io
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import settings
from PIL import Image, ImageDraw

from core.ground.config import Preprocessing, WorkspaceConfig
from core.ground.errors import ImageRefused
from core.ground.workspace import ENVIRONMENT, Workspace
from core.sight.marks import Subject
from tests import compiled
from tests.chromium import browser, chromium, start_server, visit  # noqa: F401  # defined once: one Chromium a run
from tests.cluster import Raylets
from tests.milvus import WHEEL, Milvus, alone, wheel
from tests.postgres import PostgreSQL, binaries

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("BURIN_SHARED") or ROOT.parent / "shared" / "data")

Picture = Image.Image | Callable[[], Image.Image]

SHAPES = ("circle", "cross", "bar", "triangle", "square", "wave")

# The same examples every time, however slow the machine: a test that fails, fails for everybody.
settings.register_profile("burin", derandomize=True, deadline=None)
settings.load_profile("burin")
compiled.share()


def pytest_configure() -> None:
    memory = Path("/dev/shm")  # each of thousands of changes would wait for the disk
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4e9 and "TMPDIR" not in os.environ:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests (``--dist loadgroup``), each file is done by one of them, files of one
    ``xdist_group`` by the same, and the long ones come first: what is begun last is short."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(ROOT).as_posix()))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("both_databases") and "catalogue_url" in metafunc.fixturenames:
        metafunc.parametrize("catalogue_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(autouse=True)
def _no_workspace_of_yours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test never opens the workspace of the person who runs it."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real drawings, icons and Omniglot; BURIN_SHARED says where, else beside the checkout."""
    if not (SHARED / "gravures" / "raw_gravures").is_dir():
        pytest.skip("real data not found: set BURIN_SHARED to the folder that holds gravures/ and omniglot/")
    return SHARED


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """A PostgreSQL server for the whole session; where none is installed a skip, and a failure when CI=true."""
    if (programs := binaries()) is None:
        reason = "no PostgreSQL found: install one (Debian: apt-get install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    server = PostgreSQL(programs)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def milvus() -> Iterator[Milvus]:
    """A Milvus server for the tests of one file; a skip where its wheel, or pymilvus, cannot be had."""
    pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install '.[scale]'")
    if (folder := wheel()) is None:
        pytest.skip(f"no Milvus server: the wheel {WHEEL} could not be installed (set BURIN_MILVUS to its folder)")
    with alone():
        server = Milvus(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def raylets() -> Iterator[Raylets]:
    """A Ray cluster for the whole session; a skip where Ray is not installed."""
    pytest.importorskip("ray", reason="ray is not installed: pip install '.[cluster]'")
    cluster = Raylets()
    yield cluster
    cluster.stop()


@pytest.fixture
def catalogue_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the catalogue of this test's workspace is: "" (SQLite in it), unless the mark ``both_databases`` asks
    for PostgreSQL too."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield ""
        return
    used: set[sa.Engine] = set()

    def remember(connection: sa.Connection) -> None:
        used.add(connection.engine)

    sa.event.listen(sa.Engine, "engine_connect", remember)
    yield request.getfixturevalue("postgres").fresh()
    sa.event.remove(sa.Engine, "engine_connect", remember)
    for engine in used:
        engine.dispose()


@pytest.fixture
def workspace(tmp_path: Path, catalogue_url: str) -> Workspace:
    """An empty workspace that this test owns."""
    workspace = Workspace(tmp_path / "workspace")
    if catalogue_url:
        workspace.save_config(WorkspaceConfig(catalogue_url=catalogue_url))
    return workspace


@pytest.fixture
def drawn_workspace(workspace: Workspace) -> Workspace:
    """A workspace with three classes (circle, cross, bar) of four drawn originals each."""
    for shape in SHAPES[:3]:
        folder = workspace.raw / shape
        folder.mkdir(parents=True)
        for seed in range(4):
            (folder / f"{shape}_{seed}.png").write_bytes(png_bytes(draw(shape, seed=seed)))
    return workspace


@pytest.fixture
def fake_embedder() -> FakeEmbedder:
    """`FakeEmbedder` in ``crop`` mode at 64 px."""
    return FakeEmbedder()


class FakeEmbedder:
    """Stands in for `core.embedding.embedder.Embedder`: darkness pooled on an 8 x 8 grid, L2-normalised.

    Alike pictures get alike vectors, any two runs get the same ones, and no weights are read.
    """

    space = "fake-pixels-8x8"
    dimension = 64
    engine = "onnxruntime"
    sentence = "A stand-in that pools pixels."

    def __init__(self, preprocessing: Preprocessing | None = None) -> None:
        self.preprocessing = preprocessing or Preprocessing(mode="crop", size=64)

    def embed(self, seen: np.ndarray, subjects: Sequence[Subject] = ()) -> np.ndarray:
        """``seen`` (N, S, S, 3) uint8 -> (N, 64) float32; a blank picture gets the uniform vector."""
        count, side = seen.shape[0], seen.shape[1]
        step = side // 8
        dark = 1 - seen[:, : step * 8, : step * 8].astype(np.float32).mean(axis=3) / 255
        vectors = dark.reshape(count, 8, step, 8, step).mean(axis=(2, 4)).reshape(count, 64)
        vectors[~vectors.any(axis=1)] = 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed_images(self, images: Iterable[Picture], *, batch: int = 32) -> Iterator[np.ndarray | ImageRefused]:
        """One (64,) vector a picture or call that makes one, in order; a refusal stands in its row."""
        from core.ground.preprocessing import see

        for picture in images:
            try:
                image = picture() if callable(picture) else picture
                shown = image.picture if isinstance(image, Subject) else image
                yield self.embed(see(shown, self.preprocessing)[None])[0]
            except ImageRefused as error:
                yield error


def draw(shape: str, *, seed: int = 0, side: int = 64) -> Image.Image:
    """A black ``shape`` (one of `SHAPES`) on white; ``seed`` moves, scales and thickens it a little."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(image)
    x, y = side / 2 + rng.uniform(-0.08, 0.08, 2) * side
    r = side * rng.uniform(0.26, 0.34)
    width = max(2, round(side * rng.uniform(0.04, 0.07)))
    lines = {
        "cross": [[(x - r, y - r), (x + r, y + r)], [(x - r, y + r), (x + r, y - r)]],
        "bar": [[(x - r, y), (x + r, y)]],
        "triangle": [[(x, y - r), (x + r, y + r), (x - r, y + r), (x, y - r)]],
        "square": [[(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r), (x - r, y - r)]],
        "wave": [[(x - r + 2 * r * t / 40, y + r / 2 * math.sin(t * math.tau / 40)) for t in range(41)]],
        "circle": [],
    }[shape]
    for line in lines:
        pen.line(line, fill="black", width=width)
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), outline="black", width=width)
    return image


def png_bytes(image: Image.Image) -> bytes:
    """``image`` as a PNG file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
