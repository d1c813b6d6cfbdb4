"""What is clicked while a page is still being drawn is done once it is, also where the page ends early."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.chromium import PAGE_TIMEOUT_MS, serving

PAGE = """
import time
import streamlit as st
from pages.ui.state import end_page

@st.fragment
def panel():
    st.button("Press", on_click=lambda: st.session_state.update(pressed=True))
    st.write("It was pressed" if st.session_state.get("pressed") else "Not yet")

panel()
st.write("Still drawing")
time.sleep(3)
end_page()
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a page with a fragment, which takes three seconds more and ends early."""
    (tmp_path / "page.py").write_text(PAGE)
    with serving(tmp_path / "page.py") as (_process, port, _log):
        yield f"http://127.0.0.1:{port}"


def test_a_click_in_a_page_that_then_ends_early_is_not_forgotten(browser: Browser, address: str) -> None:
    page = browser.new_context().new_page()
    page.goto(address)
    expect(page.get_by_text("Still drawing")).to_be_visible(timeout=PAGE_TIMEOUT_MS)
    page.get_by_role("button", name="Press").click()
    expect(page.get_by_text("It was pressed")).to_be_visible(timeout=PAGE_TIMEOUT_MS)
    page.context.close()
