"""Codes compared as people misread them."""

from __future__ import annotations

import pytest

from core.products.codes import ALIKE, LOOKS_LIKE, distances, plain


@pytest.mark.parametrize(
    ("asked", "held", "edits"),
    [
        ("T67", "t 67", 0),
        ("15/18 T67", "1518T67", 0),
        ("74", "6", 2.5),
        ("74", "71", 1),
        ("DW2", "DWZ", LOOKS_LIKE),
        ("O1S", "0I5", 3 * LOOKS_LIKE),
        ("P+", "P", 1.5),
        ("A8", "B8", 1),
        ("X0", "XO7", 1.5 + LOOKS_LIKE),
        ("", "AB", 3),
    ],
)
def test_edits(asked, held, edits):
    assert distances(plain(asked), [plain(held)])[0] == pytest.approx(edits)


def test_no_sign_is_in_two_groups_and_none_held_is_none_answered():
    signs = "".join(ALIKE)
    assert len(set(signs)) == len(signs)
    assert distances("A", []).shape == (0,)
