"""What one browser session remembers: a record of what several pages share, and each feature's own slice beside it.

Widgets keep their own values under keys that read ``page.thing``; linkable state is in the URL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import StopException

if TYPE_CHECKING:
    from core.ground.regions import Region

KEY = "workbench"

T = TypeVar("T")


def end_page() -> NoReturn:
    """Draw no more of the page. ``st.stop`` does it too, and forgets what was clicked in a fragment meanwhile: it asks
    the script's runner to stop, in the place of the run that waits (Streamlit 1.67, ``ScriptRequests``)."""
    raise StopException


@dataclass
class Notice:
    """A sentence to show once, at the start of the next run; ``entry`` (of the journal), or ``back`` for what is in no
    journal, offers to take it back, and then it stays in view until that is done, it is dismissed, something else is
    said, or its time is up (``until``, in seconds of `time.monotonic`)."""

    text: str
    icon: str = ":material/check:"
    entry: int | None = None
    until: float = 0.0
    back: Callable[[], None] | None = None

    @property
    def undoable(self) -> bool:
        return self.entry is not None or self.back is not None


@dataclass
class Workbench:
    """``language``: "en" or "fr"; ``who``: the name picked by whoever is at the screen, where nobody signs in;
    ``rounds``: per uploader, how many times it was emptied;
    ``notices``: sentences to show on the next run; ``offers``: those in view that can be taken back; ``reported``: the answers already sent to the
    curator; ``pointed``: the marks that somebody pointed at, by the token of their
    image;
    ``asked_class``: a class that the address asked for and that is not there; ``binned``: the item ids selected in the trash;
        ``stale``: a drawer changed what the page shows; ``links``: what each linked choice last had in the URL; ``seen``: of each item the ``ver`` that was shown last; ``selection``: the item ids selected in a grid or a table, the same ones everywhere; ``ticked``: the classes
    ticked in their table; ``refused``: cells of each table whose new text was not taken,
    numbered by ``refusals``; ``handled``: the number of the last entry of each
    table's log that was done."""

    language: str = "en"
    who: str = ""
    rounds: dict[str, int] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    offers: list[Notice] = field(default_factory=list)
    reported: set[str] = field(default_factory=set)
    pointed: dict[str, tuple[Region, ...]] = field(default_factory=dict)
    asked_class: str = ""
    binned: list[int] = field(default_factory=list)
    stale: bool = False
    links: dict[str, str | None] = field(default_factory=dict)
    selection: list[int] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)
    ticked: list[int] = field(default_factory=list)
    handled: dict[str, int] = field(default_factory=dict)
    refused: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refusals: int = 0

    def round_of(self, uploader: str) -> str:
        """The widget key of ``uploader``; `empty` changes it, which is how an uploader is cleared."""
        return f"{uploader}.{self.rounds.get(uploader, 0)}"

    def empty(self, uploader: str) -> None:
        self.rounds[uploader] = self.rounds.get(uploader, 0) + 1


def workbench() -> Workbench:
    """This session's record, made on first use."""
    try:
        return st.session_state[KEY]
    except KeyError:
        st.session_state[KEY] = bench = Workbench()
        return bench


def session_slice(feature: str, factory: Callable[[], T]) -> T:
    """This session's part of one feature, made on first use; `put_slice` replaces it."""
    key = f"slice.{feature}"
    if key not in st.session_state:
        st.session_state[key] = factory()
    return st.session_state[key]


def put_slice(feature: str, value: object) -> None:
    st.session_state[f"slice.{feature}"] = value
