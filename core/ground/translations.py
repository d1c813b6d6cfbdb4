"""The catalogue of another language: English sentences are its keys, ``assets/locale`` its source; and numbers as a
language writes them.

It is compiled in memory and no compiled file is kept. Which language a person reads is the pages' matter.
"""

from __future__ import annotations

import gettext
import io
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "fr": "Français"}
LOCALES = Path(__file__).parents[2] / "assets" / "locale"


def _(text: str) -> str:
    """Marks in core what the interface translates: a title in a table, the name of a policy."""
    return text


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations of one language; English is the language of the keys themselves."""
    path = LOCALES / language / "LC_MESSAGES" / "burin.po"
    if language not in LANGUAGES or not path.exists():
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with open(path, "rb") as stream:
        write_mo(compiled, read_po(stream, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def number(value: float, language: str) -> str:
    """1,234 or 1 234."""
    from babel.numbers import format_decimal

    return format_decimal(value, locale=language)


def decimals(value: float, digits: int, language: str) -> str:
    """A number with exactly so many decimals: 0.70 or 0,70."""
    from babel.numbers import format_decimal

    return format_decimal(value, format="#,##0." + "0" * digits, locale=language)


def percent(share: float, language: str) -> str:
    """A share (0 to 1) to a tenth of a percent: 5%, or 5 % in one piece."""
    from babel.numbers import format_percent

    return format_percent(share, format="#,##0.#\u202f%" if language == "fr" else "#,##0.#%", locale=language)
