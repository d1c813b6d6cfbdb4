"""An address is something that anybody may write and send: whatever stands in it, a page opens and nothing changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.state.query_params import QueryParams

from core.collection.dataset import Dataset
from tests.pages.conftest import PAGES

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
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


@cache
def params() -> list[str]:
    """Every name that a page reads from its address, as the code says it."""
    found = {"page"}
    for path in (ROOT / "pages").rglob("*.py"):
        found |= set(_READ.findall(path.read_text(encoding="utf-8")))
    return sorted(found)


def test_the_names_are_found_in_the_code() -> None:
    assert {"item", "view", "run", "compare", "pair", "product", "class", "lang", "ids", "similar"} <= set(params())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names that pages have asked their address for, or bound a widget to."""
    names: set[str] = set()
    for way in ("__getitem__", "get_all", "bind_widget", "get_initial_value"):
        real = getattr(QueryParams, way)

        def noted(self: QueryParams, *given: Any, real: Callable[..., Any] = real, **how: Any) -> Any:
            names.add(how.get("param_key") or given[0])
            return real(self, *given, **how)

        monkeypatch.setattr(QueryParams, way, noted)
    return names


@pytest.mark.parametrize("page", [page for page in PAGES if page != "overview"])
def test_any_text_in_an_address_opens_the_page(open_page, measured, page, asked):
    at = open_page(measured, page)
    read = sorted(asked & set(params()))  # what is not asked for where there is nothing is not read by itself either
    assert "lang" in read
    before = Dataset(measured).version
    for value in VALUES:
        at.query_params.clear()
        for name in params():
            at.query_params[name] = value
        at.run()
        assert not at.exception, (page, value[:40])
        assert not any("canary.invalid)" in str(each.value) for each in at.get("markdown")), value[:40]
    for name in read:  # and each by itself, since one that is refused may keep another from being read
        at.query_params.clear()
        at.query_params[name] = VALUES[0]
        at.run()
        assert not at.exception, (page, name)
    assert Dataset(measured).version == before
