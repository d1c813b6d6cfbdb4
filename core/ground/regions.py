"""A region: where in a picture a mark is, as a person or the finder of marks points at it.

Numbers only: what is read there is `core.sight`'s matter. The file itself is never touched.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, get_args

from core.ground.errors import ConfigRefused

Tone = Literal["", "dark", "bright"]
TONES: tuple[str, ...] = get_args(Tone)


@dataclass(frozen=True)
class Region:
    """A rectangle ``x``, ``y``, ``width``, ``height`` in pixels of the upright picture.

    ``turn``: degrees, counter-clockwise, by which what lies in it is turned before it is read; ``tone``: whether the
    mark is darker or brighter than its ground, "" where nobody said. Raises `ConfigRefused` on an empty rectangle.
    """

    x: int
    y: int
    width: int
    height: int
    turn: float = 0.0
    tone: Tone = ""

    def __post_init__(self) -> None:
        if self.x < 0 or self.y < 0 or self.width < 1 or self.height < 1:
            raise ConfigRefused("A region must lie in the picture and be one pixel wide and high at least.")
        if self.tone not in TONES or not -360 <= self.turn <= 360:
            raise ConfigRefused("A region's mark is dark, bright or not said, and it is turned by a circle at most.")

    @property
    def box(self) -> list[int]:
        """[x, y, width, height]."""
        return [self.x, self.y, self.width, self.height]

    @property
    def extent(self) -> int:
        """Its larger side."""
        return max(self.width, self.height)

    def inside(self, width: int, height: int) -> Self:
        """The part of it that lies in a picture of that size; raises `ConfigRefused` where nothing does."""
        if self.x >= width or self.y >= height:
            raise ConfigRefused(
                "The region lies outside the picture, which is {width} × {height} pixels.", width=width, height=height
            )
        return replace(self, width=min(self.width, width - self.x), height=min(self.height, height - self.y))

    def times(self, factor: int, *, width: int, height: int) -> Self:
        """The same place in a picture of ``width`` x ``height`` whose sides were divided by ``factor`` before."""
        x, y = min(self.x * factor, width - 1), min(self.y * factor, height - 1)
        larger = replace(self, x=x, y=y, width=self.width * factor, height=self.height * factor)
        return larger.inside(width, height)

    def over(self, factor: int) -> Self:
        """The same place, nearly, in that picture with its sides divided by ``factor``."""
        x, y, width, height = (side // factor for side in self.box)
        return replace(self, x=x, y=y, width=max(1, width), height=max(1, height))

    def shared(self, other: Region) -> float:
        """How much of the smaller of the two rectangles lies in the other, 0 to 1."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        smaller = min(self.width * self.height, other.width * other.height)
        return max(0, across) * max(0, down) / smaller

    def gap(self, other: Region) -> float:
        """Pixels between the two rectangles, 0 where they touch."""
        across = max(self.x, other.x) - min(self.x + self.width, other.x + other.width)
        down = max(self.y, other.y) - min(self.y + self.height, other.y + other.height)
        return math.hypot(max(0, across), max(0, down))

    @classmethod
    def around(cls, regions: Sequence[Region]) -> Self:
        """The rectangle that holds them all."""
        x, y = min(r.x for r in regions), min(r.y for r in regions)
        right, down = max(r.x + r.width for r in regions), max(r.y + r.height for r in regions)
        return cls(x, y, right - x, down - y)

    def of(self, sha256: str) -> str:
        """The identity of what it shows of the file with this content hash: a hash of both, as long as that one."""
        return hashlib.sha256(f"{sha256} {self.to_text()}".encode()).hexdigest()

    def to_text(self) -> str:
        """``x,y,width,height``, and behind them ``turn`` and ``tone`` where they are given: one cell of a table."""
        more = [f"{self.turn:g}", self.tone] if self.turn or self.tone else []
        return ",".join([*map(str, self.box), *more])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What `to_text` wrote, also without turn and tone; raises `ConfigRefused`."""
        names = ("x", "y", "width", "height", "turn", "tone")
        parts = [part.strip() for part in text.split(",")]
        if not 4 <= len(parts) <= len(names):
            raise ConfigRefused("A region is written as left,top,width,height.")
        return cls.from_json(dict(zip(names, parts, strict=False)))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Raises `ConfigRefused` on anything that is not a region."""
        try:
            x, y, width, height = (int(record[name]) for name in ("x", "y", "width", "height"))
            return cls(x, y, width, height, turn=float(record.get("turn", 0.0)), tone=record.get("tone", ""))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigRefused("The region is damaged.") from error
