"""How the shell writes a count of things."""

from __future__ import annotations


def counted(n: int, thing: str, things: str = "") -> str:
    """ "1 original", "2 originals"; ``things`` where an s does not make the plural."""
    return f"{n} {thing if n == 1 else things or thing + 's'}"
