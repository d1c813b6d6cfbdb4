"""The widgets of a policy: which one, its steps, how likely and how strong each is, and its file.

Every form follows from the table of transforms; nothing here knows one of them by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from core.ground.errors import BurinError, Conflict
from core.variation import policies
from core.variation.policies import LONGEST_NAME, Policy, Step
from core.variation.transforms import GROUPS, TRANSFORMS, Parameter
from pages.ui import people, services, widgets
from pages.ui.i18n import _, sentence, translated
from pages.ui.links import linked_choice
from pages.ui.state import Notice, workbench
from pages.ui.text import esc
from pages.ui.variation.recipe import (
    PARAM,
    Line,
    Recipe,
    forget,
    name_of,
    places,
    range_text,
    recipe,
    take,
    title_of,
)


def edit() -> Policy:
    """Draw the recipe's widgets; the policy as they stand."""
    known = policies.policies(services.workspace())
    origin = recipe().origin
    if all(policy.id != origin.id for policy in known):  # deleted in another tab: what is here is kept, unsaved
        known.append(origin)
    _choose({policy.id: policy for policy in known})
    now = recipe()
    for line in now.lines:
        _follow(line)
    _files(now)
    if not now.lines:
        st.caption(_("No step yet: every draw is the original."))
    with st.container(gap="xsmall"):
        for position, line in enumerate(list(now.lines)):
            _step(now, position, line)
        _add(now)
    return now.policy


def _choose(known: dict[str, Policy]) -> None:
    """Which policy is on the bench, as the URL says; another one takes its place."""
    chosen = linked_choice(
        st.selectbox, _("Policy"), list(known), param=PARAM, key=workbench().round_of("augment.policy"),
        default=policies.DEFAULT, sticky=True, format_func=lambda policy_id: name_of(known[policy_id]),
    )  # fmt: skip
    if chosen in known and chosen != recipe().origin.id:
        take(known[chosen])


def _files(now: Recipe) -> None:
    """Save, copy, rename, delete, and in and out as a file."""
    policy, preset = now.policy, now.origin.preset
    with st.container(horizontal=True, gap="xsmall"):
        if now.changed and not preset:
            st.button(
                _("Save"), type="primary", icon=":material/save:", key="augment.save", on_click=_save, args=(policy,),
                **people.bar(),
            )  # fmt: skip
        label = _("Save a copy") if preset and now.changed else _("Copy")
        with st.popover(label, icon=":material/content_copy:", key=workbench().round_of("augment.copying")):
            proposal = _("{name}, changed").format(name=name_of(policy))
            _named(_("Name of the copy"), _("Make the copy"), proposal, "augment.copy", _copy, policy)
        if now.changed:
            st.button(_("Discard"), icon=":material/undo:", key="augment.discard", on_click=_discard)
        with st.popover(_("More"), icon=":material/more_horiz:", key=workbench().round_of("augment.more")):
            if not preset:
                _named(_("Name"), _("Rename"), policy.name, "augment.rename", _rename, now.origin)
                st.button(
                    _("Delete this policy"),
                    icon=":material/delete:",
                    key="augment.delete",
                    on_click=_delete,
                    args=(now.origin,),
                    **people.bar(),
                )
            widgets.download(
                _("Export as JSON"),
                policy.to_bytes,
                file_name=f"{policy.id}.policy.json",
                mime="application/json",
                key="augment.export",
            )
            file = st.file_uploader(_("Import a policy"), type="json", key=workbench().round_of("augment.import"))
            if file is not None:
                st.button(
                    _("Import"),
                    icon=":material/upload:",
                    key="augment.import_now",
                    on_click=_import,
                    args=(file.getvalue(),),
                    **people.bar(),
                )
    if preset and now.changed:
        st.caption(_("Shipped policies stay as they are: save a copy to keep your changes."))


def _named(label: str, verb: str, proposal: str, key: str, then: Callable[..., None], policy: Policy) -> None:
    named = workbench().round_of(f"{key}_name")
    if named not in st.session_state:
        st.session_state[named] = proposal[:LONGEST_NAME]
    st.text_input(label, key=named, max_chars=LONGEST_NAME)
    st.button(verb, key=key, icon=":material/check:", on_click=then, args=(policy, named), **people.bar())


def _copy(policy: Policy, key: str) -> None:
    _keep(lambda: policies.copied(policy, str(st.session_state.get(key, "")).strip()))


def _rename(origin: Policy, key: str) -> None:
    """Only the name is saved; steps that were changed stay as they are on the bench."""
    lines = recipe().lines
    _keep(lambda: replace(origin, name=str(st.session_state.get(key, "")).strip()), shown=origin)
    recipe().lines = lines


def _save(policy: Policy) -> None:
    _keep(lambda: policy, shown=recipe().origin)


def _discard() -> None:
    """Back to the policy as it is saved, also where somebody else has saved it since."""
    origin = recipe().origin
    take(next((policy for policy in policies.policies(services.workspace()) if policy.id == origin.id), origin))


def _keep(made: Callable[[], Policy], *, shown: Policy | None = None) -> None:
    """Save what ``made()`` gives, put it on the bench, and close what asked for it. Where what was ``shown`` is not what
    is saved by now, that is said, and the bench stays as it is."""
    bench = workbench()
    try:
        policy = made()
        policies.save(services.workspace(), policy, shown=shown)
    except BurinError as error:
        workbench().notices.append(Notice(sentence(error), ":material/error:"))
        return
    take(policy)
    asked = ("policy", "copying", "more", "import", "rename_name", "copy_name")
    for name in asked:
        bench.empty(f"augment.{name}")
    bench.notices.append(Notice(_("{name} is saved.").format(name=policy.name)))


def _delete(origin: Policy) -> None:
    try:
        policies.delete(services.workspace(), origin.id, shown=origin)
    except BurinError as error:
        workbench().notices.append(Notice(sentence(error), ":material/error:"))
        if isinstance(error, Conflict):
            _discard()  # to see what it is now
            return
    take(policies.PRESETS[policies.DEFAULT])
    workbench().empty("augment.policy")
    workbench().empty("augment.more")


def _import(data: bytes) -> None:
    """A file's policy gets an id of its own: it never overwrites one that is here."""
    _keep(lambda: policies.copied(read := Policy.from_bytes(data), read.name))


def _step(now: Recipe, position: int, line: Line) -> None:
    step, last = line.step, len(now.lines) - 1
    off = "" if step.probability else " · " + _("off")
    label = f"{esc(title_of(step.transform))} :gray[:small[{esc(range_text(step) + off)}]]"
    with st.expander(label, key=f"{line.key}.fold", on_change="ignore"):
        st.caption(translated(step.entry.help))
        st.slider(_("How often"), 0, 100, step=5, format="%d %%", key=f"{line.key}.probability")
        for parameter in step.entry.parameters:
            _range(line, parameter)
        with st.container(horizontal=True, gap="xsmall"):
            for name, title, icon, off_here, act in (
                ("up", _("Earlier"), ":material/arrow_upward:", position == 0, (now.move, position, -1)),
                ("down", _("Later"), ":material/arrow_downward:", position == last, (now.move, position, 1)),
                ("remove", _("Take out"), ":material/remove_circle:", False, (now.lines.remove, line)),
            ):
                then, *values = act
                st.button(
                    title, icon=icon, type="tertiary", key=f"{line.key}.{name}", disabled=off_here,
                    on_click=then, args=tuple(values),
                )  # fmt: skip


def _follow(line: Line) -> None:
    """Take the step from its widgets, or where they are new give them its values."""
    step, kept = line.step, st.session_state
    share = kept.setdefault(f"{line.key}.probability", round(100 * step.probability))
    ranges = {}
    for parameter in step.entry.parameters:
        low, high = (_kind(parameter)(end) for end in step.ranges[parameter.name])
        chosen = kept.setdefault(f"{line.key}.{parameter.name}", (low, high))
        ranges[parameter.name] = (float(chosen[0]), float(chosen[1]))
    line.step = Step(step.transform, share / 100, ranges)


def _range(line: Line, parameter: Parameter) -> None:
    kind, digits = _kind(parameter), places(parameter.step)
    unit = f" ({translated(parameter.unit)})" if parameter.unit else ""
    st.slider(
        translated(parameter.title) + unit,
        kind(parameter.minimum),
        kind(parameter.maximum),
        step=kind(parameter.step),
        format=f"%.{digits}f" if digits else "%d",
        key=f"{line.key}.{parameter.name}",
    )


def _kind(parameter: Parameter) -> type[int] | type[float]:
    """A slider's three numbers are all whole, or all not."""
    whole = parameter.whole or not (places(parameter.step) or any(end % 1 for end in parameter.default))
    return int if whole else float


def _add(now: Recipe) -> None:
    names = list(TRANSFORMS)
    order = {name: position for position, name in enumerate(GROUPS)}
    names.sort(key=lambda name: order[TRANSFORMS[name].group])
    key = workbench().round_of("augment.add")
    st.selectbox(
        _("Add a transform"),
        names,
        index=None,
        placeholder=_("Add a transform"),
        format_func=lambda name: f"{translated(GROUPS[TRANSFORMS[name].group])} · {title_of(name)}",
        key=key,
        label_visibility="collapsed",
        disabled=now.full,
        on_change=_added,
        args=(now, key),
    )


def _added(now: Recipe, key: str) -> None:
    if name := st.session_state.get(key):
        now.add(Step(name))
        forget()
    workbench().empty("augment.add")
