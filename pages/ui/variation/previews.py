"""What the Augment page shows of a policy: draws of the chosen originals and each transform alone, as pictures.

Drawing is core's; here it is remembered by content, steps and seed, and put into words.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from PIL import Image

from core.catalogue.records import Item
from core.ground.images import thumbnail
from core.ground.preprocessing import see
from core.variation.augment import Draw, preview, strips
from core.variation.policies import Policy
from core.variation.transforms import GROUPS, TRANSFORMS
from pages.ui import services
from pages.ui.components.draws import Drawn, Picture, Row
from pages.ui.i18n import _, number, translated
from pages.ui.text import file_name
from pages.ui.variation.judged_draws import judged_draws, picture_of
from pages.ui.variation.recipe import title_of, value_text

SHOWN = 208


@dataclass(frozen=True)
class Looks:
    """What to show of each draw: ``seen`` by the model; ``judged`` against the classes."""

    seen: bool
    judged: bool


def rows(items: Sequence[Item], policy: Policy, *, seed: int, n: int, looks: Looks, named: bool) -> list[Row]:
    """One row an original, with ``n`` draws, under its name where it is to be ``named``."""
    return [_row(item, policy, seed=seed, n=n, looks=looks, named=named) for item in items]


def cards(item: Item, *, seed: int) -> list[tuple[str, str, list[Row]]]:
    """Each transform alone on ``item`` at low, middle and high strength or each of its values, as (group, its title,
    cards)."""
    strengths = (_("low"), _("middle"), _("high"))
    made: dict[str, list[Row]] = {group: [] for group in GROUPS}
    for transform, draws in _strips(item, item.sha256, seed):
        entry = TRANSFORMS[transform]
        shown = draws if entry.parameters else draws[:1]
        first = next(iter(entry.parameters), None)
        said = [value_text(transform, first.name, values[first.name]) if first else "" for _src, values in shown]
        names = said if first and first.choices else strengths
        tiles = [
            Picture(
                src,
                alt=f"{title_of(transform)}, {name}",
                caption=caption,
                hint=_told(transform, values),
            )
            for name, caption, (src, values) in zip(names, said, shown, strict=False)
        ]
        made[entry.group].append(Row(title_of(transform), translated(entry.help), None, tiles))
    return [(group, translated(title), made[group]) for group, title in GROUPS.items() if made[group]]


def _row(item: Item, policy: Policy, *, seed: int, n: int, looks: Looks, named: bool) -> Row:
    made = _draws(item, item.sha256, policy, policy.digest, seed, n, looks.seen, _space(looks))
    verdicts = _verdicts(item, policy, seed, n) if looks.judged else []
    name = item.class_name or _("no class")
    tiles = []
    for number_, (src, seen, steps, drawn) in enumerate(made.draws):
        verdict, unsafe = verdicts[number_] if verdicts else ("", False)
        told = [Drawn(title_of(transform), _values(transform, values)) for transform, values in steps]
        tiles.append(
            Picture(
                src,
                alt=_("Draw {n} of {name}").format(n=number(number_ + 1), name=name),
                seen=seen,
                caption=" · ".join(step.title for step in told) or _("unchanged"),
                hint="\n".join(_told(transform, values) for transform, values in steps) or _("unchanged"),
                steps=told,
                seed=str(drawn),
                verdict=verdict,
                unsafe=unsafe,
            )
        )
    first = Picture(made.original, alt=_("The original of {name}").format(name=name), seen=made.seen)
    return Row(name if named else "", file_name(item.path) if named else "", first, tiles)


@dataclass(frozen=True)
class _Made:
    original: str
    seen: str
    draws: list[tuple[str, str, list[tuple[str, dict[str, float]]], int]]


@st.cache_data(max_entries=48, show_spinner=False)
def _draws(_item: Item, sha256: str, _policy: Policy, digest: str, seed: int, n: int, seen: bool, space: str) -> _Made:
    picture = picture_of(_item)
    made = preview(picture, _policy, seed=seed, n=n, of=sha256)
    return _Made(
        _url(picture),
        _seen(picture) if seen else "",
        [
            (_url(each.image), _seen(each.image) if seen else "", _parameters(each), each.seed)
            for each in made
        ],
    )  # fmt: skip


@st.cache_data(max_entries=16, show_spinner=False)
def _strips(_item: Item, sha256: str, seed: int) -> list[tuple[str, list[tuple[str, dict[str, float]]]]]:
    made = []
    for strip in strips(picture_of(_item), seed=seed):
        drawn = [(_url(each.image), dict(each.parameters[0].values)) for each in strip.draws]
        made.append((strip.transform, drawn))
    return made


def _verdicts(item: Item, policy: Policy, seed: int, n: int) -> list[tuple[str, bool]]:
    """For each draw which class it is nearest to; nothing where the encoder or another class is missing."""
    words = []
    for each in judged_draws(item, policy, seed=seed, n=n):
        if not each.nearest:
            words.append((_("no other class to compare with"), False))
        elif each.unsafe:
            words.append((_("nearer to {name}").format(name=each.nearest), True))
        else:
            words.append((_("still {name}").format(name=item.class_name), False))
    return words


def _space(looks: Looks) -> str:
    """Names the preprocessing, where it matters."""
    return str(services.preprocessing()) if looks.seen else ""


def _seen(image: Image.Image) -> str:
    return _url(Image.fromarray(see(image, services.preprocessing())))


def _url(image: Image.Image) -> str:
    return "data:image/webp;base64," + base64.b64encode(thumbnail(image, side=SHOWN)).decode("ascii")


def _parameters(drawn: Draw) -> list[tuple[str, dict[str, float]]]:
    return [(applied.transform, dict(applied.values)) for applied in drawn.parameters]


def _values(transform: str, values: dict[str, float]) -> list[tuple[str, str]]:
    titles = {parameter.name: translated(parameter.title) for parameter in TRANSFORMS[transform].parameters}
    return [(titles[name], value_text(transform, name, value)) for name, value in values.items()]


def _told(transform: str, values: dict[str, float]) -> str:
    told = ", ".join(f"{name} {value}" for name, value in _values(transform, values))
    return f"{title_of(transform)}: {told}" if told else title_of(transform)
