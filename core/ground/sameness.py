"""Sameness: whether two pictures are one drawing, saved again, framed, moved, turned a little, inverted or resized.

Judged on the ink that the model sees, so that a border or the size of the page plays no part. Two drawings of one
simple mark are not one: only such a difference is allowed as saving a picture again makes. It opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.ground.ink import find_ink
from core.ground.kinds import is_flat

VERSION = 1  # goes up whenever `look` gives another picture for the same input
SIDE = 40  # px: side of the ink that copies are compared by
PAGE = 16  # px: side of the whole page

# Chosen on the 643 shared drawings and 2720 characters of Omniglot with 13 kinds of copies of each: no two drawings
# pass, and of the copies 0 to 4 % of a kind are missed (half of 64 px is worst).
_EXACT, _EXACT_GROWN, _EXACT_MOVED = 0.22, 0.02, 0.075  # px of SIDE, log of the scale: one drawing, moved a little
_APART, _MOVED, _GROWN = 0.75, 0.035, 0.045  # the most where the page's middle stayed (share of its side), less of both
_STILL_APART, _STILL_MOVED, _STILL_GROWN, _STILL_TURNED = 1.1, 0.02, 0.035, 1.5  # the most where it was not turned
_LINE = 0.2  # width to length: a straight line is like every other one, so that its place has to be the same too
_LINE_APART, _LINE_MOVED, _LINE_GROWN = 0.25, 0.012, 0.02
_PHOTO_APART = 0.12  # tight photographs of one sign lie nearer to one another than two drawings do
_PAGES = 0.97  # correlation of whole pages from which they are one picture saved twice...
_FILLED = 0.08  # ...where the ink spreads as wide as this: of a small mark on a large page a page shows nothing

_SPREAD = 0.22  # of SIDE: the root mean square distance of the ink from its middle
_BLUR = 1.0  # px of SIDE: so that a shift by less than a pixel shows as a small difference
_COARSE = 10  # px: side at which candidates are looked for
_TURNS = (-8.0, -4.0, 0.0, 4.0, 8.0)  # degrees: turned by more, it is another way of engraving
_CANDIDATE, _PROMISING = 0.94, 0.93  # correlations of the least alike copies, less a little
_STEPS, _ENOUGH = 8, 1e-3
_TRIED = 32  # candidates that are looked at for one picture
_BLOCK = 512
_TONE = 12  # grey levels that the frame around a photograph may differ by
_MIDDLE = (SIDE - 1) / 2
_Y, _X = (axis.astype(np.float32).ravel() - np.float32(_MIDDLE) for axis in np.mgrid[0:SIDE, 0:SIDE])

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """A picture as copies are compared.

    ``ink`` (SIDE, SIDE) uint8: its ink, centred on its middle and scaled by its spread; all 0 where there is none.
    ``place`` (4,) float32: where that middle lies from the page's (x, y) and how far the ink spreads, in shares of the
    page's longer side, and that side in pixels. ``page`` (PAGE, PAGE) uint8: all of it in greys. ``photo``: its
    background is not of one tone.
    """

    ink: np.ndarray
    place: np.ndarray
    page: np.ndarray
    photo: bool

    def to_bytes(self) -> bytes:
        return b"".join(
            (self.ink.tobytes(), self.page.tobytes(), self.place.astype("<f4").tobytes(), bytes([self.photo]))
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` gave; raises ValueError on anything else."""
        if len(data) != BYTES:
            raise ValueError("not a look")
        ink = np.frombuffer(data, np.uint8, SIDE * SIDE).reshape(SIDE, SIDE)
        page = np.frombuffer(data, np.uint8, PAGE * PAGE, SIDE * SIDE).reshape(PAGE, PAGE)
        place = np.frombuffer(data, "<f4", 4, SIDE * SIDE + PAGE * PAGE).astype(np.float32)
        return cls(ink, place, page, bool(data[-1]))

    @classmethod
    def nothing(cls) -> Self:
        """Of a picture that cannot be read: like no other."""
        return cls(np.zeros((SIDE, SIDE), np.uint8), np.zeros(4, np.float32), np.zeros((PAGE, PAGE), np.uint8), False)

    @cached_property
    def blank(self) -> bool:
        return not self.ink.any()

    @cached_property
    def line(self) -> bool:
        """Whether it is one straight stroke."""
        moments = cv2.moments(self.ink.astype(np.float32))
        least, most = np.linalg.eigvalsh([[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]])
        return bool(max(least, 0) < _LINE**2 * most)

    @cached_property
    def _strokes(self) -> Floats:
        return self.ink.astype(np.float32)

    @cached_property
    def _loss(self) -> float:
        """By how much its correlation with itself falls at a shift by one pixel: what a difference is measured in."""
        unit = _unit(self._strokes)
        shifted = (_unit(np.roll(self._strokes, shift, axis)) for shift, axis in ((1, 0), (1, 1)))
        return max(1 - sum(float(np.vdot(unit, each)) for each in shifted) / 2, 1e-4)


BYTES = SIDE * SIDE + PAGE * PAGE + 4 * 4 + 1


def look(image: Image.Image) -> Look:
    """What is kept of a decoded picture to compare it with others."""
    image = _trimmed(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    photo = not is_flat(image)
    page = np.asarray(image.convert("L").resize((PAGE, PAGE), Image.Resampling.BOX), np.uint8)
    ink, place = _inked(image)
    return Look(ink, place, page, photo)


def same(one: Look, other: Look) -> bool:
    """Whether both show one drawing, or one photograph."""
    if _one_page(one, other):
        return True
    if one.blank or other.blank:
        return False
    return _within(one, other, _laid_over(one._strokes, other._strokes))


def pairs(
    looks: Sequence[Look],
    *,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[int, int]]:
    """The places (i, j), i < j, of all that are the `same`; every pair is compared. Ends early when stopped."""
    index = Index()
    for at, one in enumerate(looks):
        index.add(at, one)
    for start in range(0, len(looks), _BLOCK):
        if should_stop():
            return
        if on_progress:
            on_progress(start, len(looks))
        block = looks[start : start + _BLOCK]
        alike = index.alike(block, upto=start + len(block))
        for row, other in zip(*np.nonzero(alike >= _CANDIDATE), strict=True):
            at = start + int(row)
            if other < at and same(looks[at], looks[int(other)]):
                yield int(other), at


class Index:
    """Pictures, each under a number, among which copies of another are looked for. Numbers are given once."""

    def __init__(self) -> None:
        self._count = 0
        self._numbers = np.zeros(64, np.int64)
        self._coarse = np.zeros((64, _COARSE * _COARSE), np.float32)
        self._pages = np.zeros((64, PAGE * PAGE), np.float16)
        self._looks: list[Look] = []

    def __len__(self) -> int:
        return self._count

    def add(self, number: int, one: Look) -> None:
        if self._count == len(self._numbers):
            self._numbers, self._coarse, self._pages = (
                np.concatenate([held, np.zeros_like(held)]) for held in (self._numbers, self._coarse, self._pages)
            )
        self._numbers[self._count] = number
        self._coarse[self._count] = _coarse(one._strokes)
        self._pages[self._count] = _page(one)
        self._looks.append(one)
        self._count += 1

    def find(self, one: Look, *, but: Collection[int] = ()) -> int | None:
        """The number of a picture that is the `same` as ``one``, the most alike first; None without any. Those
        numbered in ``but`` are passed over."""
        alike = self.alike([one])[0]
        likely = np.flatnonzero(alike >= _CANDIDATE)
        if but:
            likely = likely[~np.isin(self._numbers[likely], list(but))]
        for at in likely[np.argsort(-alike[likely], kind="stable")][:_TRIED].tolist():
            if same(one, self._looks[at]):
                return int(self._numbers[at])
        return None

    def alike(self, some: Sequence[Look], *, upto: int | None = None) -> Floats:
        """How alike ``some`` (B,) and those in the index are at a glance, (B, N), turned as they may be."""
        count = self._count if upto is None else min(upto, self._count)
        found = np.stack([_page(one) for one in some]) @ self._pages[:count].astype(np.float32).T
        found[found < _PAGES - 0.005] = -1  # as float16 they are a little off
        for turn in _TURNS:
            turned = np.stack([_coarse(_turned(one._strokes, turn)) for one in some])
            np.maximum(found, turned @ self._coarse[:count].T, out=found)
        return found


@dataclass(frozen=True)
class _Fit:
    """One picture laid over another by a similarity: their ``correlation``, the ``turn`` in radians, the logarithm of
    how much it had to grow, and the shift in pixels of SIDE."""

    correlation: float
    turn: float
    grown: float
    x: float
    y: float


def _within(one: Look, other: Look, fit: _Fit) -> bool:
    """Whether what is left of the difference, and what it took, are those of a copy."""
    apart = float(np.sqrt(max(1 - fit.correlation, 0) / ((one._loss + other._loss) / 2)))
    if one.photo and other.photo:
        return apart <= _PHOTO_APART
    moved, grown = _on_the_page(one, other, fit)
    if one.line or other.line:
        return apart <= _LINE_APART and moved <= _LINE_MOVED and grown <= _LINE_GROWN
    still = (
        abs(np.degrees(fit.turn)) <= _STILL_TURNED
        and apart / _STILL_APART + moved / _STILL_MOVED <= 1
        and grown <= _STILL_GROWN
    )
    exact = apart <= _EXACT and grown <= _EXACT_GROWN and moved <= _EXACT_MOVED
    return exact or still or (apart / _APART + moved / _MOVED <= 1 and grown <= _GROWN)


def _on_the_page(one: Look, other: Look, fit: _Fit) -> tuple[float, float]:
    """How far the page's middle moved, as a share of its side, and the logarithm of how much the picture was scaled:
    against its page or in pixels, the less of both, since a copy keeps one or the other."""
    unit, others = one.place[2] / (_SPREAD * SIDE), other.place[2] / (_SPREAD * SIDE)
    cosine, sine = np.cos(fit.turn) * np.exp(fit.grown), np.sin(fit.turn) * np.exp(fit.grown)
    x, y = -one.place[:2] / unit
    landed = other.place[:2] + others * np.array([cosine * x - sine * y + fit.x, sine * x + cosine * y + fit.y])
    scaled = fit.grown + float(np.log(others / unit))
    pixels = scaled + float(np.log(other.place[3] / one.place[3]))
    return float(np.hypot(*landed)), min(abs(scaled), abs(pixels))


def _one_page(one: Look, other: Look) -> bool:
    filled = (one.photo and other.photo) or min(one.place[2], other.place[2]) >= _FILLED
    return filled and float(_page(one) @ _page(other)) >= _PAGES


def _laid_over(one: Floats, other: Floats) -> _Fit:
    """``other`` laid over ``one``: the best of the turns, then Gauss and Newton's steps towards the best similarity,
    with the ink's darkness free (Lucas and Kanade 1981, https://www.ijcai.org/Proceedings/81-2/Papers/017.pdf)."""
    wanted = _unit(one)
    correlation, turn = max((float(np.vdot(wanted, _unit(_turned(other, each)))), each) for each in _TURNS)
    best = _Fit(correlation, float(np.radians(-turn)), 0.0, 0.0, 0.0)
    if correlation < _PROMISING - (0.0 if turn == 0 else 0.02):
        return best
    turn, grown, x, y = best.turn, 0.0, 0.0, 0.0
    for _ in range(_STEPS):
        cosine, sine = np.cos(turn) * np.exp(grown), np.sin(turn) * np.exp(grown)
        move = np.array(
            [
                [cosine, -sine, _MIDDLE + x - (cosine - sine) * _MIDDLE],
                [sine, cosine, _MIDDLE + y - (sine + cosine) * _MIDDLE],
            ]
        )
        laid = cv2.warpAffine(other, move, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        centred = laid - laid.mean()
        length = float(np.linalg.norm(centred)) + 1e-6
        correlation, gained = float(np.vdot(wanted, centred)) / length, best.correlation
        if correlation > gained:
            best = _Fit(correlation, turn, grown, x, y)
        if 0 <= correlation - gained < _ENOUGH / 10:
            break
        right, down = (cv2.Sobel(laid, cv2.CV_32F, dx, 1 - dx, ksize=3, scale=1 / 8).ravel() for dx in (1, 0))
        slopes = np.stack([down * _X - right * _Y, right * _X + down * _Y, right, down, centred.ravel()], axis=1)
        slopes -= slopes.mean(axis=0)
        normal = slopes.T @ slopes
        normal[np.diag_indices(5)] += _ENOUGH * np.trace(normal) / 5
        step = np.linalg.solve(normal, slopes.T @ (wanted.ravel() * length - centred.ravel()))
        turn, grown = turn + float(step[0]), float(np.clip(grown + step[1], -0.25, 0.25))
        x, y = x + float(cosine * step[2] - sine * step[3]), y + float(sine * step[2] + cosine * step[3])
    return best


def _inked(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    side = max(image.size)
    nothing = np.zeros((SIDE, SIDE), np.uint8), np.array([0, 0, 0, side], np.float32)
    found = find_ink(image)
    if found is None:
        return nothing
    ink = np.minimum(found.strength.astype(np.float32) / found.full, 1)
    ink[found.strength < found.level / 2] = 0
    moments = cv2.moments(ink)
    if not moments["m00"]:
        return nothing
    x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    spread = max(float(np.sqrt((moments["mu20"] + moments["mu02"]) / moments["m00"])), 0.5)
    scale = _SPREAD * SIDE / spread
    if scale < 1:
        ink = cv2.GaussianBlur(ink, (0, 0), 0.5 / scale)
    move = np.array([[scale, 0, _MIDDLE - scale * x], [0, scale, _MIDDLE - scale * y]])
    ink = cv2.GaussianBlur(cv2.warpAffine(ink, move, (SIDE, SIDE), flags=cv2.INTER_LINEAR), (0, 0), _BLUR)
    away = found.x + found.scale * x - image.width / 2, found.y + found.scale * y - image.height / 2
    place = np.array([away[0] / side, away[1] / side, found.scale * spread / side, side], np.float32)
    return np.rint(255 * np.minimum(ink, 1)).astype(np.uint8), place


def _trimmed(image: Image.Image) -> Image.Image:
    """A photograph without the frame of one tone around it; anything else as it is."""
    grey = np.asarray(image.convert("L"))
    tone = int(grey[0, 0])
    other = (grey > tone + _TONE) | (grey < tone - _TONE)  # of bytes: nothing wider is made of a large picture
    rows, columns = np.flatnonzero(other.any(axis=1)), np.flatnonzero(other.any(axis=0))
    if len(rows) < PAGE or len(columns) < PAGE or (len(rows), len(columns)) == grey.shape:
        return image
    inner = image.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    return image if is_flat(inner) else inner


def _turned(ink: Floats, degrees: float) -> Floats:
    if not degrees:
        return ink
    return np.asarray(
        cv2.warpAffine(ink, cv2.getRotationMatrix2D((_MIDDLE, _MIDDLE), degrees, 1), (SIDE, SIDE)), dtype=np.float32
    )


def _coarse(ink: Floats) -> Floats:
    step = SIDE // _COARSE
    return _unit(ink.reshape(_COARSE, step, _COARSE, step).mean(axis=(1, 3))).ravel()


def _page(one: Look) -> Floats:
    """The page as a unit vector; 0 where it is of one tone or, holding a small mark, says nothing."""
    if not one.photo and one.place[2] < _FILLED:
        return np.zeros(PAGE * PAGE, np.float32)
    return _unit(one.page.astype(np.float32)).ravel()


def _unit(values: Floats) -> Floats:
    """Centred and of length 1, so that a product is a correlation; 0 where it is all of one tone."""
    centred = values - values.mean()
    length = float(np.linalg.norm(centred))
    return centred / length if length > 1e-3 else np.zeros_like(centred)
