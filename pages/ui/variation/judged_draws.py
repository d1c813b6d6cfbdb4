"""The preview's draws of an original, each held against the references: is it still nearest to its own class?

One original at a time, remembered; every class is a job, which `safety_view` starts and reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

from core.catalogue.records import Item
from core.ground.images import decode
from core.sight.marks import read_region
from core.variation.augment import preview
from core.variation.policies import Policy
from core.variation.sources import originals_of
from pages.ui import services

if TYPE_CHECKING:
    from core.variation.references import Judged, References

SIDE = 320  # pixels: larger originals are drawn smaller here; strengths are shares of the side, so they look alike


def judged_draws(item: Item, policy: Policy, *, seed: int, n: int) -> Sequence[Judged]:
    """The preview's draws of ``item``, each against the references; none while there is nothing to judge by."""
    if item.class_id is None or services.preparation().active:
        return []
    return _judged(
        item.id, item.sha256, policy, policy.digest, seed, n, services.embedder().space, services.dataset().version
    )


def picture_of(item: Item) -> Image.Image:
    """An original as it is drawn on here; raises `ImageRefused`."""
    return _picture(item, item.sha256)


@st.cache_data(max_entries=64, show_spinner=False)
def _picture(_item: Item, sha256: str) -> Image.Image:
    image = decode(services.workspace().inside(_item.path))
    image = image if _item.region is None else read_region(image, _item.region).picture
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image


@st.cache_resource(show_spinner=False, max_entries=2)
def _references(root: str, space: str, version: int) -> References:
    from core.variation.references import references

    data = services.dataset()
    return references(originals_of(data), services.embedder(), data)


@st.cache_data(show_spinner=False, max_entries=64)
def _judged(
    item_id: int, sha256: str, _policy: Policy, digest: str, seed: int, n: int, space: str, version: int
) -> Sequence[Judged]:
    from core.variation.safety import judge

    refs = _references(str(services.workspace().root), space, version)
    original = next((each for each in refs.originals if each.sha256 == sha256 and each.item_id == item_id), None)
    if original is None:
        return []
    item = services.dataset().item(item_id)
    made = preview(picture_of(item), _policy, seed=seed, n=n, of=sha256)
    return judge(made, original, refs, services.embedder())
