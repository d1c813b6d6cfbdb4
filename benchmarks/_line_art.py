"""Line art as templates: the strokes of SVG icons and the centre lines of glyphs, for `core.synthesis` to draw by hand.

It fetches nothing (`_sources`) and renders and trains nothing (`pretrain`).
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
from _sources import Source, members

from core.ground.preprocessing import thin
from core.synthesis.strokes import Stroke, Template

# Not learned from, so that Omniglot's five alphabets stay unseen: Latin, Greek, Korean, Balinese, Aramaic and their
# nearest relatives. Nor are brands, which belong to somebody.
STRANGE_NAMES = re.compile(r"letter|number|alphabet|latin|greek|omega|sigma|lambda|brand|(^|-)([a-z]|[0-9]+)(-|$)")
STRANGE_GLYPHS = re.compile(
    "LATIN|GREEK|HANGUL|KOREAN|BALINESE|ARAMAIC|HEBREW|PHOENICIAN|DIGIT|NUMBER|MATHEMATICAL (BOLD|ITALIC|SANS|SCRIPT|"
    "FRAKTUR|DOUBLE|MONOSPACE)|DOUBLE-STRUCK|CIRCLED|PARENTHESIZED|SQUARED|BRAILLE|DOMINO|MAHJONG|PLAYING CARD|"
    "HEXAGRAM|LOGOGRAM|BLOCK|ARABIC|CHESS|SPACE|NUMERAL|FRACTION|OUTLINED"
)
MOST = 24  # strokes of a mark: what has more is no mark that people draw
GLYPH_SIDE = 96  # px of the larger side of a glyph when its centre lines are looked for


def templates(source: Source, folder: Path) -> Iterator[tuple[str, Template]]:
    """Each picture of the source that is used, by a name of its own."""
    seen = set()
    for name, content in members(source, folder):
        if source.is_font:
            for character, template in glyphs(content):
                if character not in seen:
                    seen.add(character)
                    yield f"{source.package}/{ord(character):04x}", template
        elif not STRANGE_NAMES.search(name):
            template = icon(content)
            if template is not None:
                yield f"{source.package}/{name}", template


# ---- icons


def icon(content: bytes) -> Template | None:
    """The strokes of an SVG icon; None where it has none, or too many to draw by hand."""
    from fontTools.svgLib.path import parse_path
    from fontTools.svgLib.path.shapes import PathBuilder

    strokes: list[Stroke] = []
    for element, given in _drawn(ElementTree.fromstring(content), {}):
        builder = PathBuilder()
        try:
            builder.add_path_from_element(element)
        except NotImplementedError:  # turned by an attribute that fontTools does not read: a few icons
            return None
        for outline, transform in zip(builder.paths, builder.transforms, strict=True):
            pen = _pen(transform)
            parse_path(outline, pen)
            solid = given.get("fill", "black") != "none"
            strokes += [Stroke(points, closed, solid and closed) for points, closed in pen.lines]
    return Template.of(strokes) if 1 <= len(strokes) <= MOST else None


def _drawn(element: Any, given: dict[str, str]) -> Iterator[tuple[Any, dict[str, str]]]:
    """The shapes of an SVG with the fill and stroke that they inherit; what is not drawn is left out."""
    element.tag = element.tag.rpartition("}")[2]
    if element.tag in ("defs", "clipPath", "mask", "title", "desc"):
        return
    given = {**given, **{k: v for k, v in element.attrib.items() if k in ("fill", "stroke")}}
    if element.tag in ("svg", "g"):
        for child in element:
            yield from _drawn(child, given)
    elif given.get("stroke", "none") != "none" or given.get("fill", "black") != "none":
        yield element, given


def _pen(transform: Any) -> Any:
    from fontTools.misc.transform import Identity, Transform
    from fontTools.pens.basePen import BasePen

    move = Transform(*transform) if transform else Identity

    class Lines(BasePen):
        """Collects each contour as points joined by straight lines."""

        def __init__(self) -> None:
            super().__init__(None)
            self.lines: list[tuple[tuple[tuple[float, float], ...], bool]] = []
            self.now: list[tuple[float, float]] = []

        def _put(self, point: tuple[float, float]) -> None:
            self.now.append(move.transformPoint(point))

        def _moveTo(self, point: tuple[float, float]) -> None:
            self._done(closed=False)
            self._put(point)

        def _lineTo(self, point: tuple[float, float]) -> None:
            self._put(point)

        def _curveToOne(self, a: Any, b: Any, c: Any) -> None:
            start = np.array(self._getCurrentPoint())
            for t in np.linspace(0, 1, 13)[1:]:
                p = (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * np.array(a)
                p = p + 3 * (1 - t) * t**2 * np.array(b) + t**3 * np.array(c)
                self._put((float(p[0]), float(p[1])))

        def _closePath(self) -> None:
            self._done(closed=True)

        def _endPath(self) -> None:
            self._done(closed=False)

        def _done(self, *, closed: bool) -> None:
            points, self.now = self.now, []
            if not points:
                return
            if len(points) == 1 or np.ptp(np.array(points), axis=0).max() < 0.05:  # a dot
                x, y = points[0]
                points = [(x - 0.05, y), (x + 0.05, y)]
            near = np.hypot(points[0][0] - points[-1][0], points[0][1] - points[-1][1])
            if closed and near > 1e-3:
                points.append(points[0])
            self.lines.append((tuple(points), len(points) > 3 and (closed or bool(near < 1e-3))))

    return Lines()


# ---- glyphs


def glyphs(font: bytes) -> Iterator[tuple[str, Template]]:
    """The characters of a font, by their centre lines."""
    from fontTools.ttLib import TTFont
    from PIL import ImageFont

    characters = sorted(TTFont(io.BytesIO(font)).getBestCmap())
    face = ImageFont.truetype(io.BytesIO(font), 2 * GLYPH_SIDE)
    for code in characters:
        character = chr(code)
        name = unicodedata.name(character, "")
        if not name or STRANGE_GLYPHS.search(name) or unicodedata.category(character)[0] not in "LSP":
            continue
        template = traced(glyph_mask(character, face))
        if template is not None:
            yield character, template


def glyph_mask(character: str, face: Any) -> np.ndarray:
    """The filled glyph, (h, w) uint8 of 0 and 1, its larger side `GLYPH_SIDE`."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = face.getbbox(character)
    width, height = int(right - left), int(bottom - top)
    if width < 1 or height < 1:
        return np.zeros((1, 1), np.uint8)
    canvas = Image.new("L", (width + 4, height + 4), 0)
    ImageDraw.Draw(canvas).text((2 - left, 2 - top), character, fill=255, font=face)
    scale = GLYPH_SIDE / max(width, height)
    size = max(1, round((width + 4) * scale)), max(1, round((height + 4) * scale))
    return (cv2.resize(np.asarray(canvas), size, interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)


def traced(mask: np.ndarray) -> Template | None:
    """The centre lines of ``mask`` as strokes that run straight on where lines cross; None if there are
    none or too many."""
    if mask.sum() < 40:
        return None
    width = 2 * float(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5).max())
    lines = thin(cv2.copyMakeBorder(mask, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0))
    pieces = _without_spurs(_pieces(lines), min(width, 12) * 0.7)
    if len(pieces) > MOST:
        return None
    pieces = _joined(pieces)
    strokes = []
    for piece in pieces:
        points = np.array(piece, float)
        closed = len(piece) > 3 and piece[0] == piece[-1]
        if len(points) == 1:
            points = np.concatenate([points, points + 1])
        strokes.append(Stroke(tuple((float(x), float(y)) for x, y in _smooth(points, closed)), closed))
    return Template.of(strokes) if 1 <= len(strokes) <= MOST else None


Pixel = tuple[int, int]


def _pieces(lines: np.ndarray) -> list[list[Pixel]]:
    """The lines between ends and crossings, as runs of pixels (x, y)."""
    on = {(int(x), int(y)) for y, x in np.argwhere(lines)}
    beside = {p: [] for p in on}  # type: dict[Pixel, list[Pixel]]
    for x, y in on:
        for dx, dy in ((1, 0), (0, 1), (1, 1), (-1, 1)):
            q = (x + dx, y + dy)
            if q in on and not (dx and dy and ((x + dx, y) in on or (x, y + dy) in on)):
                beside[x, y].append(q)
                beside[q].append((x, y))
    out: list[list[Pixel]] = [[p] for p in on if not beside[p]]
    used: set[tuple[Pixel, Pixel]] = set()
    knots = [p for p in sorted(on) if len(beside[p]) != 2]
    for start in [*knots, *sorted(on)]:
        for first in beside[start]:
            if (start, first) in used:
                continue
            run = [start, first]
            used |= {(start, first), (first, start)}
            while len(beside[run[-1]]) == 2 and run[-1] != start:
                onward = next(q for q in beside[run[-1]] if q != run[-2])
                used |= {(run[-1], onward), (onward, run[-1])}
                run.append(onward)
            out.append(run)
    return out


def _without_spurs(pieces: list[list[Pixel]], length: float) -> list[list[Pixel]]:
    """Without the short ends that thinning leaves at corners."""
    count: dict[Pixel, int] = {}
    for piece in pieces:
        for end in (piece[0], piece[-1]):
            count[end] = count.get(end, 0) + 1
    kept = [p for p in pieces if len(p) > length or (count[p[0]] > 1) == (count[p[-1]] > 1)]
    return kept or pieces


def _joined(pieces: list[list[Pixel]]) -> list[list[Pixel]]:
    """Pieces that meet and go on nearly straight become one."""
    pieces = [list(p) for p in pieces]
    while True:
        best, chosen = 0.6, None  # the cosine of what counts as straight on
        for i, one in enumerate(pieces):
            for j in range(i + 1, len(pieces)):
                for a in (one, one[::-1]):
                    for b in (pieces[j], pieces[j][::-1]):
                        if a[-1] == b[0] and a[0] != a[-1] and b[0] != b[-1]:
                            straight = float(np.dot(_heading(a[::-1]) * -1, _heading(b)))
                            if straight > best:
                                best, chosen = straight, (i, j, a + b[1:])
        if chosen is None:
            return pieces
        i, j, joined = chosen
        pieces = [p for k, p in enumerate(pieces) if k not in (i, j)] + [joined]


def _heading(piece: list[Pixel]) -> np.ndarray:
    """The direction in which a run leaves its first pixel."""
    ahead = np.array(piece[min(len(piece) - 1, 8)], float) - piece[0]
    return ahead / max(float(np.linalg.norm(ahead)), 1e-9)


def _smooth(points: np.ndarray, closed: bool) -> np.ndarray:
    """A line of pixels without its steps."""
    if len(points) < 5:
        return points
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 1.6) ** 2)
    kernel /= kernel.sum()
    if closed:
        padded = np.concatenate([points[-5:-1], points, points[1:5]])
    else:
        reach = min(4, len(points) - 1)
        before, after = 2 * points[0] - points[reach:0:-1], 2 * points[-1] - points[-2 : -reach - 2 : -1]
        padded = np.concatenate([before, points, after])
    return np.stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in (0, 1)], axis=1)
