"""Each promise of SECURITY.md names the tests that hold it; what it names is there; the floors in it are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.ground import images
from core.ground.budget import LARGE, PIXELS
from core.ground.workspace import LEFT_S
from pages.server import ending, floors, limits

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
TEST = re.compile(r"`(tests/[\w/]+\.py)`")


def promises(text: str) -> list[str]:
    part = text.split("## What that means\n")[1].split("\n## ")[0]
    return [" ".join(one.split()) for one in re.split(r"^- ", part, flags=re.M)[1:]]


@pytest.mark.parametrize("promise", promises(TEXT), ids=lambda promise: promise[:40])
def test_a_promise_names_its_tests(promise):
    assert TEST.search(promise), promise


def test_a_promise_without_a_test_would_be_seen():
    (one,) = promises("## What that means\n\n- Nothing\n  is lost.\n\n## Roles\n- x\n")
    assert one == "Nothing is lost." and not TEST.search(one)


def test_what_is_named_is_there():
    files = set(re.findall(r"`((?:core|pages|tests)/[\w/]+\.py)", TEXT))
    assert len(files) > 20 and [file for file in sorted(files) if not (ROOT / file).is_file()] == []
    for file in TEST.findall(TEXT):
        assert "\ndef test_" in (ROOT / file).read_text("utf-8"), file
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert set(re.findall(r"`make ([a-z]+)`", TEXT)) <= set(targets)


def test_the_figures_are_the_code_s():
    from streamlit.web.server.starlette.starlette_auth_routes import AUTH_COOKIE_MAX_AGE_SECONDS

    text, million = " ".join(TEXT.split()), 1_000_000
    for figure, now in (
        (f"refused above {images.MAX_PIXELS // million} million pixels", images.MAX_PIXELS % million == 0),
        (f"one budget for the whole process, {PIXELS.limit // million} million", PIXELS.limit % million == 0),
        (f"a picture above {LARGE // million} million pixels waits", LARGE % million == 0),
        (f"{limits.A_SESSION // 1024**3} GB held a session", limits.A_SESSION % 1024**3 == 0),
        (f"and {limits.ALTOGETHER // 1024**3} GB altogether", limits.ALTOGETHER % 1024**3 == 0),
        (f"The session lasts {AUTH_COOKIE_MAX_AGE_SECONDS // 86_400} days", AUTH_COOKIE_MAX_AGE_SECONDS % 86_400 == 0),
        (f"at most {images.MAX_BYTES // million} MB a file", images.MAX_BYTES % million == 0),
        ("swept after a day", LEFT_S == 86_400),
        (f"does so within {ending.MOST_S} seconds", ending.PATIENCE_S < ending.MOST_S),
        (f"answers that are under way have {ending.PATIENCE_S} of them", ending.MOST_S < 10),
    ):
        assert figure in text and now, figure


def test_what_is_below_a_floor_is_said_in_one_line(monkeypatch, caplog):
    assert floors.too_old(floors.PYTHON, floors.SQLITE) == floors.too_old((3, 12, 0), (4, 0, 0)) == ""
    python, sqlite = floors.too_old((3, 11, 13), (3, 40, 0)), floors.too_old((3, 13, 0), (3, 39, 1))
    assert "Python 3.11.13 (at least 3.11.14)" in python and "SQLite" not in python
    assert "SQLite 3.39.1 (at least 3.39.2)" in sqlite and "Python" not in sqlite
    for name, floor in (("Python", floors.PYTHON), ("SQLite", floors.SQLITE)):
        assert f"{name} {'.'.join(map(str, floor))} or newer" in " ".join(TEXT.split())
    monkeypatch.setattr(floors.sqlite3, "sqlite_version_info", (3, 8, 0))
    floors.say()
    (record,) = caplog.records
    assert "SQLite 3.8.0" in record.message and "\n" not in record.message
