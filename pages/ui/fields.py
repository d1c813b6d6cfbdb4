"""The fields of settings: each follows what is kept until somebody types into it, and then keeps what was typed, also
where another tab was quicker, which `taken` says before anything is overwritten.

Streamlit gives a field its default once: without this one, what another tab or an Undo changed would not be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui.i18n import _
from pages.ui.state import Notice, session_slice, workbench


@dataclass
class _Field:
    shown: object  # what the setting was when the field showed it
    held: object  # and what it is now


def _fields() -> dict[str, _Field]:
    return session_slice("settings.fields", dict[str, _Field])


def fill(key: str, held: Any) -> str:
    """Put ``held``, what is kept, into the field of that key where nobody typed over it; answers the key. The field itself is
    given no default."""
    fields, state = _fields(), st.session_state
    field = fields.get(key)
    if field is None or key not in state or state[key] in (field.shown, held):
        if key not in state or state[key] != held:
            state[key] = held
        fields[key] = _Field(held, held)
    else:
        field.held = held
    return key


def taken(*keys: str) -> bool:
    """Whether somebody changed one of these settings since its field was filled; it is said then, and what was typed
    stays in the field: saved again, it is meant."""
    changed = [field for key in keys if (field := _fields().get(key)) and field.held != field.shown]
    for field in changed:
        field.shown = field.held
    if changed:
        text = _("Somebody else changed this setting in the meantime: save again to put yours in its place.")
        workbench().notices.append(Notice(text, ":material/error:"))
    return bool(changed)
