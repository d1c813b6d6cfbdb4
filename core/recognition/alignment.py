"""Alignment: a query's strokes laid over a reference's, first by an affine move, then by a smooth deformation.

What it costs to make one out of the other says more than a cosine where two classes are close, and the points laid over
one another show a person why. Arrays in, arrays out; it opens no picture, and decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.ground.outlines import outline_of, strokes_of

TANGENT = 0.15  # what a right angle between two directions costs, in squared units of the spread
AFFINE_STEPS = (0.2, 0.1, 0.06)  # the temperature of each step's correspondences; eight steps are no better
SMOOTH_STEPS = (0.04, 0.03, 0.03)
AFFINE_PRIOR = 0.02  # of the points: how much speaks for no move at all
GRID = np.stack(np.meshgrid(*[np.linspace(-1.6, 1.6, 5)] * 2), axis=-1).reshape(-1, 2).astype(np.float32)
SIGMA = 0.5  # of the radial functions, in units of the spread
RIDGE = 0.6
NEAR, SKEW = 0.05, 35  # of the side, and degrees: strokes that match on a picture shown to people
FAR = 0.6  # what a point without a partner costs: no more, however far the next one is


@dataclass(frozen=True)
class Alignment:
    """Of B candidates: the least cost of each point after it, in both directions and both ways, and what it took.

    ``costs`` (B, 4): means over points of the cost to the nearest partner, truncated at `FAR`: query onto
    reference (seen from the query, from the reference), then reference onto query (from the reference, from the
    query). ``affine`` and ``bend`` (B,): how far the affine move is from none, and the mean squared displacement of the
    deformation, summed over both directions. ``moved`` (B, N, 2): the query's points laid over each
    reference, in that reference's units (`Outlines.points`).
    """

    costs: np.ndarray
    affine: np.ndarray
    bend: np.ndarray
    moved: np.ndarray

    @property
    def cost(self) -> np.ndarray:
        """The sum of the four costs (B,): 0 where the strokes are the same, 4 x `FAR` where nothing meets."""
        return self.costs.sum(axis=1)


@dataclass(frozen=True)
class Outlines:
    """Outlines as numbers to compute with: ``points`` (B, N, 2), centred, of unit spread; ``turns`` (B, N, 2), the
    cosine and sine of the doubled direction; ``middle`` (B, 2) and ``scale`` (B,) lead back to pixels."""

    points: np.ndarray
    turns: np.ndarray
    middle: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, stored: np.ndarray) -> Outlines:
        """From (B, N, 3) uint8 (`core.ground.outlines`)."""
        pixels = stored[..., :2].astype(np.float32)
        middle = pixels.mean(axis=1)
        points = pixels - middle[:, None]
        scale = np.sqrt(np.maximum((points * points).sum(axis=2).mean(axis=1) / 2, 1e-6))
        angle = stored[..., 2] * np.float32(2 * np.pi / 256)
        turns = np.stack([np.cos(angle), np.sin(angle)], axis=2)
        return cls(points / scale[:, None, None], turns, middle, scale)


def align(query: np.ndarray, references: np.ndarray) -> Alignment:
    """Lay the outline ``query`` (N, 3) over each of ``references`` (B, N, 3), and each of them over it.

    Soft correspondences both ways at a falling temperature, and the move that brings partners together by weighted
    least squares: as in robust point matching (Chui and Rangarajan 2003, https://doi.org/10.1016/S1077-3142(03)00009-2).
    """
    count = len(references)
    mine, theirs = Outlines.of(np.broadcast_to(query, references.shape)), Outlines.of(references)
    source = np.concatenate([mine.points, theirs.points]), np.concatenate([mine.turns, theirs.turns])
    target = np.concatenate([theirs.points, mine.points]), np.concatenate([theirs.turns, mine.turns])
    move, costs, affine, bend = _laid_over(*source, *target)
    both = np.concatenate([costs[:count], costs[count:]], axis=1)
    moved = move.of(source[0])[:count]
    return Alignment(both, affine[:count] + affine[count:], bend[:count] + bend[count:], moved)


@dataclass(frozen=True)
class _Move:
    """Of B marks: an affine move (B, 3, 2), and the strengths (B, K, 2) of the radial functions added to it."""

    affine: np.ndarray
    strength: np.ndarray

    def of(self, points: np.ndarray) -> np.ndarray:
        """Where ``points`` (B, M, 2) come to lie."""
        base = points @ self.affine[:, :2] + self.affine[:, 2:]
        away = base[:, :, None] - GRID
        return base + np.exp((away * away).sum(axis=3) * np.float32(-0.5 / SIGMA**2)) @ self.strength


@dataclass(frozen=True)
class Overlay:
    """Two marks laid over one another, in shares of the square that the model sees.

    ``query`` and ``laid`` (M, 2): the pixels of the query's strokes as drawn, and where they come to lie on the
    reference; ``reference`` (R, 2): those of the reference. ``query_left`` (M,) and ``reference_left`` (R,)
    tell which of them have no partner, within `NEAR` of the square and `SKEW` degrees. ``side``: pixels of the square.
    """

    query: np.ndarray
    laid: np.ndarray
    reference: np.ndarray
    query_left: np.ndarray
    reference_left: np.ndarray
    side: int

    @property
    def matched(self) -> tuple[float, float]:
        """The share of the query's strokes that lie on the reference's, and of the reference's that are met."""
        return float(1 - self.query_left.mean()), float(1 - self.reference_left.mean())


def lay_over(query: np.ndarray, reference: np.ndarray) -> Overlay | None:
    """``query`` laid over ``reference``, both as the model sees them (S, S, 3) uint8, to be looked at; None where one
    has no ink. Every pixel of the strokes is carried along by the move that `align` finds for the points."""
    ends = [outline_of(query), outline_of(reference)]
    if not all(map(len, ends)):
        return None
    source, target = (Outlines.of(outline[None]) for outline in ends)
    move, *_costs = _laid_over(source.points, source.turns, target.points, target.turns)
    mine, my_turns = strokes_of(query)
    theirs, their_turns = strokes_of(reference)
    carried = move.of((mine[None] - source.middle) / source.scale) * target.scale + target.middle
    ahead = mine + 2 * np.stack([np.cos(my_turns / 2), np.sin(my_turns / 2)], axis=1)
    step = move.of((ahead[None].astype(np.float32) - source.middle) / source.scale) * target.scale + target.middle
    laid = carried[0]
    along = np.arctan2(*(step[0] - laid).T[::-1]) * 2
    side = len(query)
    apart = np.linalg.norm(laid[:, None] - theirs[None], axis=2) > NEAR * side
    apart |= np.cos(along[:, None] - their_turns[None]) < math.cos(math.radians(2 * SKEW))
    return Overlay(
        mine / side, laid / side, theirs / side, apart.all(axis=1), apart.all(axis=0), side
    )  # fmt: skip


def _laid_over(
    points: np.ndarray, turns: np.ndarray, target: np.ndarray, target_turns: np.ndarray
) -> tuple[_Move, np.ndarray, np.ndarray, np.ndarray]:
    """The move of ``points`` (B, N, 2), the costs from them and from the target (B, 2), and the two efforts (B,)."""
    count, n = points.shape[:2]
    right = _right_side(target, target_turns)
    goals = np.concatenate([target, np.ones((count, n, 1), np.float32)], axis=2)
    plain = np.concatenate([points, np.ones((count, n, 1), np.float32)], axis=2)
    across = plain.transpose(0, 2, 1)
    none = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    prior = np.eye(3, dtype=np.float32) * np.float32(AFFINE_PRIOR * n)
    half = np.arctan2(turns[..., 1], turns[..., 0]) / 2
    along = np.stack([np.cos(half), np.sin(half)], axis=2)
    moved, heading = points, turns
    for temperature in AFFINE_STEPS:
        weight, pulled = _pull(moved, heading, right, goals, temperature)
        normal = across @ (plain * weight) + prior
        move = none + np.linalg.solve(normal, across @ (pulled - points * weight))
        moved = plain @ move
        heading = _doubled(along @ move[:, :2])
    base, along = moved, along @ move[:, :2]
    away = base[:, :, None] - GRID
    basis = np.exp((away * away).sum(axis=3) * np.float32(-0.5 / SIGMA**2))
    slope = (away * (basis * np.float32(-1 / SIGMA**2))[..., None]).transpose(0, 1, 3, 2)
    slope = (slope * along[..., None]).sum(axis=2)  # how the functions change along each stroke
    across = basis.transpose(0, 2, 1)
    ridge = np.eye(len(GRID), dtype=np.float32) * np.float32(RIDGE)
    shift, strength = np.zeros_like(moved), np.zeros((count, len(GRID), 2), np.float32)
    for temperature in SMOOTH_STEPS:
        weight, pulled = _pull(moved, heading, right, goals, temperature)
        strength = np.linalg.solve(across @ (basis * weight) + ridge, across @ (pulled - base * weight))
        shift = basis @ strength
        moved = base + shift
        heading = _doubled(along + slope @ strength)
    least = _left_side(moved, heading) @ right + np.float32(TANGENT / 2)
    costs = np.stack([np.clip(least.min(axis=axis), 0, FAR).mean(axis=1) for axis in (2, 1)], axis=1)
    change = move - none
    effort = (change * change).sum(axis=(1, 2)), (shift * shift).sum(axis=2).mean(axis=1)
    return _Move(move, strength), costs, *effort


def _left_side(points: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """The moving side of the cost of every pair, squared distance + `TANGENT` x (1 - cos of the doubled angle) / 2, as
    one product with `_right_side` (and half of `TANGENT`), (B, N, 6)."""
    length = (points * points).sum(axis=2, keepdims=True)
    return np.concatenate([points, np.ones_like(length), length, turns], axis=2)


def _right_side(target: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """The side that stays, (B, 6, N)."""
    length = (target * target).sum(axis=2, keepdims=True)
    columns = [-2 * target, length, np.ones_like(length), np.float32(-TANGENT / 2) * turns]
    return np.concatenate(columns, axis=2).transpose(0, 2, 1)


def _pull(
    points: np.ndarray, turns: np.ndarray, right: np.ndarray, goals: np.ndarray, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """How strongly each point is drawn, (B, N, 1), and that times whereto, (B, N, 2): the softmax over its partners,
    plus that of the partners over it. ``goals`` (B, N, 3) are the partners and ones."""
    close = _left_side(points, turns)
    close *= np.float32(-1 / temperature)
    near = np.exp(close @ right)
    taken = near.transpose(0, 2, 1) @ np.ones((near.shape[1], 1), np.float32)
    drawn = near @ np.concatenate([goals, goals / np.maximum(taken, 1e-20)], axis=2)
    drawn = drawn[..., :3] / np.maximum(drawn[..., 2:3], 1e-20) + drawn[..., 3:]
    return drawn[..., 2:], drawn[..., :2]


def _doubled(along: np.ndarray) -> np.ndarray:
    """Directions (B, N, 2) of any length as the cosine and sine of the doubled angle."""
    x, y = along[..., 0], along[..., 1]
    squared = x * x, y * y
    length = np.maximum(squared[0] + squared[1], 1e-12)
    return np.stack([(squared[0] - squared[1]) / length, 2 * x * y / length], axis=2)
