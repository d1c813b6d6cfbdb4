"""Codes: what stands beside the marks of a lens in letters and figures, compared as people and readers misread them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

ALIKE = ("0OQD", "1IL|!", "2Z", "5S", "6G", "8B", "UV")  # each is easily taken for another of its group
LOOKS_LIKE = 0.25  # what taking a sign for one that looks like it costs, of one edit
_WEIGHTS = (3, 3, 2)  # of a sign put in, left out, changed: readers lose a sign less often than they misread it
_ONE_OF_EACH = str.maketrans({sign: group[0] for group in ALIKE for sign in group})


def plain(code: str) -> str:
    """A code as it is compared: capitals and figures, without spaces and what only parts them."""
    folded = unicodedata.normalize("NFKC", code).upper()
    return "".join(sign for sign in folded if sign.isalnum() or sign in "+|!")


def distances(asked: str, held: Sequence[str]) -> np.ndarray:
    """How many edits part ``asked`` from each of ``held`` (N,) float32, all of them `plain`: one for a sign that is
    changed, one and a half for one put in or left out (weighted Levenshtein); between two that look alike, `LOOKS_LIKE`
    of one."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    if not held:
        return np.empty(0, np.float32)
    alike = [code.translate(_ONE_OF_EACH) for code in held]
    weighed: dict[str, Any] = {
        "scorer": Levenshtein.distance,
        "scorer_kwargs": {"weights": _WEIGHTS},
        "dtype": np.float32,
    }
    strict = cdist([asked], held, **weighed)[0]
    lenient = cdist([asked.translate(_ONE_OF_EACH)], alike, **weighed)[0]
    return (lenient + LOOKS_LIKE * (strict - lenient)) / _WEIGHTS[2]
