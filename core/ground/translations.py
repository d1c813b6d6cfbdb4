"""The catalogue of another language: English sentences are its keys, ``assets/locale`` its source.

It is compiled in memory and no compiled file is kept. Which language a person reads is the pages' matter.
"""

from __future__ import annotations

import gettext
import io
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "fr": "Français"}
LOCALES = Path(__file__).parents[2] / "assets" / "locale"


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
