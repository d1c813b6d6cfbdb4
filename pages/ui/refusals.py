"""Saying in a callback what core refuses, as a sentence at the start of the next run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.ground.errors import BurinError
from core.ground.machine_faults import fault_of
from pages.ui.i18n import sentence
from pages.ui.state import Notice, workbench


def said_of(error: BaseException) -> BurinError | None:
    """What can be said of an error to the person at the screen; None for one of ours, which belongs into the log."""
    return error if isinstance(error, BurinError) else fault_of(error)


@contextmanager
def attempt() -> Iterator[None]:
    """Do what a control asks for; a `BurinError`, or a fault of the machine, becomes a notice."""
    try:
        yield
    except Exception as error:
        if (said := said_of(error)) is None:
            raise
        bench = workbench()
        bench.notices.append(Notice(sentence(said), ":material/error:"))
        bench.stale = True  # the control may lie in a part of the page that draws itself
