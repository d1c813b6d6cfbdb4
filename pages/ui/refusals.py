"""Saying in a callback what core refuses, as a sentence at the start of the next run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.ground.errors import BurinError
from pages.ui.i18n import sentence
from pages.ui.state import Notice, workbench


@contextmanager
def attempt() -> Iterator[None]:
    """Do what a control asks for; a `BurinError` becomes a notice."""
    try:
        yield
    except BurinError as error:
        bench = workbench()
        bench.notices.append(Notice(sentence(error), ":material/error:"))
        bench.stale = True  # the control may lie in a part of the page that draws itself
