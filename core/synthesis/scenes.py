"""Made photographs: marks drawn, printed or engraved on grounds of every kind, with all that lies beside a mark.

What the finder of marks (`core.sight`) learns from. A ground is made here (`core.synthesis.grounds`) or given: a piece
of a photograph. All randomness comes from the generator passed in; nothing is read or written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.ground.images import decode
from core.synthesis import grounds
from core.synthesis.strokes import Template

Line = np.ndarray  # (n, 2) float, units of the mark
FAINTEST = 7.0  # grey levels: no mark is drawn fainter
LEAST_SEEN = 4.5  # grey levels by which a mark must stand out once the strokes' edges are blurred
NONE = 0.16  # share of scenes without a mark


@dataclass(frozen=True)
class Form:
    """A mark's lines in the unit square, and which of the closed ones are filled."""

    lines: tuple[Line, ...]
    solid: tuple[int, ...] = ()

    @classmethod
    def of(cls, template: Template) -> Form:
        """As a catalogue prints it."""
        lines = tuple(np.array(s.points, np.float32) for s in template.strokes)
        return cls(lines, tuple(i for i, s in enumerate(template.strokes) if s.solid))


@dataclass(frozen=True)
class Scene:
    """``picture`` (H, W, 3) uint8; ``ink`` (H, W) float32, how far each pixel is covered by a mark; ``boxes`` (n, 4)
    float32 of x, y, width, height: one a mark, also where a part of it lies outside."""

    picture: np.ndarray
    ink: np.ndarray
    boxes: np.ndarray


def scene(
    forms: Callable[[np.random.Generator], Form],
    rng: np.random.Generator,
    *,
    side: int = 128,
    ground: np.ndarray | None = None,
    marks: int | None = None,
    extent: tuple[float, float] = (0.13, 1.25),
) -> Scene:
    """A made photograph of ``side`` x ``side`` pixels.

    ``forms`` gives a mark; ``ground`` (side, side, 3) takes the place of a made one; ``marks``: how many (default:
    none, one or two); ``extent``: the least and the greatest larger side of a mark, shares of the picture's.
    """
    page = grounds.made(rng, side) if ground is None else ground.astype(np.float32)
    behind(page, rng, real=ground is not None)
    if marks is None:
        marks = int(rng.choice([0, 1, 2, 3], p=[NONE, 0.57, 0.21, 0.06]))
    np.clip(page, 0, 255, out=page)
    boxes: list[np.ndarray] = []
    covers: list[np.ndarray] = []
    faintest = 255.0
    for _ in range(marks):
        placed = laid(forms(rng), rng, side, extent, boxes)
        if placed is None:
            continue
        box, cover = placed
        with_mark = marked(page, cover, rng, extent=max(box[2:]))
        seen = stands_out(page, with_mark, cover.max(axis=2))
        if seen is None or seen >= LEAST_SEEN:
            page = with_mark
            boxes.append(box)
            covers.append(cover.max(axis=2))
            faintest = min(faintest, 255.0 if seen is None else seen)
    beside(page, rng, boxes)
    picture = camera(lit(page, rng), rng, faintest)
    kept = [i for i, cover in enumerate(covers) if not washed_out(picture, cover)]
    ink = np.max([covers[i] for i in kept], axis=0) if kept else np.zeros((side, side), np.float32)
    return Scene(picture, ink, np.array([boxes[i] for i in kept], np.float32).reshape(-1, 4))


def stands_out(before: np.ndarray, after: np.ndarray, cover: np.ndarray) -> float | None:
    """By how many grey levels a mark stands out, blurred a little; None where none of it is in the picture."""
    here = cover > 0.4
    if not here.any():
        return None
    change = cv2.GaussianBlur(np.abs(np.clip(after, 0, 255) - before).max(axis=2), (0, 0), 0.8)
    return float(change[here].mean())


def washed_out(picture: np.ndarray, cover: np.ndarray) -> bool:
    """Whether most of a mark lies where the camera saw only white or only black."""
    here = cover > 0.4
    if not here.any():
        return False
    around = cv2.dilate(here.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    values = picture[around]
    return bool(((values.min(axis=1) >= 252) | (values.max(axis=1) <= 3)).mean() > 0.6)


# ---- the mark


def laid(
    form: Form, rng: np.random.Generator, side: int, extent: tuple[float, float], others: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray] | None:
    """The mark somewhere in the picture beside the others: its box, its cover (side, side, 2: each a half of its
    strokes); None where there is no room."""
    low, high = np.log(extent[0]), np.log(extent[1])
    turn = (
        rng.normal(0, 9) if rng.random() < 0.75 else rng.uniform(-35, 35) if rng.random() < 0.9 else rng.uniform(0, 360)
    )
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    lean = np.array([[c, -s], [s, c]]) @ (np.eye(2) + rng.normal(0, 0.05, (2, 2)))
    points = [(np.asarray(line, float) - 0.5) @ lean.T for line in form.lines]
    everything = np.concatenate(points)
    least, size = everything.min(axis=0), np.ptp(everything, axis=0)
    for _ in range(6):
        larger = side * np.exp(rng.uniform(low, high))
        scale = larger / max(float(size.max()), 1e-6)
        if scale * max(float(size.max()), 1e-6) < 9:
            continue
        width, height = size * scale
        whole = larger < 0.95 * side and rng.random() < 0.93
        corner = [
            rng.uniform(2, side - 2 - e) if whole else rng.uniform(-0.75 * e, side - 0.25 * e) for e in (width, height)
        ]
        if others and any(_overlap((*corner, width, height), o, 0.12 * max(width, height, *o[2:])) for o in others):
            continue
        lines = [(p - least) * scale + corner for p in points]
        pen = max(1.0, larger * float(np.exp(rng.uniform(np.log(0.018), np.log(0.095)))))
        cover = inked(lines, pen, side, form.solid, rng)
        half = pen / 2
        box = np.array([corner[0] - half, corner[1] - half, width + pen, height + pen], np.float32)
        return box, cover
    return None


def _overlap(one: Sequence[float], other: Sequence[float] | np.ndarray, apart: float) -> bool:
    return all(one[i] < other[i] + other[i + 2] + apart and other[i] < one[i] + one[i + 2] + apart for i in (0, 1))


def inked(lines: list[np.ndarray], pen: float, side: int, solid: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Cover (side, side, 2) float32, 0 to 1, of strokes ``pen`` pixels wide; each stroke lies in one of two layers."""
    over = 2 if side * 2 <= 1024 else 1
    canvas = np.zeros((2, side * over, side * over), np.uint8)
    manner = rng.random()
    layer = int(rng.integers(2))
    for i, line in enumerate(lines):
        fixed = np.rint(line * over * 16).astype(np.int32).reshape(-1, 1, 2)
        width = max(1, round(pen * over * float(np.exp(rng.normal(0, 0.08)))))
        sheet = canvas[layer if rng.random() < 0.5 else 1 - layer]
        if i in solid and manner < 0.6:
            cv2.fillPoly(sheet, [fixed], 255, cv2.LINE_AA, shift=4)
        if manner > 0.9 and pen < 0.05 * side:  # a laser's dots
            _dotted(sheet, line * over, max(pen * over, 2), float(rng.uniform(1.3, 2.2)))
        else:
            cv2.polylines(sheet, [fixed], False, 255, width, cv2.LINE_AA, shift=4)
    if 0.85 < manner < 0.9 and pen > 4:  # a broad stroke by its outline
        width = round(pen * over / 3) * 2 - 1
        inner = [cv2.erode(sheet, np.ones((width, width), np.uint8)) for sheet in canvas]
        canvas = np.stack([cv2.subtract(sheet, core) for sheet, core in zip(canvas, inner, strict=True)])
    small = [cv2.resize(sheet, (side, side), interpolation=cv2.INTER_AREA) for sheet in canvas]
    return np.stack(small, axis=2).astype(np.float32) / 255


def _dotted(sheet: np.ndarray, line: np.ndarray, pen: float, spacing: float) -> None:
    steps = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.arange(0, steps[-1] + 1e-6, pen * spacing)
    for x, y in zip(np.interp(at, steps, line[:, 0]), np.interp(at, steps, line[:, 1]), strict=True):
        cv2.circle(sheet, (round(x * 16), round(y * 16)), round(pen * 8), 255, -1, cv2.LINE_AA, shift=4)


def marked(page: np.ndarray, cover: np.ndarray, rng: np.random.Generator, *, extent: float) -> np.ndarray:
    """``page`` (H, W, 3) float32 with a mark of this ``cover`` (H, W, 2) drawn, printed or engraved on it."""
    both = cover.max(axis=2)
    here = cv2.dilate((both > 0.2).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    grain = float(page[here].std()) if here.any() else 0.0
    strength = max(FAINTEST * float(rng.uniform(1, 3)), grain * float(rng.uniform(1.2, 4.5)))
    depth = _uneven(both.shape, rng)
    mean = float(page[here].mean()) if here.any() else 128.0
    towards = -1.0 if mean + strength > 235 else 1.0 if mean - strength < 20 else 0.0  # what can be seen at all
    manner = rng.random()
    if manner < 0.40:  # ink or paint, of one colour or two
        return _painted(page, cover, rng, strength, depth)
    soft = cv2.GaussianBlur(both, (0, 0), float(rng.uniform(0.4, 0.4 + 0.015 * extent)))
    if manner < 0.80:  # a groove: one flank bright, one dark
        shift = float(rng.uniform(0.6, 1.0 + 0.02 * extent))
        angle = rng.uniform(0, 2 * np.pi)
        move = np.array([[1, 0, shift * np.cos(angle)], [0, 1, shift * np.sin(angle)]], np.float32)
        flank = soft - cv2.warpAffine(soft, move, soft.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        floor = (towards or float(rng.choice([-1.0, 1.0, 0.0]))) * float(rng.uniform(0.1, 1.0))
        return page + (strength * depth * (1.5 * flank + floor * soft))[..., None] * grounds.tint(rng, 0.05)
    sign = towards or (1.0 if rng.random() < 0.55 else -1.0)  # frosted, etched or burnt: brighter or darker
    return page + (sign * strength * depth * soft)[..., None] * grounds.tint(rng, 0.12)


def _uneven(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """How deep each place is cut, about 1."""
    kind = rng.random()
    if kind < 0.4:
        return np.ones(shape, np.float32)
    coarse = grounds.clouds(rng, shape[0], float(rng.uniform(0.08, 0.5)))
    return np.clip(1 + float(rng.uniform(0.15, 0.5)) * coarse, 0.12, 1.8).astype(np.float32)


def _painted(
    page: np.ndarray, cover: np.ndarray, rng: np.random.Generator, strength: float, depth: np.ndarray
) -> np.ndarray:
    two = rng.random() < 0.25
    out = page
    first: np.ndarray | None = None
    mean = page[cover.max(axis=2) > 0.2].mean(axis=0) if (cover.max(axis=2) > 0.2).any() else page.mean(axis=(0, 1))
    for layer in range(2):
        if first is None or two:
            first = _pigment(rng, mean, strength)
        alpha = cover[..., layer] * np.clip(depth, 0, 1)
        out = out * (1 - alpha[..., None]) + first * alpha[..., None]
    return out


def _pigment(rng: np.random.Generator, mean: np.ndarray, strength: float) -> np.ndarray:
    """A colour that differs from ``mean`` enough to be seen: in tone mostly, in colour alone at times."""
    for _ in range(12):
        kind = rng.random()
        if kind < 0.45:  # ink as strong as it comes
            colour = np.array([1, 1, 1]) * (rng.uniform(0, 70) if mean.mean() > 110 else rng.uniform(185, 255))
            colour = colour + rng.normal(0, 12, 3)
        elif kind < 0.7:  # a little darker or brighter than the ground
            colour = mean + (1 if rng.random() < 0.5 else -1) * strength * grounds.tint(rng, 0.15)
        else:  # any colour
            colour = cv2.cvtColor(
                np.array([[[rng.integers(180), rng.integers(90, 256), rng.integers(60, 256)]]], np.uint8),
                cv2.COLOR_HSV2RGB,
            )[0, 0].astype(float)
        colour = np.clip(colour, 0, 255)
        if np.abs(colour - mean).max() >= strength and np.abs(colour - mean).sum() > 1.3 * strength:
            return colour.astype(np.float32)
    return np.full(3, 0 if mean.mean() > 120 else 255, np.float32)


# ---- what lies beside a mark


def behind(page: np.ndarray, rng: np.random.Generator, *, real: bool) -> None:
    """What is there before the mark: rims, edges, discs, frames, bars, in place."""
    for chance, put in ((0.22, _rim), (0.08, _edge), (0.07, _frame), (0.05, _bars)):
        if rng.random() < chance * (0.6 if real else 1.0):
            put(page, rng)


def tone_on(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tone that can be seen on the page."""
    mean = float(page.mean())
    tone = mean + (1 if rng.random() < 0.5 else -1) * rng.uniform(18, 130)
    if not 0 <= tone <= 255:
        tone = 2 * mean - tone
    return np.clip(tone, 0, 255) * grounds.tint(rng, 0.06)


def blend(page: np.ndarray, mask: np.ndarray, tone: np.ndarray) -> None:
    """Lay ``tone`` (3,) on the page where ``mask`` (H, W) uint8 says so, in place."""
    alpha = (mask.astype(np.float32) / 255)[..., None]
    page += alpha * (tone.astype(np.float32) - page)


def _rim(page: np.ndarray, rng: np.random.Generator) -> None:
    """The rim of a lens or a coin: one to three circles, and often another ground outside."""
    side = page.shape[0]
    radius = side * float(np.exp(rng.uniform(np.log(0.3), np.log(2.5))))
    if radius < 0.75 * side:
        middle = rng.uniform(0.3, 0.7, 2) * side
    else:
        away, angle = radius + side * rng.uniform(-0.45, 0.3), rng.uniform(0, 2 * np.pi)
        middle = side / 2 + away * np.array([np.cos(angle), np.sin(angle)])
    axes = radius * np.array([1, rng.uniform(0.85, 1)])
    turn = float(rng.uniform(0, 180))

    def ellipse(mask: np.ndarray, grow: float, width: int) -> None:
        centre = (round(middle[0] * 16), round(middle[1] * 16))
        size = (max(1, round(axes[0] * grow * 16)), max(1, round(axes[1] * grow * 16)))
        cv2.ellipse(mask, centre, size, turn, 0, 360, 255, width, cv2.LINE_AA, shift=4)

    if rng.random() < 0.6:
        inside = np.zeros(page.shape[:2], np.uint8)
        ellipse(inside, 1.0, -1)
        if rng.random() < 0.7:
            inside = 255 - inside
        other = grounds.made(rng, side) if rng.random() < 0.6 else np.broadcast_to(tone_on(page, rng), page.shape)
        soft = cv2.GaussianBlur(inside, (0, 0), float(rng.uniform(0.3, 2)))
        page += (soft[..., None].astype(np.float32) / 255) * (other - page) * float(rng.uniform(0.3, 1))
    grow = 1.0
    for _ in range(int(rng.integers(1, 4))):
        mask: np.ndarray = np.zeros(page.shape[:2], np.uint8)
        ellipse(mask, grow, max(1, round(side * float(np.exp(rng.uniform(np.log(0.007), np.log(0.06)))))))
        if rng.random() < 0.5:
            mask = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.4, 2.5)))
        if rng.random() < 0.5:  # bright where the lamp is
            mask = (mask * _sector(page.shape[:2], middle, rng)).astype(np.uint8)
        blend(page, mask, tone_on(page, rng))
        grow *= 1 - float(rng.uniform(0.02, 0.12))


def _sector(shape: tuple[int, ...], middle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    return 0.5 + 0.5 * np.cos(np.arctan2(y - middle[1], x - middle[0]) - float(rng.uniform(0, 6.3)))


def _edge(page: np.ndarray, rng: np.random.Generator) -> None:
    """Another thing begins: a table's edge, a sheet on a sheet."""
    side = page.shape[0]
    angle, at = rng.uniform(0, 2 * np.pi), rng.uniform(-0.45, 0.45) * side
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) - side / 2
    beyond = np.clip((x * np.cos(angle) + y * np.sin(angle) - at) / float(rng.uniform(0.5, 3)) + 0.5, 0, 1)[..., None]
    other = grounds.made(rng, side) if rng.random() < 0.5 else np.broadcast_to(tone_on(page, rng), page.shape)
    page += beyond * (other - page)


def _frame(page: np.ndarray, rng: np.random.Generator) -> None:
    side = page.shape[0]
    mask = np.zeros(page.shape[:2], np.uint8)
    near = side * rng.uniform(-0.05, 0.12, 4)
    turn = np.radians(rng.normal(0, 2))
    corners = np.array(
        [[near[0], near[1]], [side - near[2], near[1]], [side - near[2], side - near[3]], [near[0], side - near[3]]]
    )
    corners = (corners - side / 2) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + side / 2
    cv2.polylines(
        mask, [np.rint(corners * 16).astype(np.int32)], True, 255, int(rng.integers(1, 5)), cv2.LINE_AA, shift=4
    )
    blend(page, mask, tone_on(page, rng))


def _bars(page: np.ndarray, rng: np.random.Generator) -> None:
    """The black or white bars of a scan or of a film."""
    side = page.shape[0]
    tone = float(rng.choice([0, 0, 255, 30])) + rng.normal(0, 2, 3)
    for edge in range(4):
        if rng.random() < 0.5:
            wide = max(1, round(side * rng.uniform(0.02, 0.25)))
            view = page if edge < 2 else page.transpose(1, 0, 2)
            view[: wide if edge % 2 else None] = tone if edge % 2 else view[:None]
            if not edge % 2:
                view[-wide:] = tone


def beside(page: np.ndarray, rng: np.random.Generator, boxes: list[np.ndarray]) -> None:
    """What is no mark and stands by itself: text, rulers, labels, never on a mark."""
    for chance, put in ((0.22, _text), (0.10, _ruler), (0.07, _label), (0.06, _code)):
        if rng.random() < chance:
            put(page, rng, boxes)
    for chance, put_line in ((0.16, scratches), (0.12, _dust)):
        if rng.random() < chance:
            put_line(page, rng)


_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)
_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,-/: "))
_DIGITS = np.array(list("0123456789"))


def _written(
    page: np.ndarray, text: str, at: tuple[float, float], height: float, tone: np.ndarray, rng: np.random.Generator
) -> None:
    font = _FONTS[int(rng.integers(len(_FONTS)))]
    scale = height / 21.0 if font != cv2.FONT_HERSHEY_PLAIN else height / 10.0
    big = np.zeros((page.shape[0] * 2, page.shape[1] * 2), np.uint8)
    thick = max(1, round(height * float(rng.uniform(0.08, 0.25))))
    cv2.putText(big, text, (round(at[0] * 2), round((at[1] + height) * 2)), font, scale * 2, 255, thick, cv2.LINE_AA)
    blend(page, cv2.resize(big, page.shape[1::-1], interpolation=cv2.INTER_AREA), tone)


def _free_place(
    page: np.ndarray, size: tuple[float, float], boxes: Sequence[np.ndarray], rng: np.random.Generator
) -> tuple[float, float] | None:
    side = page.shape[0]
    for _ in range(8):
        x, y = rng.uniform(-0.2 * size[0], side - 0.6 * size[0]), rng.uniform(0, max(1.0, side - size[1]))
        if not any(_overlap((x, y, *size), box, 2) for box in boxes):
            return float(x), float(y)
    return None


def _text(page: np.ndarray, rng: np.random.Generator, boxes: Sequence[np.ndarray]) -> None:
    """One to five lines of print."""
    side = page.shape[0]
    height = side * float(np.exp(rng.uniform(np.log(0.035), np.log(0.11))))
    lines, letters = int(rng.choice([1, 1, 2, 3, 5])), int(rng.integers(6, 22))
    place = _free_place(page, (height * letters * 0.9, height * 1.7 * lines), boxes, rng)
    if place is None:
        return
    tone = tone_on(page, rng)
    for i in range(lines):
        text = "".join(rng.choice(_LETTERS, letters))
        _written(page, text, (place[0], place[1] + 1.7 * i * height), height, tone, rng)


def _code(page: np.ndarray, rng: np.random.Generator, boxes: Sequence[np.ndarray]) -> None:
    """A number that stands close to a mark: an index of refraction, an addition."""
    if not boxes:
        return
    x, y, w, h = (float(v) for v in boxes[int(rng.integers(len(boxes)))])
    height = max(5.0, 0.35 * max(w, h) * float(rng.uniform(0.6, 1)))
    text = "".join(rng.choice(_DIGITS, int(rng.integers(2, 5))))
    below = rng.random() < 0.5
    at = (
        (x, y + h + 0.35 * max(w, h))
        if below
        else (x + w + 0.4 * max(w, h), y + rng.uniform(0, 1) * max(0.0, h - height))
    )
    if not any(_overlap((*at, height * len(text), height), box, 1) for box in boxes):
        _written(page, text, at, height, tone_on(page, rng), rng)


def _ruler(page: np.ndarray, rng: np.random.Generator, boxes: Sequence[np.ndarray]) -> None:
    """A ruler's edge with its ticks, or a scale bar with its caption."""
    side = page.shape[0]
    tone = tone_on(page, rng)
    mask = np.zeros(page.shape[:2], np.uint8)
    length = side * float(rng.uniform(0.25, 0.9))
    place = _free_place(page, (length, 0.16 * side), boxes, rng)
    if place is None:
        return
    x, y = place
    if rng.random() < 0.5:
        thick = max(1, round(side * rng.uniform(0.008, 0.035)))
        cv2.rectangle(mask, (round(x), round(y)), (round(x + length), round(y) + thick), 255, -1)
        if rng.random() < 0.5:
            for end in (x, x + length):
                cv2.line(mask, (round(end), round(y - 2 * thick)), (round(end), round(y + 3 * thick)), 255, thick)
        blend(page, mask, tone)
        text = f"{int(rng.integers(1, 100))} {rng.choice(['mm', 'cm', 'um'])}"
        _written(
            page, text, (x + rng.uniform(0, 0.4) * length, y + 2 * thick), side * rng.uniform(0.05, 0.1), tone, rng
        )
        return
    step = side * float(rng.uniform(0.02, 0.06))
    for i in range(int(length / step)):
        reach = (0.12 if i % 10 == 0 else 0.09 if i % 5 == 0 else 0.055) * side
        cv2.line(mask, (round(x + i * step), round(y)), (round(x + i * step), round(y + reach)), 255, 1, cv2.LINE_AA)
    if rng.random() < 0.5:
        mask = mask.T.copy()
        if any(_overlap((y, x, 0.16 * side, length), box, 2) for box in boxes):
            return
    blend(page, mask, tone)


def _label(page: np.ndarray, rng: np.random.Generator, boxes: Sequence[np.ndarray]) -> None:
    """A paper label with a number on it."""
    side = page.shape[0]
    width, height = side * rng.uniform(0.2, 0.5), side * rng.uniform(0.08, 0.2)
    place = _free_place(page, (width, height), boxes, rng)
    if place is None:
        return
    x, y = place
    mask = np.zeros(page.shape[:2], np.uint8)
    cv2.rectangle(mask, (round(x), round(y)), (round(x + width), round(y + height)), 255, -1)
    blend(page, mask, rng.uniform(200, 255) * grounds.tint(rng, 0.06))
    if rng.random() < 0.5:
        edge = np.zeros_like(mask)
        cv2.rectangle(edge, (round(x), round(y)), (round(x + width), round(y + height)), 255, 1)
        blend(page, edge, rng.uniform(0, 90) * np.ones(3))
    text = "".join(rng.choice(_LETTERS[:-1], int(rng.integers(4, 10))))
    _written(page, text, (x + 0.06 * width, y + 0.25 * height), 0.45 * height, rng.uniform(0, 80) * np.ones(3), rng)


def scratches(page: np.ndarray, rng: np.random.Generator) -> None:
    """Long fine lines that go on out of the picture."""
    side = page.shape[0]
    for _ in range(int(rng.integers(1, 7))):
        mask = np.zeros(page.shape[:2], np.uint8)
        angle, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.15)
        start = rng.uniform(0, side, 2)
        t = np.linspace(-1, 1, 12)[:, None] * side * rng.uniform(0.3, 1.2)
        ahead, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        points = start + t * ahead + bend * t**2 / side * across
        cv2.polylines(mask, [np.rint(points * 16).astype(np.int32)], False, 255, 1, cv2.LINE_AA, shift=4)
        blend(page, (mask * float(rng.uniform(0.2, 0.9))).astype(np.uint8), tone_on(page, rng))


def _dust(page: np.ndarray, rng: np.random.Generator) -> None:
    """Specks and fibres."""
    side = page.shape[0]
    mask = np.zeros(page.shape[:2], np.uint8)
    for _ in range(int(rng.integers(3, 40))):
        x, y = rng.uniform(0, side, 2)
        if rng.random() < 0.8:
            cv2.circle(
                mask,
                (round(x * 16), round(y * 16)),
                max(6, round(abs(rng.normal(0, 12)))),
                255,
                -1,
                cv2.LINE_AA,
                shift=4,
            )
        else:
            walk = np.cumsum(rng.normal(0, 0.02 * side, (6, 2)), axis=0) + np.array([x, y])
            cv2.polylines(mask, [np.rint(walk * 16).astype(np.int32)], False, 255, 1, cv2.LINE_AA, shift=4)
    blend(page, (mask * float(rng.uniform(0.3, 1))).astype(np.uint8), tone_on(page, rng))


# ---- light and the camera


def lit(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light on the picture: falling off, a shadow's edge, lamps and windows mirrored in glass."""
    side = page.shape[0]
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        page = page * (1 + float(rng.uniform(0, 0.6)) * (x * np.cos(angle) + y * np.sin(angle)))[..., None]
    if rng.random() < 0.2:
        angle = rng.uniform(0, 2 * np.pi)
        edge = x * np.cos(angle) + y * np.sin(angle) - float(rng.uniform(-0.4, 0.4))
        page = (
            page
            * (1 - float(rng.uniform(0.15, 0.6)) / (1 + np.exp(-edge / float(rng.uniform(0.005, 0.08)))))[..., None]
        )
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 4))):
            page = page + glare(x, y, rng)[..., None] * grounds.tint(rng, 0.06)
    return page


def glare(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A lamp, a panel, a window, a disc or a ring mirrored somewhere: what it adds at ``x`` and ``y``, each (H, W) and
    -0.5 to 0.5 in the picture."""
    cx, cy, angle = *rng.uniform(-0.6, 0.6, 2), rng.uniform(0, np.pi)
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = -(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)
    a, b = np.exp(rng.uniform(np.log(0.02), np.log(0.4), 2))
    kind = rng.random()
    if kind < 0.25:
        return (np.exp(-((u / a) ** 2 + (v / b) ** 2)) * float(rng.uniform(30, 250))).astype(np.float32)
    if kind < 0.45:  # a lamp's or a screen's panel, a tube
        away = np.maximum(np.abs(u) - a, np.abs(v) - b)
    elif kind < 0.6:  # a window with its bars
        panes = rng.integers(1, 4, 2)
        fold_u, fold_v = np.mod(u, 2 * a) - a, np.mod(v, 2 * b) - b
        bar = float(rng.uniform(0.05, 0.2))
        pane = np.maximum(np.abs(fold_u) - a * (1 - bar), np.abs(fold_v) - b * (1 - bar))
        away = np.maximum(pane, np.maximum(np.abs(u) - a * panes[0], np.abs(v) - b * panes[1]))
    elif kind < 0.8:  # a disc
        away = np.hypot(u, v * a / b) - a
    else:  # a ring of light
        a = float(rng.uniform(0.03, 0.2))
        away = np.abs(np.hypot(u, v * float(rng.uniform(0.8, 1.25))) - a) - a * float(rng.uniform(0.08, 0.3))
    soft = float(np.exp(rng.uniform(np.log(0.003), np.log(0.03))))
    spot = 1 / (1 + np.exp(np.clip(away / soft, -30, 30)))
    return (spot * float(rng.uniform(60, 300))).astype(np.float32)


def camera(page: np.ndarray, rng: np.random.Generator, faintest: float = 255.0) -> np.ndarray:
    """The picture as a camera or a scanner gives it, (H, W, 3) uint8, with less noise than the ``faintest`` mark stands
    out by."""
    side = page.shape[0]
    if rng.random() < 0.25:  # enlarged from something smaller
        less = max(24, round(side / float(rng.uniform(1.1, 2.2))))
        page = cv2.resize(
            cv2.resize(page, (less, less), interpolation=cv2.INTER_AREA), (side, side), interpolation=cv2.INTER_CUBIC
        )
    if rng.random() < 0.5:
        page = cv2.GaussianBlur(page, (0, 0), float(rng.uniform(0.3, 1.3)))
    kind = rng.random()
    if kind < 0.12:
        page = np.repeat(page.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.6:
        noise = rng.standard_normal((side, side, 1 if rng.random() < 0.5 else 3), np.float32)
        page = page + noise * min(0.6 * faintest, float(np.exp(rng.uniform(np.log(0.5), np.log(9)))))
    out = np.clip(page, 0, 255).astype(np.uint8)
    if rng.random() < 0.06:
        out = 255 - out
    if rng.random() < 0.45:
        coded = cv2.imencode(".jpg", out[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))])[1]
        out = np.asarray(decode(coded.tobytes()))
    return out
