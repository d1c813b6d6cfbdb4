"""The parts of the Settings page. A setting is a field of `WorkspaceConfig`; changing it is `Dataset.set_settings`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import cast, get_args

import streamlit as st

from core.catalogue.catalogue import reach, shown_url
from core.ground.config import MODES, Mode, Preprocessing, Role
from core.ground.errors import BurinError
from core.ground.translations import LANGUAGES
from core.ground.workspace import size_of
from pages.ui import changes, fields, people, services, widgets
from pages.ui.data.exporting import file_size
from pages.ui.home import seeing
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.state import Notice, workbench
from pages.ui.text import esc
from pages.ui.training import actions
from pages.ui.training.time_estimate import recognition_s
from pages.ui.training.words import duration, field_label, mode_name

SIZES = tuple(range(64, 289, 32))


def _save(text: str, *keys: str, **values: object) -> None:
    """Change settings and say so, with Undo; a value outside its rule is said instead, and so is who was quicker in the
    fields of these ``keys``."""
    if not fields.taken(*keys):
        changes.make(lambda: services.dataset().set_settings(**values), text, ":material/settings:")


def recognition() -> None:
    """How certain an answer has to be, and how many references vote."""
    config = services.workspace().config()
    with st.container(border=True):
        st.subheader(_("How it answers"), anchor=False)
        rate = st.number_input(
            _("False-accept rate (%)"), 0.1, 50.0, step=0.5, format="%.1f",
            key=fields.fill("settings.rate", round(100 * config.false_accept_rate, 4)), disabled=not people.may("researcher"),
            help=_("Of marks from outside the base, the share that may be named all the same."),
        )  # fmt: skip
        votes = st.number_input(
            _("Neighbours"), 1, 100, key=fields.fill("settings.neighbours", config.neighbours),
            disabled=not people.may("researcher"), help=_("References that vote when an image is recognised."),
        )  # fmt: skip
        st.caption(_("It costs nothing: the thresholds are measured anew, in seconds."))
        widgets.act(
            _("Save"),
            lambda: _save(
                _("The answers follow the new settings."), "settings.rate", "settings.neighbours",
                false_accept_rate=round(rate / 100, 4), neighbours=int(votes),
            ),
            key="settings.save_answers", icon=":material/save:", **people.bar("researcher"),
        )  # fmt: skip


def encoder() -> None:
    """What the untrained encoder sees, and which weights it has; what another one costs."""
    workspace = services.workspace()
    config = workspace.config()
    seen = config.preprocessing
    with st.container(border=True):
        st.subheader(_("What the model sees"), anchor=False)
        may = people.may("researcher")
        mode = st.selectbox(
            field_label("mode"), list(MODES), format_func=mode_name, key=fields.fill("settings.mode", seen.mode),
            disabled=not may,
        )  # fmt: skip
        sizes = sorted({*SIZES, seen.size})
        size = st.selectbox(
            field_label("size"), sizes, format_func=lambda side: f"{number(side)} px",
            key=fields.fill("settings.size", seen.size), disabled=not may,
        )  # fmt: skip
        weights = st.text_input(
            _("Encoder"), key=fields.fill("settings.weights", config.weights), disabled=not may,
            placeholder=_("the bundled one"),
            help=_(
                "A file of weights in the workspace (.safetensors, .pt), or the name of a model of timm or of its hub, "
                "such as vit_small_patch14_dinov2 or timm/resnet50.a1_in1k: its weights are fetched once, where a network "
                "is there."
            ),
        )  # fmt: skip
        if actions.in_use() is not None:
            st.caption(
                _(
                    "A promoted network is in use and keeps how it sees: this holds for new trainings, and once it is gone."
                )
            )
        else:
            st.caption(_cost(int(size), seen.size))
        wanted = Preprocessing(mode=cast(Mode, mode), size=int(size))

        def save() -> None:
            try:
                _check_weights(weights.strip())
            except BurinError as error:
                workbench().notices.append(Notice(sentence(error), ":material/error:"))
                return
            _save(
                _("The encoder is another one now."), "settings.mode", "settings.size", "settings.weights",
                preprocessing=wanted, weights=weights.strip(),
            )  # fmt: skip

        widgets.act(
            _("Save"), save, key="settings.save_encoder", icon=":material/save:", **people.bar("researcher")
        )  # fmt: skip
    seeing.section(key="settings.views")


def language() -> None:
    """Which language somebody reads who has chosen none."""
    held = services.workspace().config().language
    choices = ("", *LANGUAGES)
    with st.container(border=True):
        st.subheader(_("Language"), anchor=False)
        chosen = st.segmented_control(
            _("Of whoever has chosen none"), choices, key=fields.fill("settings.language", held), required=True,
            format_func=lambda each: LANGUAGES.get(each) or _("as their browser"), disabled=not people.may("researcher"),
            help=_("What somebody chooses in the sidebar stays theirs. It costs nothing."),
        )  # fmt: skip
        if chosen is not None and chosen != held:
            widgets.act(
                _("Save"), lambda: _save(_("The language is changed."), "settings.language", language=chosen),
                key="settings.save_language", icon=":material/save:", **people.bar("researcher"),
            )  # fmt: skip


def _check_weights(spec: str) -> None:
    if spec != services.workspace().config().weights:
        from core.embedding.weights import resolve

        resolve(spec, workspace=services.workspace(), allow_network=True)


def _cost(size: int, before: int) -> str:
    """What it takes to look at every original anew."""
    n = services.dataset().counts().originals
    text = ngettext(
        "Another encoder looks at {n} original anew", "Another encoder looks at all {n} originals anew", n
    ).format(n=number(n))
    if services.preparation().stage != "ready" or not n:
        return f"{text}."
    seconds = n * recognition_s(services.embedder().space) * (size / before) ** 2
    return _("{what}: about {time}, while Identify goes on with the one before.").format(
        what=text, time=duration(seconds)
    )


def roles() -> None:
    """Who may do what, by name or e-mail address."""
    config = services.workspace().config()
    own = get_args(Role)
    with st.container(border=True):
        st.subheader(_("Roles"), anchor=False)
        st.caption(
            _("A viewer looks and reports, a curator changes the collection, a researcher trains and changes settings.")
            + " "
            + _("A role costs nothing, and holds at once.")
        )
        for position, (person, role) in enumerate(config.roles.items()):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{esc(person)}** · {people.role_name(role)}", width="stretch")
                widgets.act(
                    "", _without(person), key=f"settings.role.{position}", icon=":material/close:", type="tertiary",
                    **people.bar("researcher", help=_("Take the role away")),
                )  # fmt: skip
        with (
            st.form("settings.roles", border=False, clear_on_submit=True),
            st.container(horizontal=True, vertical_alignment="bottom"),
        ):
            name = st.text_input(_("Name or e-mail address"), key="settings.role_name", width="stretch")
            given = st.selectbox(_("Role"), own, key="settings.role_given", format_func=people.role_name, width=160)
            if st.form_submit_button(_("Give"), key="settings.role_give", **people.bar("researcher")) and name.strip():
                text = _("{name} is a {role} now.").format(name=name.strip(), role=people.role_name(given))
                _save(text, roles={**config.roles, name.strip(): given})
                st.rerun()
        rest = ("", *own)
        default = st.selectbox(
            _("Everybody else"), rest, key=fields.fill("settings.default_role", config.default_role),
            format_func=lambda each: people.role_name(each) if each else _("viewer with a login, else researcher"),
            disabled=not people.may("researcher"),
        )  # fmt: skip
        if default != config.default_role:
            widgets.act(
                _("Save"), lambda: _save(
                    _("The role of everybody else is changed."), "settings.default_role", default_role=default
                ),
                key="settings.save_default", icon=":material/save:", **people.bar("researcher"),
            )  # fmt: skip


def _without(person: str) -> Callable[[], None]:
    def act() -> None:
        held = services.workspace().config().roles
        kept = {name: role for name, role in held.items() if name != person}
        _save(_("{name} has no role of their own any more.").format(name=person), roles=kept)

    return act


def catalogue() -> None:
    """Where labels, history and vectors are kept."""
    config = services.workspace().config()
    with st.container(border=True):
        st.subheader(_("Catalogue"), anchor=False)
        if config.catalogue_url:
            st.code(shown_url(config.catalogue_url), language=None, wrap_lines=True)
        else:
            st.markdown(_("SQLite, in the workspace."))
        with st.expander(_("Several machines on one folder: PostgreSQL")):
            st.caption(
                _(
                    "An empty database is filled from the folders; the history of the old catalogue stays in the old one. "
                    "The server has to be started again."
                )
            )
            url = st.text_input(
                _("Address"), key="settings.url", type="password",
                placeholder="postgresql+psycopg://user:password@host/burin", disabled=not people.may("researcher"),
            ).strip()  # fmt: skip
            with st.container(horizontal=True):
                asked = st.button(_("Test the connection"), key="settings.reach", **people.bar("researcher"))
                widgets.act(
                    _("Use it from the next start on"), lambda: _use_catalogue(url), key="settings.save_url",
                    **people.bar("researcher"),
                )  # fmt: skip
            if asked:
                _try(url)


def _try(url: str) -> None:
    if not url:
        st.success(_("SQLite, in the workspace."), icon=":material/check:")
        return
    try:
        st.success(_("It answers: {what}.").format(what=esc(reach(url))), icon=":material/check:")
    except BurinError as error:
        st.error(esc(sentence(error)), icon=":material/error:")


def _use_catalogue(url: str) -> None:
    def act() -> None:
        if url:
            reach(url)
        services.dataset().set_settings(catalogue_url=url)

    changes.make(act, _("Kept. It is used from the next start of the server on."), ":material/database:")


def place() -> None:
    """Where the workspace lies, how large it is, and what can be emptied."""
    workspace = services.workspace()
    with st.container(border=True):
        st.subheader(_("Place"), anchor=False)
        whole, cache = _sizes(str(workspace.root))
        st.code(str(workspace.root), language=None, wrap_lines=True)
        st.markdown(
            _("{whole}, of which {cache} can be made again at any time.").format(
                whole=file_size(whole), cache=file_size(cache)
            )
        )
        widgets.act(
            _("Empty the caches"), _empty, key="settings.empty", icon=":material/mop:",
            **people.bar("researcher", help=_("Thumbnails, exports, layouts and engines: what is needed is made again.")),
        )  # fmt: skip


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def _sizes(root: str) -> tuple[int, int]:
    workspace = services.workspace()
    return size_of(workspace.root), size_of(workspace.cache)


def _empty() -> None:
    services.dataset().allow("settings")
    freed = size_of(services.workspace().cache)
    shutil.rmtree(services.workspace().cache, ignore_errors=True)
    _sizes.clear()
    workbench().notices.append(Notice(_("{size} freed.").format(size=file_size(freed)), ":material/mop:"))
