"""Text made safe for the screen: names, file names and sentences may hold anything.

Everything that a person typed passes through `esc` before it reaches a label or Markdown.
"""

from __future__ import annotations

import re

from core.intake.cells import is_formula

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_ARROW = re.compile(r"(^|(?<=\s))(<->|<-|->|--|>=|<=|~=)(?=\s|$)")  # the renderer makes signs of these
_LINK = re.compile(r"(://|www\.|:streamlit:)")
_JOINER = "\u2060"  # no width, no break


def esc(text: object) -> str:
    """``text`` as literal Markdown on one line: no link, image, colour, icon, formula or arrow is made of it."""
    line = " ".join(str(text).split())
    line = _ARROW.sub(lambda found: found[0] + _JOINER, line)
    line = _LINK.sub(lambda found: found[0][0] + _JOINER + found[0][1:], line)
    return _PUNCTUATION.sub(r"\\\1", line)


def cell(value: object) -> object:
    """A cell of a table that a browser may save as CSV by itself: a text that a spreadsheet would calculate begins with
    a sign that cannot be seen."""
    return f"{_JOINER}{value}" if isinstance(value, str) and is_formula(value) else value


def file_name(path: str) -> str:
    """The last part of an upload's name, which may carry folders of the sender's machine."""
    return re.split(r"[/\\]", path)[-1] or path
