"""A picture with its marks: look closer (wheel, pinch, buttons), click a proposed box, drag one, turn it, set its tone.

A component: it sends the boxes that somebody pointed at, as a whole, whenever they change; what is read there is the
page's matter. The full resolution is asked for by its address, and only when somebody looks closer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.ground.errors import ConfigRefused
from core.ground.regions import Region
from pages.ui.i18n import _
from pages.ui.state import workbench

_HTML = """
<div class="picture">
  <div class="tools" role="toolbar"></div>
  <div class="stage" tabindex="0"><img class="image" alt="" draggable="false"><div class="boxes"></div></div>
  <div class="about" hidden></div>
  <p class="hint"></p>
</div>
"""

HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "burin_picture",
    html=_HTML,
    css=(HERE / "picture.css").read_text(encoding="utf-8"),
    js=(HERE / "picture.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Box:
    """A box on the picture: its ``region``; ``taken``, that it is a mark now, else it is proposed; what it is called."""

    region: Region
    taken: bool
    label: str = ""


def picture(
    src: str,
    full: str,
    *,
    size: tuple[int, int],
    boxes: Sequence[Box],
    key: str,
    on_point: Callable[[list[Region]], None],
    most: int = 1,
    asking: bool = False,
    locked: bool = False,
) -> None:
    """The picture (``src``, a small one; ``full``, the address of all its pixels; its ``size``, width and height) with
    its ``boxes``. ``on_point`` is told the marks that somebody pointed at, at most ``most``; none: look by yourself.

    ``asking``: nothing was found, so a finger draws a box at once; ``locked``: it can be looked at, not pointed at.
    """

    def told() -> None:
        on_point(regions_in(st.session_state[key].get("regions"), size, most))

    width, height = size
    data = {
        "src": src,
        "full": full,
        "width": width,
        "height": height,
        "boxes": [{**box.region.to_json(), "taken": box.taken, "label": box.label} for box in boxes],
        "most": most,
        "asking": asking,
        "locked": locked,
        "words": _words(most),
    }
    version = (
        f"{full} {[(box.region.to_json(), box.taken, box.label) for box in boxes]} {asking} {workbench().language}"
    )
    _COMPONENT(data={**data, "version": version}, key=key, default={"regions": None}, on_regions_change=told)


def regions_in(sent: object, size: tuple[int, int], most: int) -> list[Region]:
    """What a browser sent, as regions of a picture of that ``size``; what is none is left out."""
    found = []
    for record in sent[:most] if isinstance(sent, list) else ():
        try:
            found.append(Region.from_json(record).inside(*size))
        except (ConfigRefused, OverflowError):  # only a tampered client sends such
            continue
    return found


def _words(most: int) -> dict[str, object]:
    return {
        "picture": _("Your image"),
        "closer": _("Closer"),
        "further": _("Further away"),
        "fit": _("The whole image"),
        "draw": _("Draw a rectangle"),
        "move": _("Move the image"),
        "again": _("Look for the marks again"),
        "proposed": _("Proposed mark"),
        "mark": _("Mark"),
        "turn": _("Turn"),
        "quarter": _("Turn by a quarter"),
        "degrees": _("degrees"),
        "tone": _("The mark is"),
        "tones": {"": _("dark or bright"), "dark": _("dark"), "bright": _("bright")},
        "remove": _("Remove this rectangle"),
        "hint": _("Drag a rectangle around a mark, or click a proposed one."),
        "hint_moving": _("The image moves under the finger. To point at a mark, take the rectangle."),
        "hint_keys": _("Arrows move the rectangle, with Shift they size it, Delete takes it away."),
    }
