"""Hands: how people draw. A template goes in, the lines that one person drew once come out.

Lines only; ink, paper and pixels are in `core.synthesis.drawing`. All randomness comes from the generator
passed in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.synthesis.strokes import Stroke, Template

STEP = 0.012  # distance between the points of a drawn line, in units of the mark


@dataclass(frozen=True)
class Hand:
    """A way of drawing. Lengths are in units of the mark (1 = its larger side).

    ``slant`` (shear) and ``turn`` (degrees) lean the whole mark; ``wander`` bends it as a whole
    and ``stray`` moves each stroke for itself; ``haste`` rounds corners off; ``tremor`` is the
    shake along a line; ``overshoot`` is how far ends run past (or stop short of) their goal;
    ``gap`` how badly an outline closes; ``facets`` (0 to 1) how much curves become chains of
    straight pieces, as with a mouse; ``width`` is the pen's, in thousandths of the page.
    """

    slant: float = 0.0
    turn: float = 3.0
    wander: float = 0.016
    stray: float = 0.02
    haste: float = 0.012
    tremor: float = 0.002
    overshoot: float = 0.02
    gap: float = 0.03
    facets: float = 0.0
    width: float = 13.0


HANDS: dict[str, Hand] = {
    "careful": Hand(turn=2, wander=0.012, stray=0.012, haste=0.006, overshoot=0.01, gap=0.012, width=11),
    "ordinary": Hand(slant=0.06),
    "hurried": Hand(slant=0.16, turn=6, wander=0.026, stray=0.03, haste=0.026, overshoot=0.05, gap=0.06, width=12),
    "trembling": Hand(wander=0.018, stray=0.02, tremor=0.0045, haste=0.008, overshoot=0.03, gap=0.04, width=14),
    "left": Hand(slant=-0.14, turn=5, wander=0.02, stray=0.025, haste=0.016, overshoot=0.025, gap=0.045, width=13),
    "mouse": Hand(
        turn=4, wander=0.022, stray=0.022, tremor=0.002, haste=0.006, overshoot=0.03, gap=0.05, facets=0.75, width=10
    ),
    "felt": Hand(slant=0.04, wander=0.018, stray=0.02, haste=0.02, overshoot=0.02, gap=0.03, width=26),
}


def random_hand(rng: np.random.Generator) -> Hand:
    """Somebody: one of `HANDS` with every habit made stronger or weaker."""
    base = HANDS[list(HANDS)[rng.integers(len(HANDS))]]
    k = np.exp(rng.normal(0, 0.3, 9))
    return Hand(
        slant=base.slant + float(rng.normal(0, 0.05)),
        turn=base.turn * float(k[0]),
        wander=base.wander * float(k[1]),
        stray=base.stray * float(k[2]),
        haste=base.haste * float(k[3]),
        tremor=base.tremor * float(k[4]),
        overshoot=base.overshoot * float(k[5]),
        gap=base.gap * float(k[6]),
        facets=min(1.0, base.facets * float(k[7])),
        width=base.width * float(k[8]),
    )


def by_hand(template: Template, rng: np.random.Generator, hand: Hand) -> list[np.ndarray]:
    """The template as this hand draws it once: one (n, 2) array a stroke, in units of the mark."""
    waves = rng.uniform(0.5, 1.3, (2, 2)), rng.uniform(0, np.pi * 2, 2), rng.normal(0, hand.wander * 1.2, (2, 2))
    proportions = np.exp(rng.normal(0, 0.07)) ** np.array([0.5, -0.5])
    lean = _affine(float(rng.normal(0, hand.turn)), hand.slant + float(rng.normal(0, 0.03))) * proportions
    out = []
    for stroke in template.strokes:
        points = _stroke(stroke, rng, hand) - 0.5
        frequencies, phases, heights = waves
        points = points + np.sin(points @ frequencies.T * np.pi * 2 + phases) @ heights
        out.append(points @ lean.T + 0.5)
    return out


def noise(rng: np.random.Generator, count: int, correlation: float) -> np.ndarray:
    """Smooth noise along a line, (count, 2), about unit variance; ``correlation`` in points.

    Random knots a correlation length apart, joined by half cosines.
    """
    knots = rng.normal(0, 1, (int(count / max(correlation, 1)) + 3, 2))
    at = np.arange(count) / max(correlation, 1) + float(rng.uniform(0, 1))
    left = at.astype(int)
    blend = ((1 - np.cos((at - left) * np.pi)) / 2)[:, None]
    return knots[left] * (1 - blend) + knots[left + 1] * blend


def _stroke(stroke: Stroke, rng: np.random.Generator, hand: Hand) -> np.ndarray:
    points = _resampled(np.array(stroke.points, float))
    length = _length(points)
    if stroke.closed and rng.random() < 0.5 and _is_smooth(points):
        points = np.roll(points[:-1], int(rng.integers(len(points) - 1)), axis=0)
        points = np.concatenate([points, points[:1]])
    if rng.random() < 0.25:
        points = points[::-1]
    if hand.facets:
        points = _faceted(points, rng, hand.facets)
    points = _rounded(points, hand.haste * float(rng.uniform(0.5, 1.5)), stroke.closed)

    t = np.linspace(0, 1, len(points))[:, None]
    middle = points.mean(axis=0)
    size = min(1.0, float(np.ptp(points, axis=0).max()) + 0.15)  # a small stroke strays less than a large one
    scale = np.exp(rng.normal(0, hand.stray * 1.2, 2))
    points = (points - middle) * scale @ _affine(float(rng.normal(0, hand.stray * 70)), 0).T + middle
    points += rng.normal(0, hand.stray, 2) * (0.4 + 0.6 * size)
    points += noise(rng, len(points), 0.3 / STEP) * hand.wander * size
    shake = noise(rng, len(points), 0.02 / STEP) + 1.2 * noise(rng, len(points), 0.06 / STEP)
    points += shake * hand.tremor * (0.4 + np.abs(noise(rng, len(points), 0.4 / STEP)[:, :1]))
    if stroke.closed:
        points += t**2 * rng.normal(0, hand.gap, 2) * size
        return _end(points, rng, abs(float(rng.normal(0, hand.gap))) * (-1 if rng.random() < 0.5 else 1) * size)
    if length > 0.12:
        points = _end(points, rng, float(rng.normal(hand.overshoot * 0.2, hand.overshoot)) * size)
        points = _end(points[::-1], rng, float(rng.normal(0, hand.overshoot * 0.7)) * size)[::-1]
    if length > 0.3 and rng.random() < 0.08:  # the pen lands before the line begins
        hook = points[0] + rng.normal(0, 0.02, 2)
        points = np.concatenate([hook[None], points])
    return points


def _end(points: np.ndarray, rng: np.random.Generator, reach: float) -> np.ndarray:
    """Run past the last point by ``reach`` (along the tangent, bent a little) or stop short by as much."""
    count = int(abs(reach) / STEP)
    if not count:
        return points
    if reach < 0:
        return points[: max(4, len(points) - count)]
    back = points[max(0, len(points) - 6)]
    tangent = (points[-1] - back) / max(float(np.linalg.norm(points[-1] - back)), 1e-6)
    side = np.array([-tangent[1], tangent[0]]) * float(rng.normal(0, 0.25))
    along = np.arange(1, count + 1)[:, None] * STEP
    return np.concatenate([points, points[-1] + along * tangent + along**2 / max(reach, 1e-6) * side])


def _faceted(points: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Curves as a chain of nearly straight pieces, 0.06 to 0.25 units long."""
    stops = [0]
    while stops[-1] < len(points) - 1:
        stops.append(min(len(points) - 1, stops[-1] + int(rng.uniform(0.06, 0.25) / STEP)))
    chain = np.stack([np.interp(np.arange(len(points)), stops, points[stops, axis]) for axis in (0, 1)], axis=1)
    return points + (chain - points) * amount


def _rounded(points: np.ndarray, radius: float, closed: bool) -> np.ndarray:
    """Corners cut by a Gaussian along the line; ends stay where they are."""
    sigma = radius / STEP
    if sigma < 0.3 or len(points) < 5:
        return points
    reach = int(3 * sigma) + 1
    if closed:
        ring = points[:-1]
        padded = np.take(ring, np.arange(-reach, len(points) + reach), axis=0, mode="wrap")
    else:  # point reflection keeps the ends in place
        inner = min(reach, len(points) - 1)
        padded = np.concatenate(
            [2 * points[0] - points[inner:0:-1], points, 2 * points[-1] - points[-2 : -inner - 2 : -1]]
        )
        reach = inner
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    return np.stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in (0, 1)], axis=1)


def _resampled(points: np.ndarray) -> np.ndarray:
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = max(6, int(along[-1] / STEP))
    at = np.linspace(0, along[-1], count)
    return np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1)


def _length(points: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def _is_smooth(points: np.ndarray) -> bool:
    """True where no corner is sharper than about 50 degrees: people start an outline at a corner if it has one."""
    steps = np.diff(points, axis=0)
    steps = steps / np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-9)
    return bool((steps[1:] * steps[:-1]).sum(axis=1).min() > 0.6)


def _affine(degrees: float, shear: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s], [s, c]]) @ np.array([[1, -shear], [0, 1]])
