"""The copies on the Quality page: the same picture several times, settled group by group or all at once."""

from __future__ import annotations

from typing import cast

import streamlit as st

from core.collection.copies import Rule, Settled, settle
from pages.ui import changes, people, services
from pages.ui.data import dismissing
from pages.ui.data import quality_parts as parts
from pages.ui.data.found import Lists
from pages.ui.i18n import _, ngettext, number
from pages.ui.tiles import saw, versions


def copies(lists: Lists) -> None:
    """The same picture several times: keep one."""
    data = services.dataset()
    if not lists.exact and not lists.near:
        known = lists.findings is not None
        text = (
            _("No picture is there twice.") if known else _("No file is there twice. Pictures were not compared yet.")
        )
        parts.nothing(text, known=known)
        return
    _all_copies(lists)
    for exact, groups in ((True, lists.exact), (False, lists.near)):
        if groups:
            st.subheader(_("The same file") if exact else _("The same picture, saved differently"), anchor=False)
        for group in groups[: parts.GROUPS]:
            items = data.some(group)
            key = f"quality.copies.{items[0].id}.{len(items)}"
            several = len({item.class_id for item in items}) > 1
            with st.container(border=True, key=key):
                if several:
                    st.markdown(":orange-badge[:material/warning: " + _("in several classes") + "]")
                columns = st.columns(max(4, len(items)), gap="small")
                for column, item in zip(columns, items, strict=False):
                    with column:
                        parts.one_image(item)
                        others = [other.id for other in items if other.id != item.id]
                        st.button(
                            _("Keep this one"), key=f"{key}.keep.{item.id}", icon=":material/check:",
                            on_click=parts.to_trash, args=(others,), **people.bar(help=_("The other copies go to the trash.")),
                        )  # fmt: skip
                with st.container(horizontal=True):
                    kept = [list(map(str, group))]
                    st.button(
                        _("Keep them all"),
                        key=f"{key}.all",
                        type="tertiary",
                        on_click=dismissing.keep_all,
                        args=("copies", kept),
                        **people.bar(),
                    )
                    parts.open_in_label(group, key)
    parts.more(max(len(lists.exact), len(lists.near)))


def _all_copies(lists: Lists) -> None:
    """All groups at once: one of each stays, or all of them, as one change."""
    exact, near = _("The same file"), _("Saved differently")
    which = {"all": _("All"), "exact": exact, "near": near}
    rules = {"larger": _("The larger"), "older": _("The older"), "labelled": _("The labelled")}
    with st.container(border=True, key="quality.copies.bulk"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = st.segmented_control(
                _("Groups"), list(which), default="all", required=True, format_func=which.__getitem__,
                key="quality.copies.which",
            ) if lists.exact and lists.near else "all"  # fmt: skip
            rule = st.segmented_control(
                _("Of each, keep"), list(rules), default="larger", required=True, format_func=rules.__getitem__,
                key="quality.copies.rule",
            )  # fmt: skip
        wanted = [*(lists.exact if chosen != "near" else ()), *(lists.near if chosen != "exact" else ())]
        found = {item.id: item for item in services.dataset().some({one for group in wanted for one in group})}
        saw(found.values())
        groups = [[found[one] for one in group if one in found] for group in wanted]
        settled = settle([group for group in groups if len(group) > 1], cast(Rule, rule or "larger"))
        with st.container(horizontal=True, vertical_alignment="center"):
            count = len(settled.trash)
            st.button(
                _("Keep one of each: {n} to the trash").format(n=number(count)),
                icon=":material/done_all:", type="primary", key="quality.copies.one", on_click=_settle_copies,
                args=(settled,),
                **people.bar(disabled=not count, help=_("The one that stays takes over the label of the others.")),
            )  # fmt: skip
            st.button(
                ngettext("Keep all of {n} group", "Keep all of {n} groups", len(wanted)).format(n=number(len(wanted))),
                key="quality.copies.keep", type="tertiary", on_click=dismissing.keep_all,
                args=("copies", [list(map(str, group)) for group in wanted]), **people.bar(),
            )  # fmt: skip
        if settled.left:
            text = ngettext(
                "{n} group is in several classes: look at it below.", "{n} groups are in several classes: look at them below.",
                settled.left,
            )  # fmt: skip
            st.caption(f":material/warning: {text.format(n=number(settled.left))}")


def _settle_copies(settled: Settled) -> None:
    ids = [*settled.trash, *settled.label]
    text = ngettext("{n} image is in the trash.", "{n} images are in the trash.", len(settled.trash))
    changes.make(
        lambda: services.dataset().correct(settled.label, trash=settled.trash, versions=versions(ids)),
        text.format(n=number(len(settled.trash))),
        ":material/delete:",
    )
