"""Burin as somebody gets it who installs the wheel without the extras of training: commands, the app, no PyTorch.

``make test-light`` makes that environment and names its folder in BURIN_INSTALLED; without it these are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.ground import extras
from tests.chromium import free_port
from tests.conftest import draw, png_bytes

ENVIRONMENT = os.environ.get("BURIN_INSTALLED", "")
pytestmark = pytest.mark.skipif(not ENVIRONMENT, reason="BURIN_INSTALLED names no environment: see `make test-light`")
START_S = 120
MOST_MB = 1200
VIEWS = """
import json, os, sys, time
from burin import HOME
os.environ["BURIN_WORKSPACE"] = os.getcwd()
os.chdir(HOME)  # where its settings lie, as `burin run` does
sys.path.insert(0, str(HOME))
from streamlit.testing.v1 import AppTest

def opened(page):
    at = AppTest.from_file(str(HOME / "Home.py"), default_timeout=120)
    at.context = {"locale": "en-GB"}
    at.run()
    return at.switch_page(page).run() if page else at

at = opened("")
at.button(key="overview.try.name").click().run()
deadline = time.monotonic() + 120  # the encoder is opened in the background
while not (named := [each.value for each in at.title if each.value == "\u03a9"]) and time.monotonic() < deadline:
    time.sleep(1)
    at.run()
pages = {}
for script in sorted(HOME.glob("pages/[!u_]*/[!_]*.py")):
    if script.parent.name != "server":
        at = opened(page := script.relative_to(HOME).as_posix())
        pages[page] = "; ".join(each.value for each in [*at.exception, *at.error])
loaded = sorted({"torch", "torchvision", "timm", "triton"} & set(sys.modules))
at = opened("pages/model/train.py")
at.query_params["view"] = "new"
train = [each.value for each in at.run().code]
print(json.dumps({"named": named and named[0], "pages": pages, "loaded": loaded, "train": train}))
"""


def burin(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(ENVIRONMENT).resolve() / "bin" / "burin"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=clean())


def clean() -> dict[str, str]:
    """The environment of a person who knows nothing of the checkout."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BURIN", "STREAMLIT"))}


def test_it_is_light_and_has_no_pytorch():
    root = Path(ENVIRONMENT).resolve()
    size = sum(file.lstat().st_size for file in root.rglob("*") if file.is_file()) / 1e6
    assert size <= MOST_MB, f"{size:.0f} MB"
    packages = {path.name for path in (root / "lib").glob("python3*/site-packages/*")}
    assert "burin" in packages
    assert not packages & {"torch", "torchvision", "timm", "triton", "core", "pages", "playwright", "mypy"}


def test_it_says_its_version(tmp_path):
    from burin import __version__

    assert burin("--version", cwd=tmp_path).stdout == f"burin {__version__}\n"


def test_a_mark_is_named_and_training_says_what_is_missing(tmp_path):
    for shape in ("circle", "cross", "bar"):
        folder = tmp_path / "data" / "raw_gravures" / shape
        folder.mkdir(parents=True)
        for seed in range(4):
            (folder / f"{seed}.png").write_bytes(png_bytes(draw(shape, seed=seed)))
    asked = tmp_path / "asked.png"
    asked.write_bytes(png_bytes(draw("cross", seed=9)))
    done = burin("index", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = burin("identify", "--json", asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["classes"][0]["name"] == "cross"
    done = burin("evaluate", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = burin("train", cwd=tmp_path)
    assert done.returncode == 2 and "PyTorch is not installed here" in done.stderr


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that the app was started in, while it runs."""
    folder = tmp_path_factory.mktemp("started")
    command = [str(Path(ENVIRONMENT).resolve() / "bin" / "burin"), "run", "--port", str(port := free_port())]
    app = subprocess.Popen(
        command, cwd=folder, env=clean(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        deadline = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert app.poll() is None, app.stdout.read() if app.stdout else ""
                assert time.monotonic() < deadline, "it did not start"
                time.sleep(0.5)
        yield folder
    finally:
        app.terminate()
        app.wait(30)


def test_the_app_starts_with_its_settings_and_sample(started):
    assert (started / "data" / "raw_gravures").is_dir(), "the sample lies where one stands"


def test_a_photograph_is_named_and_every_page_opens(started):
    """The pages as the installed package has them, run by the environment's own Python on the sample."""
    command = [str(Path(ENVIRONMENT).resolve() / "bin" / "python"), "-c", VIEWS]
    done = subprocess.run(command, cwd=started, capture_output=True, text=True, env=clean())
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["named"] == "Ω" and told["loaded"] == []
    assert len(told["pages"]) >= 17 and set(told["pages"].values()) == {""}
    assert told["train"] == [extras.COMMAND], "the Train page says what to type"
