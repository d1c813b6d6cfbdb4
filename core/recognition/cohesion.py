"""Cohesion: how alike the references of one class are, which is what a new mark of it should reach; and its twin: how
like those of another class they are, which any mark reaches more easily.

A class drawn in one way by everybody answers at 0.95, one drawn in many ways at 0.7; a similarity
says little until it is held against that. Arrays in, arrays out; verdicts are `core.recognition.calibrate`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAR_COPY = 0.9995  # cosine above which two references of a class count as one original
KEPT = 512  # references of a class that are compared with one another: more change its mean by less than its error
USUAL = 20  # references' worth of the usual cohesion
SHRINK = 2.0  # references' worth of the mean over all classes that is mixed in: one pair alone says little


@dataclass(frozen=True)
class Siblings:
    """For each reference (N,): the similarity to its most alike other original in its class (``best``; nan
    where there is none, or where it was not looked at), to the ``second``, and the row ``nearest`` of the best."""

    best: np.ndarray
    second: np.ndarray
    nearest: np.ndarray

    usual: float = 0.0

    @property
    def typical(self) -> float:
        """The mean over all references, and over `USUAL` more that have the ``usual`` one: few pairs say little."""
        known = self.best[np.isfinite(self.best)]
        return float((known.sum() + USUAL * self.usual) / (len(known) + USUAL))


def siblings(vectors: np.ndarray, own: np.ndarray, *, usual: float) -> Siblings:
    """Compare the references (N, D), L2-normalised, of each class (``own`` (N,)); near copies count as one.

    ``usual``: how alike references of one class are where nothing is known."""
    count = len(vectors)
    found = Siblings(np.full(count, np.nan), np.full(count, np.nan), np.full(count, -1), usual)
    for class_ in np.unique(own):
        rows = np.flatnonzero(own == class_)[:KEPT]
        if len(rows) < 2:
            continue
        alike = vectors[rows] @ vectors[rows].T
        alike[alike > NEAR_COPY] = -np.inf  # itself too
        nearest = alike.argmax(axis=1)
        places = np.arange(len(rows))
        best = alike[places, nearest].copy()
        alike[places, nearest] = -np.inf
        second = alike.max(axis=1)
        found.best[rows] = np.where(np.isfinite(best), best, np.nan)
        found.second[rows] = np.where(np.isfinite(second), second, np.nan)
        found.nearest[rows] = rows[nearest]
    return found


def cohesion(found: Siblings, own: np.ndarray, count: int) -> np.ndarray:
    """Of classes 0 to ``count`` - 1: the mean of their references' ``best``, shrunk to the mean of all, (count,)."""
    known = np.isfinite(found.best)
    sums = np.bincount(own[known], weights=found.best[known], minlength=count)
    return _shrunk(sums, np.bincount(own[known], minlength=count), found.typical)


def cohesion_without(found: Siblings, own: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """For each of ``rows`` (M,): the cohesion of its class as it would be without it, (M,)."""
    out = np.empty(len(rows))
    members = {class_: np.flatnonzero((own == class_) & np.isfinite(found.best)) for class_ in np.unique(own[rows])}
    for i, row in enumerate(rows):
        others = members[own[row]]
        others = others[others != row]
        values = np.where(found.nearest[others] == row, found.second[others], found.best[others])
        values = values[np.isfinite(values)]
        out[i] = _shrunk(values.sum(), np.asarray(len(values)), found.typical)
    return out


@dataclass(frozen=True)
class Others:
    """For each reference (N,) of a class ``own`` (N,): the likeliest other ``classes`` (N, K), -1 where there are
    fewer, and its ``similarities`` to them (N, K), nan there. ``alone``: what a class without any other has."""

    own: np.ndarray
    classes: np.ndarray
    similarities: np.ndarray
    alone: float

    def twins(self, count: int) -> np.ndarray:
        """Of classes 0 to ``count`` - 1, the mean of what their references share with the most alike other class,
        (count,); the mean of all for a class that was not looked at."""
        best = np.nanmax(self.similarities, axis=1, initial=-1.0)
        best[self.classes[:, 0] < 0] = self.alone
        counts = np.bincount(self.own, minlength=count)
        usual = best.mean() if len(best) else self.alone
        return np.where(counts, np.bincount(self.own, best, count) / np.maximum(counts, 1), usual)

    def twins_without(self, named: np.ndarray, out: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The twin of each class ``named``, as it would be without the class ``out``, and without the reference in
        ``rows`` where the class has others (-1 for neither); ``alone`` where none is named. All of one shape."""
        found: dict[tuple[int, int, int], float] = {}
        members = {class_: np.flatnonzero(self.own == class_) for class_ in np.unique(named).tolist()}
        keys = list(zip(*(each.ravel().tolist() for each in (named, out, rows)), strict=True))
        for key in keys:
            if key in found:
                continue
            class_, gone, row = key
            mine = members[class_]
            mine = mine[mine != row] if len(mine) > 1 else mine
            left = np.where(self.classes[mine] == gone, np.nan, self.similarities[mine])
            best = np.nan_to_num(left, nan=-np.inf).max(axis=1, initial=-np.inf)
            found[key] = float(np.where(np.isfinite(best), best, self.alone).mean()) if len(mine) else self.alone
        return np.array([found[key] for key in keys]).reshape(named.shape)


def _shrunk(sums: np.ndarray, counts: np.ndarray, typical: float) -> np.ndarray:
    return (sums + SHRINK * typical) / (counts + SHRINK)
