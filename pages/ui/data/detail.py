"""One image in detail, in a side drawer that the URL names (``?item=12``): see it, name it, move it, bin it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from babel.dates import format_datetime

from core.catalogue.records import Item, Sight
from core.ground.config import KINDS
from core.ground.errors import BurinError
from core.ground.regions import Region
from pages.ui import cached, people, services, widgets
from pages.ui.data import sighting, similar
from pages.ui.frame import errors_said
from pages.ui.i18n import _, sentence
from pages.ui.state import Notice, workbench
from pages.ui.text import esc


def open_from_url(neighbours: list[int]) -> None:
    """Open the drawer when the URL names an image; ``neighbours`` are what previous and next go through."""
    text = st.query_params.get("item", "")
    if not text:
        return
    try:
        if not text.isdecimal() or len(text) > 15:
            raise ValueError
        item = services.dataset().item(int(text))
    except (ValueError, BurinError):
        _close()
        workbench().notices.append(Notice(_("This image is no longer there."), ":material/hide_image:"))
        st.rerun()
    name = item.class_name if item.class_id is not None else _("Without a class")
    st.dialog(esc(name), width=560, position="right", on_dismiss=_close)(_drawer)(item.id, neighbours)


def _close() -> None:
    st.query_params.pop("item", None)


def _drawer(item_id: int, neighbours: list[int]) -> None:
    if workbench().stale:  # a button in the drawer changed the dataset: the page behind must follow
        st.rerun()
    with errors_said():
        _steps(item_id, neighbours)
        _content(item_id)


def _content(item_id: int) -> None:
    data = services.dataset()
    item = data.item(item_id)
    if item.state != "present":
        _thrown_away(item)
        return
    _place(item, data.image_bytes(item))
    classes = data.classes()
    widgets.choose_class(
        _("Class"),
        classes,
        key=f"detail.class.{item_id}.{item.ver}",
        placeholder=item.class_name or _("Choose a class or type a new name"),
        new=True,
        on_change=_relabel,
        args=(item_id, item.ver),
        **people.bar(),
    )
    st.segmented_control(
        _("Kind"),
        KINDS,
        default=item.kind,
        required=True,
        format_func=lambda kind: widgets.kind_name(kind),
        key=f"detail.kind.{item_id}.{item.ver}",
        on_change=_set_kind,
        args=(item_id, item.ver),
        **people.bar(),
    )
    record = next((record for record in classes if record.id == item.class_id), None)
    if record and any(record.fields.values()):
        with st.container(horizontal=True, gap="large", border=True):
            widgets.class_fields(record)
    _tags(item)
    _facts(item)
    similar.link(item, key=f"detail.similar.{item_id}")
    st.page_link(
        "pages/data/history.py",
        label=_("History of this image"),
        icon=":material/history:",
        query_params={"item": str(item_id)},
    )
    st.button(
        _("Move to the trash"),
        icon=":material/delete:",
        key="detail.trash",
        type="tertiary",
        on_click=_act,
        args=("trash", item),
        **people.bar(),
    )


def _thrown_away(item: Item) -> None:
    """An image in the trash: to be seen, and brought back."""
    content = services.dataset().image_bytes(item)
    st.warning(_("This image is in the trash."), icon=":material/delete:")
    st.image(cached.shown(content, item.sha256, side=900), width="stretch", alt=_("The image"))
    st.button(
        _("Restore"),
        icon=":material/restore_from_trash:",
        key="detail.restore",
        on_click=_act,
        args=("restore", item),
        **people.bar(),
    )


def _tags(item: Item) -> None:
    """Free words of the image, given and taken away."""
    known = services.dataset().tags()
    key = f"detail.tags.{item.id}.{item.ver}"
    st.multiselect(
        _("Tags"), sorted({*known, *item.tags}), default=list(item.tags), accept_new_options=True, key=key,
        placeholder=_("Type a word"), on_change=_set_tags, args=(item, key), **people.bar(),
    )  # fmt: skip


def _set_tags(item: Item, key: str) -> None:
    wanted = set(st.session_state[key])
    add, remove = wanted - set(item.tags), set(item.tags) - wanted
    _change(
        lambda: services.dataset().tag([item.id], add=add, remove=remove, versions={item.id: item.ver}),
        Notice(_("The tags are changed."), ":material/sell:"),
    )


def _place(item: Item, content: bytes) -> None:
    """The image and where its mark lies in it, what the model sees there, and whether that votes."""
    key, locked = f"detail.picture.{item.id}", not people.may("curator")
    sighting.point(
        content,
        item.file_sha256,
        item.region,
        key=key,
        on_point=lambda region: _set_region(item, region),
        locked=locked,
    )
    seen, about = st.columns([2, 3], wrap=False)
    with seen:
        sighting.seen(content, item.sha256, item.region)
    with about:
        found = sighting.doubts(content, item.sha256, item.region)
        if item.sight == "sure":
            st.markdown(":green-badge[:material/visibility: " + _("the sight is right") + "]")
        elif item.sight == "doubt" and not found:
            st.markdown(":orange-badge[:material/visibility: " + _("sight in doubt") + "]  \n" + _("It does not vote."))
        sighting.warn(found if item.sight != "sure" else [], votes=item.sight != "doubt")
        if item.sight == "doubt" or (found and item.sight != "sure"):
            st.button(
                _("It is right, let it vote"), icon=":material/check:", key=f"detail.sure.{item.id}", on_click=_vouch,
                args=(item, "sure"), **people.bar(),
            )  # fmt: skip
        elif item.sight == "sure":
            st.button(
                _("Put it in doubt again"), icon=":material/undo:", key=f"detail.doubt.{item.id}", type="tertiary",
                on_click=_vouch, args=(item, "doubt"), **people.bar(),
            )  # fmt: skip


def _set_region(item: Item, region: Region | None) -> None:
    """Where the mark lies, as it was pointed at; what is seen there then is in doubt, or not."""
    data = services.dataset()

    def change() -> None:
        content = data.image_bytes(item)
        whole = f"{item.file_sha256} {region}"
        found = sighting.doubts(content, whole, region)
        data.set_region(item.id, region, sight="doubt" if found else "", versions={item.id: item.ver})

    _change(change, Notice(_("The place of the mark is set."), ":material/crop:"))


def _vouch(item: Item, sight: Sight) -> None:
    texts = {"sure": _("It votes now."), "doubt": _("It does not vote now.")}
    _change(
        lambda: services.dataset().set_sight([item.id], sight, versions={item.id: item.ver}),
        Notice(texts[sight], ":material/visibility:"),
    )


def _steps(item_id: int, neighbours: list[int]) -> None:
    """Previous and next, through the page of the wall that the drawer was opened from."""
    if item_id not in neighbours:
        return
    at = neighbours.index(item_id)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for label, icon, shortcut, to in (
            (_("Previous"), ":material/chevron_left:", "Left", at - 1),
            (_("Next"), ":material/chevron_right:", "Right", at + 1),
        ):
            there = 0 <= to < len(neighbours)
            st.button(
                label,
                icon=icon,
                icon_position="right" if shortcut == "Right" else "left",
                shortcut=shortcut,
                key=f"detail.{shortcut.lower()}",
                type="tertiary",
                disabled=not there,
                on_click=_go,
                args=(neighbours[to] if there else item_id,),
            )


def _go(item_id: int) -> None:
    st.query_params["item"] = str(item_id)
    workbench().stale = True


def _facts(item: Item) -> None:
    added = format_datetime(item.added_at, format="medium", locale=workbench().language)
    st.caption(
        _("{width} × {height} pixels · added {when} · from {source}").format(
            width=item.width,
            height=item.height,
            when=esc(added),
            source=esc(item.source or item.path.rpartition("/")[2]),
        )
        + f"  \n`{item.sha256[:16]}`"
    )


def _act(action: str, item: Item) -> None:
    """Trash or restore, with its notice; the drawer closes on what is gone."""
    act = getattr(services.dataset(), action)
    texts = {"trash": _("The image is in the trash."), "restore": _("The image is back.")}
    icons = {"trash": ":material/delete:", "restore": ":material/restore_from_trash:"}
    done = _change(lambda: act([item.id], versions={item.id: item.ver}), Notice(texts[action], icons[action]))
    if action == "trash" and done:
        _close()


def _relabel(item_id: int, ver: int) -> None:
    name = st.session_state[f"detail.class.{item_id}.{ver}"]
    if not name:
        return
    data = services.dataset()
    known = {record.name: record.id for record in data.classes()}
    text = _("The image is now of {name}.").format(name=name)

    def change() -> None:
        if name in known:
            data.relabel([item_id], known[name], versions={item_id: ver})
        else:
            data.split_class([item_id], name, versions={item_id: ver})

    _change(change, Notice(text, ":material/label:"))


def _set_kind(item_id: int, ver: int) -> None:
    kind = st.session_state[f"detail.kind.{item_id}.{ver}"]
    text = _("The image is now a {kind}.").format(kind=widgets.kind_name(kind))
    _change(
        lambda: services.dataset().set_kind([item_id], kind, versions={item_id: ver}),
        Notice(text, ":material/category:"),
    )


def _change(change: Callable[[], object], notice: Notice) -> bool:
    """Do it, say it, and remember the journal's entry so that this very change can be taken back; whether it was done."""
    bench = workbench()
    bench.stale = True
    try:
        change()
    except BurinError as error:
        bench.notices.append(Notice(sentence(error), ":material/error:"))
        return False
    latest = services.dataset().history(1)
    notice.entry = latest[0].id if latest else None
    bench.notices.append(notice)
    return True
