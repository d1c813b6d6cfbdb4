"""What a verdict is called and looks like, wherever one is shown."""

from __future__ import annotations

from pages.ui.i18n import _

LOOK = {
    "certain": ("green", ":material/verified:"),
    "hesitates": ("orange", ":material/balance:"),
    "unknown": ("gray", ":material/block:"),
    "not_found": ("blue", ":material/crop_free:"),
}


def verdict_name(verdict: str) -> str:
    names = {
        "certain": _("certain"),
        "hesitates": _("hesitates"),
        "unknown": _("not in the base"),
        "not_found": _("no mark found"),
    }
    return names[verdict]


def verdict_badge(verdict: str) -> str:
    """As Markdown."""
    colour, icon = LOOK[verdict]
    return f":{colour}-badge[{icon} {verdict_name(verdict)}]"
