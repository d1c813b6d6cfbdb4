"""What lies around and beside a mark in a picture: rims, edges, frames, bars, texts, rulers, labels, scratches, dust.

All of it is drawn on the page in place. All randomness comes from the generator passed in.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from core.synthesis import grounds
from core.synthesis.engraving import too_near

_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)
_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,-/: "))
_DIGITS = np.array(list("0123456789"))


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
        if not any(too_near((x, y, *size), box, 2) for box in boxes):
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
    if not any(too_near((*at, height * len(text), height), box, 1) for box in boxes):
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
        if any(too_near((y, x, 0.16 * side, length), box, 2) for box in boxes):
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
