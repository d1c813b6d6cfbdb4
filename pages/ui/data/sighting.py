"""Where the mark lies in an original, shown and set: the picture with its box, what the model sees, what speaks against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from core.ground.regions import Region
from pages.ui import cached, pictures, services
from pages.ui.components.picture import Box, picture
from pages.ui.i18n import _


def point(
    content: bytes,
    sha256: str,
    region: Region | None,
    *,
    key: str,
    on_point: Callable[[Region | None], None],
    locked: bool = False,
    side: int = 1024,
) -> None:
    """The image file ``content`` with the box of its mark, and the boxes that might be one; ``on_point`` is told the box
    that somebody gave, or None where the whole picture is meant."""
    src, size = cached.small(content, sha256, side=side)
    taken = [] if region is None else [Box(region, True)]
    others = [] if region is not None or locked else cached.marks(content, sha256)
    proposed = [Box(one, False) for one in others if one.box != [0, 0, *size]]
    picture(
        src,
        pictures.address(content, sha256),
        size=size,
        boxes=[*taken, *proposed],
        key=key,
        on_point=lambda regions: on_point(regions[0] if regions else None),
        locked=locked,
    )


def seen(content: bytes, sha256: str, region: Region | None) -> None:
    """What the model sees of it."""
    pixels = cached.seen_of(content, sha256, str(services.preprocessing()), region)
    st.image(pixels, width="stretch", alt=_("What the model sees"))
    st.caption(_("What the model sees"))


def doubts(content: bytes, sha256: str, region: Region | None) -> list[str]:
    """What speaks against it as a reference."""
    return cached.doubts(content, sha256, str(services.preprocessing()), region)


def sentences(found: Sequence[str]) -> str:
    """The doubts in words."""
    words = {
        "none": _("No mark is found in it."),
        "several": _("Several marks are found in it: show which one is meant."),
        "border": _("The mark is cut by the edge."),
        "scattered": _("What is seen lies scattered."),
        "little": _("There is next to nothing to be seen."),
    }
    return " ".join(words[one] for one in found)


def warn(found: Sequence[str], *, votes: bool) -> None:
    """Say the doubts, and what follows from them: nothing where it ``votes``."""
    if found:
        told = sentences(found)
        more = "" if votes else " " + _("As it is, it will not vote: show where the mark is.")
        st.markdown(":orange-badge[:material/visibility: " + _("sight in doubt") + f"]  \n{told}{more}")
