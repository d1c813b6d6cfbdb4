"""Page tests run the real `Home.py` in this process, with a stand-in for the encoder and nothing in the background."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from core.collection.dataset import Dataset
from core.embedding import gallery
from core.ground import job_process, jobs
from core.ground.config import Preprocessing
from core.ground.workspace import ENVIRONMENT, Workspace
from core.sight.marks import Subject, sight
from pages.server import garbage
from pages.ui import services
from tests.conftest import FakeEmbedder, draw, png_bytes
from tests.plant import nobody_called

HOME = Path(__file__).resolve().parents[2] / "Home.py"
PAGES = {
    "overview": "pages/home/overview.py",
    "guide": "pages/home/guide.py",
    "identify": "pages/search/identify.py",
    "library": "pages/data/library.py",
    "label": "pages/data/label.py",
    "table": "pages/data/table.py",
    "products": "pages/data/products.py",
    "quality": "pages/data/quality.py",
    "inbox": "pages/data/inbox.py",
    "history": "pages/data/history.py",
    "augment": "pages/data/augment.py",
    "balance": "pages/data/balance.py",
    "train": "pages/model/train.py",
    "runs": "pages/model/runs.py",
    "evaluate": "pages/model/evaluate.py",
    "embeddings": "pages/model/embeddings.py",
    "errors": "pages/model/errors.py",
    "settings": "pages/home/settings.py",
}

Open = Callable[..., AppTest]

# What the model sees of a picture is found once for all tests that draw the same one.
_seen: dict[tuple[str, tuple[int, int], bytes, Preprocessing], np.ndarray] = {}


def _sight(shown: Image.Image | Subject, preprocessing: Preprocessing) -> np.ndarray:
    image = shown.picture if isinstance(shown, Subject) else shown
    key = (image.mode, image.size, image.tobytes(), preprocessing)
    if key not in _seen:
        _seen[key] = sight(shown, preprocessing)
    return _seen[key]


# Every `AppTest` looks through all installed packages for components of theirs: longer than a page takes, and none has.
_components = cache(manifest_scanner.scan_component_manifests)
manifest_scanner.scan_component_manifests = _components  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def nobody_else_is_asked() -> Iterator[None]:
    """No page may call another host."""
    with nobody_called() as called:
        yield
    assert called == []


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, fake_embedder: object) -> Open:
    """``open_page(workspace, "library", locale="fr-FR", class="(e")`` -> the page as it stands after its first run."""
    monkeypatch.setattr(services, "embedder", lambda: fake_embedder)
    monkeypatch.setattr(services, "in_background", lambda work: work())
    monkeypatch.setattr(services, "encoder_opens_at_once", lambda: True)
    monkeypatch.setattr(services, "follow_queue", lambda: None)
    monkeypatch.setattr(gallery, "sight", _sight)
    monkeypatch.setattr(garbage, "settle", lambda **_: None)  # a collection a view of all that pytest has loaded
    st.cache_data.clear()
    st.cache_resource.clear()

    def open_(workspace: Workspace, page: str = "overview", *, locale: str = "en-GB", **query: str) -> AppTest:
        monkeypatch.setenv(ENVIRONMENT, str(workspace.root))
        at = AppTest.from_file(str(HOME), default_timeout=60)
        at.context = {"locale": locale}
        services.prepare()  # as the first view of a server does when it ends: this one sees what it leaves
        if page != "overview":
            at.switch_page(PAGES[page])
        for name, value in query.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception
        return at

    return open_


@pytest.fixture(scope="session")
def _measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of four classes of ten, and six crosses that carry the label circle, evaluated once."""
    from core.evaluation.work import evaluate_subject, in_use
    from core.training.splits import make_split
    from core.variation.sources import originals_of

    workspace = Workspace(tmp_path_factory.mktemp("measured") / "workspace")
    for number, shape in enumerate(("circle", "cross", "bar", "triangle")):
        (workspace.raw / shape).mkdir(parents=True)
        for seed in range(10):
            path = workspace.raw / shape / f"{shape}_{seed}.png"
            path.write_bytes(png_bytes(draw(shape, seed=100 * number + seed)))
    for seed in range(6):
        (workspace.raw / "circle" / f"wrong_{seed}.png").write_bytes(png_bytes(draw("cross", seed=50 + seed)))
    dataset, embedder = Dataset(workspace), FakeEmbedder()
    dataset.rescan()
    originals = originals_of(dataset)
    # Dealt out drawing by drawing: some of these shapes are one shape moved, and would stay together.
    names = {original.path.stem: original.sha256 for original in originals}
    groups = {sha256: number for number, sha256 in enumerate(sorted(names.values()))}
    groups |= {names["bar_7"]: groups[names["bar_2"]], names["bar_6"]: groups[names["bar_5"]]}
    split = make_split(originals, groups=groups, seed=0, validation=0.15, test=0.15)
    evaluate_subject(dataset, replace(in_use(workspace, embedder, originals), split=split), "test")
    return workspace.root


@pytest.fixture
def measured(_measured: Path, tmp_path: Path) -> Workspace:
    """Your own copy of a workspace that was evaluated: one of the six wrong labels was asked, and called cross."""
    root = tmp_path / "measured"
    shutil.copytree(_measured, root)
    return Workspace(root)


@pytest.fixture
def jobs_here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``jobs_here()`` has jobs done in this process while they are started: a process of their own takes longer to
    begin than most of them to end. ``jobs_here("import", "export")``: those, and of the others none is begun."""

    def done(*kinds: str) -> None:
        def started(command: list[str], **_: Any) -> SimpleNamespace:
            folder = Path(command[-1])
            if not kinds or json.loads((folder / "job.json").read_text())["kind"] in kinds:
                job_process.run(folder)
            return SimpleNamespace(pid=os.getpid(), wait=lambda: 0)

        names = ("DEVNULL", "CREATE_NEW_PROCESS_GROUP", "CREATE_NO_WINDOW")
        how = {name: getattr(subprocess, name, 0) for name in names}
        monkeypatch.setattr(jobs, "subprocess", SimpleNamespace(Popen=started, **how))
        monkeypatch.setattr(job_process, "share", lambda workspace: None)

    return done


@pytest.fixture
def dataset_of() -> Callable[[Workspace], Dataset]:
    """A second look at a workspace: what the page wrote, read as a stranger would."""
    return Dataset


def text_of(at: AppTest) -> str:
    """Everything the page says in words, one line an element, Markdown escapes taken out."""
    kinds = (
        "title",
        "header",
        "subheader",
        "markdown",
        "caption",
        "error",
        "warning",
        "info",
        "success",
        "toast",
        "text",
    )
    return "\n".join(str(element.value) for kind in kinds for element in at.get(kind)).replace("\\", "")


def type_new(box: Selectbox, text: str) -> AppTest:
    """Type what is no option of ``box`` yet, and end it with Enter."""
    box.options.append(text)
    return box.set_value(text).run()


def component(at: AppTest, name: str) -> list[dict]:
    """The data that components of ours called ``name`` were given."""
    mounted = (element.proto for element in at.get("bidi_component"))
    return [json.loads(proto.json) for proto in mounted if proto.component_name == name]
