"""Saying who one is: signing in where a login is configured, else picking a name in the sidebar."""

from __future__ import annotations

import streamlit as st

from core.ground.names import printable
from pages.ui import people, services
from pages.ui.i18n import _
from pages.ui.state import workbench
from pages.ui.text import esc

KEY = "frame.who"
REMEMBERED = "frame.remembered"

# The browser keeps the name that was picked in it, so that a reload does not ask again. It is read once, when the
# page is opened, and comes back as if it had been typed.
_REMEMBER = st.components.v2.component(
    "burin_person",
    js="""
const STORED = 'burin.person', shown = new WeakMap()
export default function ({ data, parentElement, setTriggerValue }) {
  const before = shown.get(parentElement)
  shown.set(parentElement, data.name)
  try {
    if (data.name) localStorage.setItem(STORED, data.name)
    else if (before) localStorage.removeItem(STORED)
    else if (before === undefined && localStorage.getItem(STORED)) setTriggerValue('name', localStorage.getItem(STORED))
  } catch { /* a browser that keeps nothing */ }
}
""",
)


def ask() -> None:
    """The page of somebody who has not signed in: what this is, and the way in."""
    with st.container(horizontal_alignment="center"), st.container(width=460, border=True, key="frame.sign_in"):
        st.title(_("Sign in"), anchor=False)
        st.markdown(_("This workspace is shown to people whom its owner knows."))
        named = people.providers()
        for name in named or [""]:
            st.button(
                _("Sign in with {provider}").format(provider=esc(name.capitalize())) if name else _("Sign in"),
                key=f"frame.sign_in.{name}", type="primary", icon=":material/login:", width="stretch",
                on_click=st.login, args=(name,) if name else (),
            )  # fmt: skip


def who() -> None:
    """In the sidebar: who is at the screen, and their role where it is not the one that may do everything."""
    person = people.actor()
    if people.login_wanted():
        st.caption(_("Signed in as {name} · {role}").format(name=esc(person.name), role=people.role_name(person.role)))
        st.button(_("Sign out"), key="frame.sign_out", icon=":material/logout:", type="tertiary", on_click=st.logout)
        return
    names = _names(str(services.workspace().root))
    known = list(dict.fromkeys([*people.settings().roles, *names, *filter(None, [person.name])]))
    if person.name and KEY not in st.session_state:
        st.session_state[KEY] = person.name
    st.selectbox(
        _("Who are you?"),
        known,
        index=None,  # so that a name can be cleared
        key=KEY,
        placeholder=_("Your name, for the history"),
        accept_new_options=True,
        on_change=_take,
        help=_("It is written beside what you change, and undo takes back your own changes only."),
    )
    _REMEMBER(data={"name": person.name}, key=REMEMBERED, on_name_change=_recall, height=1)
    if person.role != "researcher":
        st.caption(_("Your role: {role}").format(role=people.role_name(person.role)))


def _take() -> None:
    workbench().who = _as_name(st.session_state.get(KEY))


def _recall() -> None:
    """Take the name that the browser remembers, unless one was picked in the meantime."""
    if not workbench().who:
        workbench().who = _as_name(st.session_state[REMEMBERED].name)
        st.session_state[KEY] = workbench().who or None


def _as_name(said: object) -> str:
    """What somebody typed, or a browser sent, on one line and not too long."""
    return " ".join(printable(said).split())[: people.LONGEST_NAME].strip() if isinstance(said, str) else ""


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def _names(root: str) -> list[str]:
    """Those in the journal, as of a minute ago; the sample's is nobody's."""
    return [name for name in services.dataset().people() if name != "sample"]
