"""An address is something that anybody may write and send: whatever stands in it, a page opens and nothing changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.collection.dataset import Dataset
from tests.pages.conftest import PAGES

ROOT = Path(__file__).resolve().parents[2]
_READ = re.compile(r"""(?:param=|query_params(?:\.get\(|\[)|\bbind=)"([a-z_]+)\"""")
VALUES = (
    "../../../etc/passwd",
    "-1",
    "9" * 400,
    "1.1.1",
    "1e999",
    "NaN",
    "<script>alert(1)</script>![x](http://canary.invalid)",
    "a\x00b\u202e\ud800".encode("utf-8", "replace").decode(),
    "x" * 20_000,
    "%",
    "{}[]()$`\\'\"; DROP TABLE items; --",
)


def params() -> list[str]:
    """Every name that a page reads from its address, as the code says it."""
    found = {"page"}
    for path in (ROOT / "pages").rglob("*.py"):
        found |= set(_READ.findall(path.read_text(encoding="utf-8")))
    return sorted(found)


def test_the_names_are_found_in_the_code() -> None:
    assert {"item", "view", "run", "compare", "pair", "product", "class", "lang", "ids", "similar"} <= set(params())


@pytest.mark.parametrize("page", [page for page in PAGES if page != "overview"])
def test_any_text_in_an_address_opens_the_page(open_page, measured, page):
    at = open_page(measured, page)
    before = Dataset(measured).version
    for value in VALUES:
        at.query_params.clear()
        for name in params():
            at.query_params[name] = value
        at.run()
        assert not at.exception, (page, value[:40])
        assert not any("canary.invalid)" in str(each.value) for each in at.get("markdown")), value[:40]
    for name in params():  # and each by itself, since one that is refused may keep another from being read
        at.query_params.clear()
        at.query_params[name] = VALUES[0]
        at.run()
        assert not at.exception, (page, name)
    assert Dataset(measured).version == before
