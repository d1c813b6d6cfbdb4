"""The sample's photographs, each one click from its answer; and what was tried of the sample, noted."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.ground.errors import ImageRefused
from core.ground.images import decode
from core.ground.images import thumbnail as small
from core.ground.workspace import is_own
from core.showcase import tried
from core.showcase.laid import Laid, path_of
from pages.ui import services
from pages.ui.components.gallery import Group, Tile, gallery, webp_url
from pages.ui.i18n import _
from pages.ui.search.inputs import query_of, take
from pages.ui.state import workbench

FIRST = "lens.jpg"


def offer() -> None:
    """The photographs; a click gives one to Identify. Nothing where there is no sample."""
    workspace = services.workspace()
    laid = Laid.read(workspace) if workspace.config().sample else Laid()
    files = [file for file in laid.photographs if is_own(path_of(workspace, file))]
    if not files:
        return
    titles = {
        "lens.jpg": _("On a lens"),
        "two-marks.jpg": _("Two marks"),
        "paper.jpg": _("On paper"),
        "foreign.jpg": _("From elsewhere"),
        "no-mark.jpg": _("Without a mark"),
    }
    st.subheader(_("Or try one of these"), anchor=False)
    tiles = [Tile(at, thumbnail(file), titles.get(file, file), titles.get(file, file)) for at, file in enumerate(files)]
    clicked = gallery([Group("", "", tiles)], version=f"{files}{workbench().language}", key="identify.samples")
    if clicked is not None:
        give(files[clicked])
        st.rerun()


def give(file: str) -> None:
    """Let Identify answer this photograph."""
    take([query_of(file, path_of(services.workspace(), file).read_bytes())])


def thumbnail(file: str) -> str:
    """A small one, as an address; "" where the photograph is gone."""
    return _thumbnail(str(path_of(services.workspace(), file)))


def noted(task: tried.Task) -> None:
    """Tick this off the list on the Overview."""
    tried.note(services.workspace(), task)


@st.cache_data(show_spinner=False, max_entries=20)
def _thumbnail(path: str) -> str:
    try:
        return webp_url(small(decode(Path(path).read_bytes())))
    except (OSError, ImageRefused):
        return ""
