"""A change of the collection that a control asks for: done and said at the foot with its Undo, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable

from core.ground.errors import BurinError, changed_meanwhile
from pages.ui import services
from pages.ui.i18n import sentence
from pages.ui.state import Notice, workbench


def make(act: Callable[[], object], text: str, icon: str) -> bool:
    """Do ``act``, say ``text`` with Undo, and answer whether it was done; a refusal is said instead."""
    data, bench = services.dataset(), workbench()
    latest = data.history(1)
    try:
        act()
    except BurinError as error:
        bench.notices.append(Notice(sentence(error), ":material/error:"))
        return False
    now = data.history(1)
    changed = now and (not latest or now[0].id != latest[0].id)
    bench.notices.append(Notice(text, icon, now[0].id if changed else None))
    return True


def say_changed(name: str) -> None:
    """Say that what was to be changed is not what was seen any more."""
    error = changed_meanwhile(name)
    workbench().notices.append(Notice(sentence(error), ":material/error:"))
