"""What a page must say to who does not see it: every picture and chart has its text. The rest is asked in a browser
(tests/browser/test_accessibility.py)."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHOWS = {"image", "plotly_chart", "altair_chart", "vega_lite_chart", "dataframe", "data_editor"}
NAMELESS = {"button", "popover", "download_button", "toggle", "checkbox"}


def calls() -> list[tuple[Path, ast.Call]]:
    found = []
    for path in [ROOT / "Home.py", *sorted((ROOT / "pages").rglob("*.py"))]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                found.append((path, call))
    return found


def test_every_picture_table_and_chart_has_its_text() -> None:
    lacking = [
        f"{path.relative_to(ROOT)}:{call.lineno} {call.func.attr}"
        for path, call in calls()
        if call.func.attr in SHOWS
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id not in {"Image", "widgets"}
        and "alt" not in {keyword.arg for keyword in call.keywords}
    ]
    assert not lacking, lacking


def test_a_control_that_shows_an_icon_alone_says_what_it_does() -> None:
    """Streamlit takes the help of a button without a text for its name."""
    lacking = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path, call in calls()
        if call.func.attr in {*NAMELESS, "act"}
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and not call.args[0].value
        and "help" not in {keyword.arg for keyword in call.keywords}
        and not any(keyword.arg is None for keyword in call.keywords)  # people.bar(help=...)
    ]
    assert not lacking, lacking
