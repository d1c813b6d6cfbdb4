"""CSV cells that no spreadsheet takes for a formula, and back (OWASP ASVS 5.0, 1.2.10)."""

from __future__ import annotations

_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def neutral(value: object) -> str:
    """``value`` as a cell: with an apostrophe before it where a spreadsheet would calculate it.

    A text that begins with an apostrophe gets one too, so that `restored` always gives back the text.
    """
    text = "" if value is None else str(value)
    return f"'{text}" if is_formula(text) else text


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would calculate a cell with this text, or `restored` take something from it."""
    return text.startswith(_TRIGGERS)


def restored(cell: str) -> str:
    """The text that `neutral` was given; a cell that it did not change is itself."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_TRIGGERS) else cell
