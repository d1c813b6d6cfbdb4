"""Which marks there are: a table of letters, signs and fences, and endless random marks built from them.

Forms only (strokes in a unit square); `core.synthesis.drawing` makes pictures of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.synthesis.strokes import Stroke, Template, bend, mirrored, path, placed, read, ring, turned

# Letters as handwriting has them, each filling its unit box. The notation is `core.synthesis.strokes.read`'s.
LETTERS: dict[str, tuple[Stroke, ...]] = {
    letter: read(notation)
    for letter, notation in {
        "a": "~ 82 20 50 2 10 30 8 72 40 97 78 70 84 15 80 75 100 97",
        "b": "- 12 0 12 95 ~ 12 60 50 40 92 62 70 97 15 92",
        "c": "( 62 50 58 50 -48 -312",
        "d": "( 48 70 42 30 -25 -335 / - 88 0 88 100",
        "e": "~ 8 56 50 52 86 40 72 10 40 4 10 35 10 70 40 98 92 84",
        "h": "- 12 0 12 100 ~ 12 65 50 42 85 58 88 100",
        "k": "- 12 0 12 100 / - 85 35 14 66 90 100",
        "l": "~ 40 0 38 45 40 88 62 100 85 90",
        "m": "- 4 5 8 100 ~ 8 50 25 5 45 15 48 100 ~ 48 50 68 5 90 18 95 100",
        "n": "- 10 2 12 100 ~ 12 50 45 3 82 20 88 100",
        "o": "o 50 50 45 50",
        "q": "o 42 35 38 34 / - 82 2 82 100",
        "r": "- 20 2 22 100 ~ 22 45 45 8 90 10",
        "s": "~ 86 16 50 1 16 20 40 46 78 64 76 90 45 100 10 84",
        "t": "~ 50 0 48 60 52 92 75 100 95 88 / - 10 30 90 26",
        "u": "~ 8 0 10 65 35 98 70 85 88 30 90 0",
        "v": "- 5 0 48 100 95 0",
        "w": "- 0 0 25 100 50 25 76 100 100 0",
        "x": "- 8 0 92 100 / - 92 0 8 100",
        "y": "- 6 0 50 55 / - 94 0 20 100",
        "z": "- 8 4 92 0 6 100 96 96",
        "A": "- 2 100 50 0 98 100 / - 22 62 80 60",
        "E": "- 90 2 12 0 10 100 92 98 / - 10 50 76 48",
        "F": "- 90 0 12 2 10 100 / - 12 48 74 46",
        "G": "( 55 50 50 50 -50 -345 - 98 58 60 56",
        "H": "- 8 0 10 100 / - 90 0 90 100 / - 10 50 90 48",
        "J": "- 30 0 100 0 / ~ 68 0 70 70 40 100 5 80",
        "N": "- 6 100 8 0 90 100 92 0",
        "P": "- 12 0 12 100 / ~ 12 3 70 2 90 30 60 55 12 55",
        "R": "- 12 0 12 100 / ~ 12 3 70 2 88 28 60 50 12 50 - 50 52 92 100",
        "T": "- 2 2 98 0 / - 50 0 50 100",
        "Y": "- 3 0 50 50 97 0 / - 50 50 50 100",
        "1": "- 20 25 55 0 55 100",
        "2": "~ 10 25 45 1 85 20 65 55 8 100 - 8 100 95 98",
        "3": "~ 12 12 50 0 80 22 38 46 ~ 38 46 88 62 70 96 8 90",
        "4": "- 65 100 68 0 6 68 96 66",
        "7": "- 5 2 92 0 38 100 / - 30 50 86 48",
        "8": "~ 50 47 25 36 16 20 28 5 50 0 72 5 84 20 75 36 50 47 20 60 10 78 22 94 50 100 78 94 90 78 80 60 z",
    }.items()
}

SIGNS: dict[str, tuple[Stroke, ...]] = {
    sign: read(notation)
    for sign, notation in {
        "circle": "o 50 50 50 50",
        "square": "- 0 0 100 0 100 100 0 100 z",
        "triangle": "- 50 0 100 92 0 92 z*",
        "diamond": "- 50 0 100 50 50 100 0 50 z",
        "hexagon": "- 100 50 75 93 25 93 0 50 25 7 75 7 z",
        "pentagon": "- 50 0 98 35 79 90 21 90 2 35 z",
        "star": "- 50 0 62 33 98 35 70 56 79 90 50 71 21 90 30 56 2 35 38 33 z*",
        "spark": "- 50 0 61 39 100 50 61 61 50 100 39 61 0 50 39 39 z*",
        "asterisk": "- 0 50 100 50 / - 25 7 75 93 / - 75 7 25 93",
        "moon": "( 55 50 50 50 -60 -300 ~ 80 93 45 72 40 35 80 7 z*",
        "arrow": "- 0 50 100 50 / - 68 20 100 50 68 80",
        "wave": "~ 0 60 12 42 26 42 40 60 53 62 66 44 80 42 94 60",
        "crossed": "o 50 50 42 42 / - 0 100 100 0",
        "plus": "- 50 0 50 100 / - 0 50 100 50",
        "eye": "~ 0 50 25 28 50 20 75 28 100 50 / ~ 0 50 25 72 50 80 75 72 100 50 / o 50 50 15 15 z*",
        "omega": "- 2 98 34 96 ~ 34 96 30 80 8 48 22 12 50 0 78 12 92 48 70 80 66 96 - 66 96 98 98",
        "pi": "~ 0 16 16 3 50 5 100 0 / ~ 34 5 32 50 18 100 / ~ 70 3 68 60 74 95 96 88",
        "psi": "~ 4 10 10 50 50 68 90 50 96 10 / - 50 0 50 100",
        "peak": "~ 0 100 30 82 46 40 50 0 ~ 50 0 54 40 70 82 100 100",
        "infinity": "~ 50 50 66 36 82 30 95 36 100 50 95 64 82 70 66 64 50 50 34 36 18 30 5 36 0 50 5 64 18 70 34 64 z",
        "spiral": "~ 50 50 57 52 55 63 42 66 30 56 33 36 52 26 76 36 82 60 68 84 42 90 14 74 6 44 20 16 46 4",
        "bolt": "- 62 0 20 56 50 54 34 100 80 40 50 42 z*",
        "heart": "~ 50 100 8 56 6 20 30 4 50 24 ~ 50 24 70 4 94 20 92 56 50 100 z*",
        "drop": "~ 50 0 62 30 84 62 70 94 30 94 16 62 38 30 50 0",
        "house": "- 10 45 10 100 90 100 90 45 / - 0 52 50 0 100 52",
        "hourglass": "- 5 0 95 0 5 100 95 100 z",
        "anchor": "o 50 10 10 10 / - 50 20 50 98 / - 26 36 74 36 / ~ 2 62 14 88 50 99 86 88 98 62",
        "leaf": "~ 0 100 4 40 45 6 100 0 / ~ 100 0 96 55 60 96 0 100 / - 16 84 70 30",
        "fish": "~ 100 25 70 62 35 72 0 50 ~ 0 50 35 28 70 38 100 75",
        "crown": "- 4 100 0 25 28 62 50 8 72 62 100 25 96 100 z",
        "flag": "- 12 0 12 100 / - 12 4 92 26 12 50 z*",
        "key": "o 24 50 24 24 / - 48 50 100 50 / - 80 50 80 68 / - 96 50 96 72",
        "ripples": "o 50 95 7 7 z* / ( 50 95 26 26 -148 -32 / ( 50 95 52 54 -144 -36 / ( 50 95 80 85 -140 -40",
        "play": "- 0 0 86 50 0 100 z*",
        "check": "- 0 55 36 100 100 0",
        "chevron": "- 0 70 50 20 100 70",
        "step": "- 0 100 42 96 50 4 98 0",
        "smile": "( 50 10 50 60 160 20",
        "bar": "- 0 50 100 50",
        "dot": "o 50 50 50 50 z*",
    }.items()
}

# What stands to the left of a mark, in a tall unit box; on the right stands the mirror image.
FENCES: dict[str, tuple[Stroke, ...]] = {
    fence: read(notation)
    for fence, notation in {
        "(": "~ 85 0 30 22 10 50 30 78 85 100",
        "[": "- 90 0 20 2 20 98 90 100",
        "{": "~ 95 0 55 6 50 38 10 50 50 62 55 94 95 100",
        "<": "- 95 0 10 50 95 100",
        "|": "- 50 0 50 100",
    }.items()
}


def fenced(inner: Sequence[Stroke], *, left: str = "", right: str = "") -> list[Stroke]:
    """``inner``, in the unit square, between fences; each is named by its left form: ``right="("`` draws ``)``."""
    out = list(inner)
    if left:
        out += placed(FENCES[left], -0.62, -0.3, 0.5, 1.6)
    if right:
        out += placed(mirrored(FENCES[right]), 1.12, -0.3, 0.5, 1.6)
    return out


def written(text: str) -> list[Stroke]:
    """Letters of `LETTERS` side by side on one line, one unit high."""
    return [s for i, letter in enumerate(text) for s in placed(LETTERS[letter], i * 0.92, 0, 0.72, 1)]


def random_template(rng: np.random.Generator) -> Template:
    """A new mark that looks designed: letters, signs and free strokes, framed, stacked, mirrored or repeated."""
    return Template.of(_COMPOSERS[rng.choice(len(_COMPOSERS), p=_WEIGHTS)](rng))


def _unit(strokes: Sequence[Stroke]) -> list[Stroke]:
    return list(Template.of(strokes).strokes)


def _pick(rng: np.random.Generator, table: dict[str, tuple[Stroke, ...]]) -> list[Stroke]:
    return list(table[list(table)[rng.integers(len(table))]])


def _atom(rng: np.random.Generator) -> list[Stroke]:
    """A letter, a sign, or a sign or free stroke turned or mirrored."""
    kind = rng.random()
    if kind < 0.4:
        return placed(_pick(rng, LETTERS), 0.12, 0, 0.76, 1)
    if kind < 0.8:
        sign = Template.of(_pick(rng, SIGNS))
        if rng.random() < 0.4:
            sign = sign.turned(float(rng.choice([90, 180, 270, 45])))
        return list(sign.strokes)
    return _unit(_free(rng))


def _free(rng: np.random.Generator) -> list[Stroke]:
    """One to three strokes that mean nothing, bent or angular."""
    out = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))):
        count = int(rng.integers(3, 7))
        steps = rng.normal(0, 1, (count, 2)) * 0.3
        walk = np.cumsum(steps, axis=0) * 0.7 + rng.uniform(0, 1, 2) + rng.uniform(-0.35, 0.35, (count, 2))
        make = bend if rng.random() < 0.65 else path
        out.append(make(*((x, y) for x, y in walk.tolist()), closed=bool(rng.random() < 0.2)))
    return out


def _word(rng: np.random.Generator) -> list[Stroke]:
    count = int(rng.choice([1, 2, 3], p=[0.25, 0.5, 0.25]))
    return _unit(written("".join(list(LETTERS)[i] for i in rng.integers(len(LETTERS), size=count))))


def _framed(rng: np.random.Generator) -> list[Stroke]:
    """Something inside a closed outline."""
    frame = _unit(SIGNS[str(rng.choice(["circle", "square", "diamond", "hexagon", "triangle", "drop", "eye"]))][:1])
    if rng.random() < 0.3:
        frame = placed(frame, -0.2, 0.1, 1.4, 0.8)
    inner = _word(rng) if rng.random() < 0.5 else _atom(rng)
    size = rng.uniform(0.36, 0.55)
    return frame + placed(_unit(inner), 0.5 - size / 2, 0.52 - size / 2, size, size)


def _between(rng: np.random.Generator) -> list[Stroke]:
    """Something with a fence on one or both sides."""
    inner = _unit(_word(rng) if rng.random() < 0.6 else _atom(rng))
    sides = int(rng.integers(3))
    left, other = (str(f) for f in rng.choice(list(FENCES), 2))
    right = left if rng.random() < 0.7 else other
    return fenced(inner, left=left if sides != 1 else "", right=right if sides else "")


def _accented(rng: np.random.Generator) -> list[Stroke]:
    """Something with bars, roofs, bowls, rays or dots around it."""
    out = _unit(_word(rng) if rng.random() < 0.5 else _atom(rng))
    above = rng.choice(["bar", "chevron", "smile", "dot", "wave", ""])
    below = rng.choice(["bar", "chevron", "smile", "dot", "wave", ""])
    for name, y in ((above, -0.42), (below, 1.12)):
        for i in range(int(rng.choice([1, 2], p=[0.75, 0.25])) if name else 0):
            width = 0.16 if name == "dot" else rng.uniform(0.8, 1.4)
            lift = i * (-0.22 if y < 0 else 0.22)
            out += placed(SIGNS[str(name)], 0.5 - width / 2, y + lift, width, 0.16 if name == "dot" else 0.3)
    if rng.random() < 0.25 or not (above or below):
        for i in range(int(rng.integers(2, 5))):
            y = 0.1 + i * 0.27
            out.append(path((-0.75, y - 0.05), (-0.2, y + float(rng.uniform(-0.06, 0.06)))))
    return out


def _row(rng: np.random.Generator) -> list[Stroke]:
    """Two to four things side by side, or one above the other, sometimes with dashes between."""
    count = int(rng.choice([2, 3, 4], p=[0.55, 0.3, 0.15]))
    upright, dashed = rng.random() < 0.25, rng.random() < 0.3
    same = _unit(_atom(rng))
    repeat = rng.random() < 0.35
    out: list[Stroke] = []
    for i in range(count):
        item = same if repeat else _unit(_atom(rng))
        if repeat and i % 2 and rng.random() < 0.5:
            item = mirrored(item)
        at = i * 1.45 if dashed else i * 1.15
        out += placed(item, 0 if upright else at, at if upright else 0, 1, 1)
        if dashed and i < count - 1:
            out.append(path((0.5, at + 1.15), (0.5, at + 1.3)) if upright else path((at + 1.12, 0.5), (at + 1.33, 0.5)))
    return out


def _symmetric(rng: np.random.Generator) -> list[Stroke]:
    """Free strokes and their mirror image, sometimes on a stem."""
    half = placed(_unit(_free(rng)), 0.52, 0, 0.48, 1)
    out = half + mirrored(half)
    if rng.random() < 0.4:
        out.append(path((0.5, -0.1), (0.5, 1.1)))
    return out


def _wheel(rng: np.random.Generator) -> list[Stroke]:
    """One stroke repeated around a centre, sometimes with a hub."""
    folds = int(rng.integers(3, 9))
    spoke = placed(_unit(_free(rng) if rng.random() < 0.4 else _pick(rng, SIGNS)), 0.42, -0.13, 0.5, 0.26)
    if rng.random() < 0.4:
        spoke = [path((0.45, 0), (0.95, float(rng.uniform(-0.1, 0.1))))]
    out = [s for i in range(folds) for s in turned(spoke[:2], 360 * i / folds)]
    if rng.random() < 0.6:
        out.append(ring(0, 0, float(rng.uniform(0.2, 0.38))))
    return out


def _crossed_out(rng: np.random.Generator) -> list[Stroke]:
    """Something with one stroke through it."""
    out = _unit(_atom(rng))
    turn = float(rng.choice([0, 0.5, -0.5]))
    return [*out, path((-0.15, 0.5 + turn * 1.2), (1.15, 0.5 - turn * 1.2))]


_COMPOSERS = (_atom, _word, _free, _framed, _between, _accented, _row, _symmetric, _wheel, _crossed_out)
_WEIGHTS = (0.08, 0.1, 0.12, 0.14, 0.14, 0.14, 0.12, 0.07, 0.05, 0.04)
