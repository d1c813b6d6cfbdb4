"""French and English: English sentences are the keys of `core.ground.translations`, in this session's language.

`tests/test_locale.py` fails when a string of the interface has no translation.
"""

from __future__ import annotations

from typing import cast

import streamlit as st

from core.ground import translations
from core.ground.errors import BurinError
from core.ground.translations import LANGUAGES, catalogue
from pages.ui.state import workbench


def _(message: str) -> str:
    """``message`` in this session's language."""
    return catalogue(workbench().language).gettext(message)


def translated(message: str) -> str:
    """What core's tables marked for translation (names of transforms, units), in this session's language."""
    return catalogue(workbench().language).gettext(message) if message else ""


def ngettext(singular: str, plural: str, n: int) -> str:
    """The form of the sentence for ``n``; the caller fills ``{n}``, usually with `number`."""
    return catalogue(workbench().language).ngettext(singular, plural, n)


def number(value: float) -> str:
    """A number as this session's language writes it: 1,234 or 1 234."""
    return translations.number(value, workbench().language)


def decimals(value: float, digits: int) -> str:
    """A number with exactly so many decimals: 0.70 or 0,70."""
    return translations.decimals(value, digits, workbench().language)


def chance(p: float) -> str:
    """A p-value as it is written: "p = 0.031", and never 0: "p < 0.001"."""
    return f"p < {decimals(0.001, 3)}" if p < 0.001 else f"p = {decimals(p, 3)}"


def percent(share: float) -> str:
    """A share (0 to 1) as this session's language writes it, to a tenth of a percent: 5% or 5 %."""
    return translations.percent(share, workbench().language)


def sentence(error: BurinError) -> str:
    """An error in this session's language: its template is translated, its values are data."""
    template = _(error.template)
    # By its attribute, not its class: after a reload of the modules an error of the old class is none of the new.
    values = {name: sentence(cast(BurinError, v)) if hasattr(v, "template") else v for name, v in error.values.items()}
    return template.format(**values) if values else template


def preferred() -> str:
    """The browser's language when we speak it, else English."""
    wanted = (st.context.locale or "en").split("-")[0].lower()
    return wanted if wanted in LANGUAGES else "en"
