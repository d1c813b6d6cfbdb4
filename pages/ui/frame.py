"""The parts of the frame that `Home.py` puts around every page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import streamlit as st

from burin import __version__ as VERSION
from core.ground.errors import BurinError
from core.ground.translations import LANGUAGES
from core.ground.workspace import Workspace
from pages.ui import guide, people, refusals, services, signing
from pages.ui.components import native
from pages.ui.i18n import _, ngettext, number, preferred, sentence
from pages.ui.links import linked_choice
from pages.ui.state import Notice, workbench
from pages.ui.text import esc

# The chosen one of several pills is written in the primary colour on a tint of it. In the dark that cannot be read
# well (WCAG 2.2, 1.4.3) in any colour on which a primary button's white can; there is no setting for it in 1.67.
ACTIVE = """<style>
button[data-variant][data-selected="true"], button[data-variant][data-selected="true"] :is(p, span) { color: COLOUR }
</style>"""
LANGUAGE = "frame.language"
LOGO = Path(__file__).parents[2] / "assets" / "logo"

# Tells the browser the page's language, and lets it remember the one that was chosen in it: that is read once, when the
# page is opened by an address that asks for none.
_SET_LANGUAGE = st.components.v2.component(
    "burin_language",
    js="""
const STORED = 'burin.language', shown = new WeakMap()
export default function ({ data, parentElement, setTriggerValue }) {
  const before = shown.get(parentElement)
  shown.set(parentElement, data.language)
  document.documentElement.lang = data.language
  try {
    const kept = localStorage.getItem(STORED)
    if (before !== undefined && before !== data.language || data.asked) localStorage.setItem(STORED, data.language)
    else if (before === undefined && kept && kept !== data.language) setTriggerValue('kept', kept)
  } catch { /* a browser that keeps nothing */ }
}
""",
)


def configure() -> None:
    """Tab icon, layout, logo, language and menu: what must be known before anything is written."""
    st.set_page_config(
        page_title="Burin",
        page_icon=str(LOGO / "icon.png"),
        layout="wide",
    )
    with st.sidebar:
        chosen = linked_choice(
            st.segmented_control,
            "Langue · Language",
            list(LANGUAGES),
            param="lang",
            key="frame.lang",
            default=_language(),
            sticky=True,
            format_func=LANGUAGES.__getitem__,
            required=True,
            label_visibility="collapsed",
        )
        _SET_LANGUAGE(
            data={"language": chosen, "asked": "lang" in st.query_params}, key=LANGUAGE, height=1,
            on_kept_change=_recall_language,
        )  # fmt: skip
    workbench().language = chosen or preferred()
    about = _("**Burin {version}**: drop a mark, read its name.\n\nMIT licence. Burin sends nothing to anybody.")
    st.set_page_config(
        menu_items={
            "Get help": guide.address(st.context.url or ""),
            "Report a bug": None,
            "About": about.format(version=VERSION),
        }
    )
    with st.sidebar:
        native.mend(workbench().language)
    workbench().stale = False  # the whole page is being drawn
    if st.context.theme.type == "dark":
        st.html(ACTIVE.replace("COLOUR", str(st.get_option("theme.dark.linkColor"))))
    shade = "dark" if st.context.theme.type == "dark" else "light"
    st.logo(str(LOGO / f"wordmark-{shade}.svg"), size="large", icon_image=str(LOGO / f"mark-{shade}.svg"))


def _language() -> str:
    """Of somebody who has chosen none: the workspace's, else the browser's."""
    with suppress(BurinError):  # settings that cannot be read are said in the frame, which needs a language for that
        return Workspace.open().config().language or preferred()
    return preferred()


def _recall_language() -> None:
    """Take the language that the browser remembers."""
    kept = st.session_state[LANGUAGE].kept
    if kept in LANGUAGES:
        st.query_params["lang"] = kept


def sidebar(url_path: str) -> None:
    """Who is at the screen, which workspace this is, what is promised about it, and help on the page at ``url_path``."""
    workspace = Workspace.open()  # nobody's: it only says where it is
    with st.sidebar:
        guide.link(url_path)
        with errors_said():
            signing.who()
        st.caption(
            _("Workspace: {name}").format(name=esc(workspace.root.name or workspace.root)), help=esc(workspace.root)
        )
        st.caption(_("Everything stays on this machine: no tracker, no request to anywhere else."))


@contextmanager
def errors_said() -> Iterator[None]:
    """Say a `BurinError`, or a fault of the machine, in the session's language, in the place of what could not be
    drawn."""
    try:
        yield
    except Exception as error:
        if not say(error):
            raise


def say(error: Exception) -> bool:
    """Say an error, if it can be said: the server asks this of whatever a page, a part of one or a control let pass."""
    if (said := refusals.said_of(error)) is None:
        return False
    st.error(esc(sentence(said)), icon=":material/error:")
    return True


def sample_banner() -> None:
    """Says that the marks on show are drawn by Burin, and removes them in one click."""
    if not services.workspace().config().sample:
        return
    with st.container(border=True, key="frame.sample"):
        said, button = st.columns([3, 1], vertical_alignment="center")
        said.markdown(
            ":material/science: "
            + _("**Sample workspace.** These marks are drawn by Burin to try things out; they are no maker's marks.")
        )
        button.button(
            _("Remove the sample"),
            key="frame.remove_sample",
            icon=":material/delete:",
            on_click=_remove_sample,
            width="stretch",
            **people.bar(),
        )


def _remove_sample() -> None:
    from core.showcase.sample import remove

    if not people.may("curator"):
        return
    before = services.dataset().counts().originals
    remove(services.workspace())
    services.dataset().rescan()
    gone = before - services.dataset().counts().originals
    text = ngettext("The sample is removed: {n} image.", "The sample is removed: {n} images.", gone)
    workbench().notices.append(Notice(text.format(n=number(gone)), ":material/delete:"))
