"""What the navigation says beside a page's name."""

from __future__ import annotations

from core.ground.errors import BurinError
from pages.ui import cached, people
from pages.ui.i18n import _, number


def inbox_title() -> str:
    """ "Inbox", with how many reports wait; not for somebody who has yet to sign in."""
    if not people.signed_in():
        return _("Inbox")
    try:
        waiting = cached.reports()
    except BurinError:  # said by the page itself
        waiting = 0
    return f"{_('Inbox')} ({number(waiting)})" if waiting else _("Inbox")
