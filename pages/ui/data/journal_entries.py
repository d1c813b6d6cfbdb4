"""An entry of the journal in words: what was done, to which images and classes, from what to what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from babel.dates import format_datetime, format_timedelta

from core.catalogue.journal import Change
from core.catalogue.records import Entry
from pages.ui.i18n import _, ngettext, number
from pages.ui.state import workbench
from pages.ui.widgets import field_name, kind_name

SHOWN = 6  # names listed before "and others"

ICONS = {
    "create": ":material/new_label:",
    "rename": ":material/edit:",
    "merge": ":material/call_merge:",
    "split": ":material/call_split:",
    "delete": ":material/folder_delete:",
    "fields": ":material/description:",
    "relabel": ":material/label:",
    "kind": ":material/category:",
    "region": ":material/crop:",
    "sight": ":material/visibility:",
    "tag": ":material/sell:",
    "correct": ":material/rule:",
    "trash": ":material/delete:",
    "restore": ":material/restore_from_trash:",
    "discard": ":material/delete_forever:",
    "import": ":material/upload:",
    "rescan": ":material/folder_open:",
    "product_create": ":material/add_box:",
    "product_import": ":material/table_view:",
    "product_edit": ":material/edit_note:",
    "product_merge": ":material/call_merge:",
    "product_trash": ":material/delete:",
    "product_restore": ":material/restore_from_trash:",
    "settings": ":material/settings:",
    "undo": ":material/undo:",
    "redo": ":material/redo:",
    "revert": ":material/settings_backup_restore:",
}
ACTIONS = tuple(ICONS)


def action_name(action: str) -> str:
    """An action as a filter names it."""
    names = {
        "create": _("new class"),
        "rename": _("class renamed"),
        "merge": _("classes merged"),
        "split": _("class split"),
        "delete": _("class deleted"),
        "fields": _("class fields"),
        "relabel": _("label"),
        "kind": _("kind"),
        "region": _("place of the mark"),
        "sight": _("sight"),
        "tag": _("tags"),
        "correct": _("corrections"),
        "trash": _("to the trash"),
        "restore": _("from the trash"),
        "discard": _("deleted for good"),
        "import": _("import"),
        "rescan": _("folders read"),
        "product_create": _("new products"),
        "product_import": _("table of products"),
        "product_edit": _("product described"),
        "product_merge": _("products merged"),
        "product_trash": _("product to the trash"),
        "product_restore": _("product from the trash"),
        "settings": _("settings"),
        "undo": _("undo"),
        "redo": _("redo"),
        "revert": _("taken back"),
    }
    return names.get(action, action)


def setting_name(name: str) -> str:
    """A setting of the workspace, as people call it."""
    names = {
        "preprocessing": _("what the model sees"),
        "false_accept_rate": _("false-accept rate"),
        "neighbours": _("neighbours"),
        "tolerance": _("tolerance"),
        "language": _("language"),
        "weights": _("weights"),
        "catalogue_url": _("catalogue"),
        "index_url": _("search server"),
        "index_kind": _("kind of index"),
        "ray_address": _("cluster"),
        "roles": _("roles"),
        "default_role": _("everybody else’s role"),
    }
    return names.get(name, name)


def images(count: int) -> str:
    return ngettext("{n} image", "{n} images", count).format(n=number(count))


def said(entry: Entry) -> str:
    """What the entry did, as a sentence."""
    detail = entry.detail
    if entry.action in ("undo", "redo", "revert"):
        inner = _done(str(detail.get("action", "")), detail, entry)
        frames = {"undo": _("Undone: {what}"), "redo": _("Done again: {what}"), "revert": _("Taken back: {what}")}
        return frames[entry.action].format(what=inner)
    return _done(entry.action, detail, entry)


def _done(action: str, detail: Mapping[str, object], entry: Entry) -> str:
    many, name, to = images(entry.items), str(detail.get("name", "")), detail.get("to")
    names = ", ".join(str(one) for one in _list(detail.get("names")))
    if action == "relabel":
        if to is None:
            return _("{images}: label taken away").format(images=many)
        return _("{images} labelled {name}").format(images=many, name=to)
    if action == "kind":
        return _("{images} said to be: {kind}").format(
            images=many, kind=kind_name(str(to)) if to in ("drawing", "photo", "icon") else to
        )
    if action == "sight":
        frames = {
            "doubt": _("{images}: sight in doubt, they do not vote"),
            "sure": _("{images}: the sight is right, they vote"),
        }
        return frames.get(str(to), _("{images}: nothing said of the sight")).format(images=many)
    if action == "tag":
        words = [f"+{word}" for word in _list(detail.get("added"))] + [
            f"−{word}" for word in _list(detail.get("removed"))
        ]
        return _("{images}: tags {words}").format(images=many, words=", ".join(words))
    if action == "settings":
        changed = detail.get("settings")
        return _("Settings changed: {names}").format(
            names=", ".join(map(setting_name, changed)) if isinstance(changed, dict) else ""
        )
    if action.startswith("product_"):
        return _of_products(action, detail, names)
    texts = {
        "create": _("Class {name} made").format(name=name),
        "rename": _("Class {name} renamed {to}").format(name=name, to=to),
        "merge": _("{names} merged into {to}").format(names=names, to=to),
        "split": _("{images} made the new class {to}").format(images=many, to=to),
        "delete": _("Class {name} deleted, {images} to the trash").format(name=name, images=many),
        "fields": _("Class {name} described").format(name=name),
        "trash": _("{images} to the trash").format(images=many),
        "region": _("{images}: place of the mark set").format(images=many),
        "correct": _("{images} corrected after a review").format(images=many),
        "restore": _("{images} brought back").format(images=many),
        "discard": _("{images} deleted for good").format(images=many),
        "import": (_("{images} imported from {source}") if detail.get("source") else _("{images} imported")).format(
            images=many, source=detail.get("source")
        ),
        "rescan": _("Folders read: {what}").format(what=_found(detail) or _classes(entry.classes)),
    }
    return texts.get(action, action)


def _of_products(action: str, detail: Mapping[str, object], names: str) -> str:
    """What was done to products: by their names, and how many they are where those are not all."""
    count, named = detail.get("products"), len(_list(detail.get("names")))
    if isinstance(count, int) and count > named:
        names = ngettext("{n} product", "{n} products", count).format(n=number(count)) + f" ({names}, …)"
    texts = {
        "product_create": _("Products made: {names}"),
        "product_import": _("From a table of products: {names}"),
        "product_edit": _("Product {names} described"),
        "product_merge": _("Products merged into {to}: {names}"),
        "product_trash": _("Product {names} to the trash"),
        "product_restore": _("Product {names} brought back"),
    }
    return texts.get(action, action).format(names=names, to=detail.get("to"))


def _found(detail: Mapping[str, object]) -> str:
    """What a rescan counted: "3 added, 1 no longer there"."""
    count = {
        name: value for name in ("added", "removed", "moved") if isinstance(value := detail.get(name), int) and value
    }
    texts = {
        "added": ngettext("{n} added", "{n} added", count.get("added", 0)),
        "removed": ngettext("{n} no longer there", "{n} no longer there", count.get("removed", 0)),
        "moved": ngettext("{n} moved", "{n} moved", count.get("moved", 0)),
    }
    return ", ".join(texts[name].format(n=number(n)) for name, n in count.items())


def _classes(count: int) -> str:
    return ngettext("{n} class", "{n} classes", count).format(n=number(count))


def moves(changes: Sequence[Change], classes: Mapping[int, str]) -> list[str]:
    """What was before and what came after, likes together: "(e → e), 3 images"."""
    found: Counter[tuple[str, str]] = Counter()
    for change in changes:
        if change.noun == "product":
            for column in ("name", "maker", "code", "fields", "marks"):
                if column in change.after and change.before.get(column) != change.after[column]:
                    both = [_of_product(column, side.get(column), classes) for side in (change.before, change.after)]
                    found[both[0], both[1]] += 1
        elif change.noun == "item":
            found[_state(change.before, change.after, classes), _state(change.after, change.before, classes)] += 1
        else:
            for column in ("name", "fields", "aliases"):
                if change.before.get(column) != change.after.get(column):
                    found[_value(change.before.get(column)), _value(change.after.get(column))] += 1
    lines = []
    for (before, after), count in found.most_common(SHOWN):
        lines.append(f"{before or '—'} → {after or '—'}" + (f" ({images(count)})" if count > 1 else ""))
    if len(found) > SHOWN:
        lines.append("…")
    return lines


def _state(own: Mapping[str, object], other: Mapping[str, object], classes: Mapping[int, str]) -> str:
    """One side of an item's change, in words: only what the other side says differently."""
    parts = []
    if own.get("class_id") != other.get("class_id") or "state" not in own:
        class_id = own.get("class_id")
        if "class_id" in own:
            parts.append(
                classes.get(class_id, _("a class since deleted")) if isinstance(class_id, int) else _("no label")
            )
    if own.get("state") != other.get("state"):
        states = {"trash": _("trash"), "present": _("collection"), "missing": _("not on disk")}
        parts.append(states.get(str(own.get("state")), _("not there")))
    if own.get("kind") != other.get("kind") and own.get("kind") in ("drawing", "photo", "icon"):
        parts.append(kind_name(str(own["kind"])))
    if own.get("tags") != other.get("tags"):
        parts.append(", ".join(map(str, _list(own.get("tags")))))
    if own.get("region") != other.get("region"):
        parts.append(_place(own.get("region")))
    return ", ".join(parts)


def _place(region: object) -> str:
    """Where a mark is, as a journal's change keeps it."""
    if not isinstance(region, Mapping):
        return _("the whole picture")
    return (
        " × ".join(str(region.get(side)) for side in ("width", "height")) + f" + {region.get('x')}, {region.get('y')}"
    )


def _of_product(column: str, value: object, classes: Mapping[int, str]) -> str:
    """One column of a product, as a journal's change keeps it."""
    if column != "marks":
        return _value(value)
    return ", ".join(
        classes.get(mark[0], _("a class since deleted")) for mark in _list(value) if isinstance(mark, list)
    )


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(_("{field}: {text}").format(field=field_name(n), text=text) for n, text in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def when(at: float, now: float) -> str:
    """A moment as people say it: "5 minutes ago", and the date from yesterday on."""
    language = workbench().language
    if now - at < 1:
        return _("just now")
    if now - at < 12 * 3600:
        return format_timedelta(int(at - now), add_direction=True, locale=language)
    return format_datetime(at, format="medium", locale=language)
