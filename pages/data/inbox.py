"""What visitors of Identify reported: their image, what was answered, their note. Name it, or let it go."""

import time
from functools import partial

import streamlit as st

from core.catalogue.records import InboxEntry
from core.ground.errors import BurinError
from core.ground.regions import Region
from core.intake import triage
from pages.ui import people, services, widgets
from pages.ui.data import journal_entries, sighting
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.state import Notice, workbench
from pages.ui.text import esc

SHOWN = 20

data = services.dataset()
waiting, many = data.inbox(limit=SHOWN), data.count_inbox()
classes = data.classes()


def region_of(entry: InboxEntry) -> Region | None:
    """Where the mark is: as somebody pointed at it here, else as it was when the image was reported."""
    pointed = workbench().pointed.get(f"inbox {entry.id}")
    if pointed is None:
        return triage.region_of(entry)
    return pointed[0] if pointed else None


def label(entry: InboxEntry, name: str | None = None) -> None:
    """The picture becomes an original of the class, which is made where there is none of that name."""
    name = name or st.session_state.get(f"inbox.class.{entry.id}")
    if not name:
        return
    bench = workbench()
    try:
        outcome = triage.label_report(data, entry.id, name, region=region_of(entry))
    except BurinError as error:
        bench.notices.append(Notice(sentence(error), ":material/error:"))
        return
    if outcome.outcome == "refused":
        reason = sentence(outcome.reason) if outcome.reason else _("It was refused.")
        bench.notices.append(Notice(reason, ":material/error:"))
        return
    latest = data.history(1, action="import") if outcome.outcome == "added" else []
    text = _("The image is now an original of {name}.").format(name=name)
    if outcome.outcome == "present":
        text = _("This very image was in the base already; the report is closed.")
    added = data.some([outcome.item_id] if outcome.item_id is not None else [])
    if outcome.outcome == "added" and any(item.sight == "doubt" for item in added):
        text += " " + _("Its sight is in doubt, so it does not vote: see Quality.")
    back = partial(triage.reopen_report, data, entry.id) if not latest else None
    bench.notices.append(Notice(text, ":material/label:", latest[0].id if latest else None, back=back))


def dismiss(entry: InboxEntry) -> None:
    try:
        triage.dismiss_report(data, entry.id)
        back = partial(triage.reopen_report, data, entry.id)
        text = _("Dismissed. It stays below, under the answered ones.")
        workbench().notices.append(Notice(text, ":material/inbox:", back=back))
    except BurinError as error:
        workbench().notices.append(Notice(sentence(error), ":material/error:"))


def reopen(entry: InboxEntry) -> None:
    """Back among the waiting; what it was labelled as is taken back too, where nothing else touched it."""
    try:
        triage.reopen_report(data, entry.id)
        workbench().notices.append(Notice(_("It waits again."), ":material/inbox:"))
    except BurinError as error:
        workbench().notices.append(Notice(sentence(error), ":material/error:"))


def answered(entry: InboxEntry) -> str:
    """What Identify had said, in words."""
    found = [str(c.get("name", "")) for c in entry.answer.get("classes", ()) if isinstance(c, dict)]
    if entry.verdict == "not_found":
        return _("It was told: no mark found.")
    if entry.verdict == "unknown" or not found:
        return _("It was told: not in the base.")
    if entry.verdict == "hesitates" and len(found) > 1:
        return _("It was told: {first} or {second}.").format(first=esc(found[0]), second=esc(found[1]))
    return _("It was told: {first}.").format(first=esc(found[0]))


def picture(entry: InboxEntry) -> None:
    """The reported image with the box of its mark, what the model sees there, and what speaks against it."""

    def point(region: Region | None) -> None:
        workbench().pointed[f"inbox {entry.id}"] = () if region is None else (region,)

    region = region_of(entry)
    try:
        content = data.workspace.inside(entry.path).read_bytes()
        key = f"inbox.picture.{entry.id}"
        sighting.point(
            content, entry.sha256, region, key=key, on_point=point, side=640, locked=not people.may("curator")
        )
        with st.container(horizontal=True):
            with st.container(width=96):
                sighting.seen(content, entry.sha256, region)
            with st.container(width="stretch"):
                sighting.warn(sighting.doubts(content, entry.sha256, region), votes=False)
    except (OSError, BurinError):
        st.markdown(":material/hide_image:")


def card(entry: InboxEntry) -> None:
    with st.container(border=True, key=f"inbox.entry.{entry.id}"):
        left, right = st.columns([2, 3], gap="medium")
        with left:
            picture(entry)
        with right:
            said = {"wrong": _("Said to be wrong"), "unknown": _("Said not to be in the base")}.get(
                entry.said, entry.said
            )
            icon = {"wrong": ":orange-badge[:material/flag:", "unknown": ":gray-badge[:material/block:"}.get(
                entry.said, ":gray-badge["
            )
            by = f" · {esc(entry.who)}" if entry.who else ""
            st.markdown(f"{icon} {said}]  :small[:gray[{esc(journal_entries.when(entry.at, time.time()))}{by}]]")
            st.markdown(answered(entry))
            if entry.note:
                st.markdown(f"> {esc(entry.note)}")
            right_name = entry.answer.get("right")
            with st.container(horizontal=True, vertical_alignment="bottom"):
                if isinstance(right_name, str) and right_name:
                    st.button(
                        _("Yes, it is {name}").format(name=esc(right_name)),
                        icon=":material/check:",
                        type="primary",
                        key=f"inbox.right.{entry.id}",
                        on_click=label,
                        args=(entry, right_name),
                        **people.bar(),
                    )
                widgets.choose_class(
                    _("Give it a class"),
                    classes,
                    key=f"inbox.class.{entry.id}",
                    placeholder=_("Type a name"),
                    new=True,
                    on_change=label,
                    args=(entry,),
                    **people.bar(),
                )
                st.button(
                    _("Dismiss"),
                    icon=":material/close:",
                    key=f"inbox.dismiss.{entry.id}",
                    on_click=dismiss,
                    args=(entry,),
                    **people.bar(),
                )


st.title(_("Inbox"))
if waiting:
    st.markdown(
        ngettext(
            "{n} image waits for a label. Named, it becomes an original and is recognised from then on.",
            "{n} images wait for a label. Named, they become originals and are recognised from then on.",
            many,
        ).format(n=number(many))
    )
else:
    st.info(
        _(
            "When somebody says of an answer that it is wrong, "
            "or that the mark is not in the base, their image comes here."
        ),
        title=_("Nothing waits"),
        icon=":material/inbox:",
    )
    st.page_link("pages/search/identify.py", label=_("Identify"), icon=":material/search:")
for entry in waiting:
    card(entry)
if many > SHOWN:
    st.caption(_("The oldest ones follow when these are answered."))

closed = data.inbox(state="closed", limit=SHOWN)
if closed:
    with st.expander(_("Answered"), icon=":material/done_all:"):
        for entry in closed:
            with st.container(horizontal=True, vertical_alignment="center"):
                item = next(iter(data.some([entry.item_id])), None) if entry.item_id is not None else None
                name = item.class_name or _("Without a class") if item else ""
                text = _("labelled {name}").format(name=esc(name)) if entry.state == "labelled" else _("dismissed")
                at = esc(journal_entries.when(entry.at, time.time()))
                st.markdown(f"{text} :small[:gray[{at}]]", width="stretch")
                st.button(
                    _("Open again"), icon=":material/undo:", key=f"inbox.reopen.{entry.id}", type="tertiary",
                    on_click=reopen, args=(entry,), **people.bar(),
                )  # fmt: skip
