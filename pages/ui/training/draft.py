"""The settings of the next training as they are being chosen, kept for this session. No widgets: `form` has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.training.settings import Thaw, TrainSettings
from pages.ui import services
from pages.ui.state import put_slice, session_slice

SLICE = "training"


@dataclass
class Draft:
    """``base``: what the controls began with; ``round`` counts how often they began anew; ``thaws``: the unfreezing
    table as it is now, ``shown``: as its editor was last given it, which is its ``table``-th; ``epochs``: what the
    table was last made for."""

    base: TrainSettings
    round: int = 0
    thaws: tuple[Thaw, ...] = ()
    shown: tuple[Thaw, ...] = ()
    epochs: int = 0
    table: int = 0

    def key(self, name: str) -> str:
        return f"train.{name}.{self.round}"

    def kept(self, name: str) -> dict[str, Any]:
        """The key of a control, whose value stays while another page is open."""
        return {"key": self.key(name), "persist_state": "session"}


def draft() -> Draft:
    """This session's; the defaults at first, seen as this workspace's marks are."""
    return session_slice(
        SLICE, lambda: _of(TrainSettings(preprocessing=services.workspace().config().preprocessing.trained), round_=0)
    )


def take(settings: TrainSettings) -> None:
    """Put ``settings`` into the form in place of what is there; its controls begin anew."""
    put_slice(SLICE, _of(settings, round_=draft().round + 1))


def _of(settings: TrainSettings, *, round_: int) -> Draft:
    return Draft(settings, round_, settings.unfreezing, settings.unfreezing, settings.epochs)
