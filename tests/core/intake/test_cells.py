"""Cells: nothing a spreadsheet calculates, and every text comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.intake.cells import neutral, restored


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("étoile", "étoile"),
        ("---e", "'---e"),
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("@sum", "'@sum"),
        ("+1", "'+1"),
        ("\t=1", "'\t=1"),
        ("'quoted", "''quoted"),
        (None, ""),
        (12, "12"),
    ],
)
def test_what_would_be_calculated_gets_an_apostrophe(text: object, cell: str) -> None:
    assert neutral(text) == cell


@given(st.text())
def test_every_text_comes_back(text: str) -> None:
    assert restored(neutral(text)) == text
    assert not neutral(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_other_peoples_apostrophes_stay() -> None:
    assert restored("'tis") == "'tis"
