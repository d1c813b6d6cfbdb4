"""Calling findings right as they are: they are not shown again, and that can be taken back."""

from __future__ import annotations

from collections.abc import Sequence

from core.review.dismissed import Kept
from pages.ui import people, services
from pages.ui.i18n import ngettext, number
from pages.ui.state import Notice, workbench


def keep_all(kind: str, findings: Sequence[Sequence[str]]) -> None:
    """Keep these findings of ``kind`` by their parts, and say so with Undo."""
    if not people.may("curator"):
        return
    kept = Kept.read(services.workspace())
    new = [parts for parts in findings if (kind, parts) not in kept]
    kept.add(kind, *new)
    if kind == "hint":
        text = ngettext(
            "{n} label was called right: it is not doubted again.",
            "{n} labels were called right: they are not doubted again.",
            len(findings),
        )
    else:
        text = ngettext("{n} finding is settled.", "{n} findings are settled.", len(findings))

    def back() -> None:
        if not people.may("curator"):
            return
        Kept.read(services.workspace()).remove(kind, *new)

    workbench().notices.append(Notice(text.format(n=number(len(findings))), back=back))
