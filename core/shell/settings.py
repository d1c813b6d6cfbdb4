"""The shell's command ``settings``: show and change a workspace's settings, back it up, bring it back. See
`core.shell.main`."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from core.catalogue.catalogue import reach, shown_url
from core.ground import cluster
from core.ground.config import Preprocessing, Role
from core.ground.errors import BadInput, BurinError, NotFound
from core.ground.names import printable
from core.ground.workspace import Workspace, size_of
from core.shell.words import counted

NAMES = (
    "mode",
    "size",
    "false_accept_rate",
    "neighbours",
    "tolerance",
    "weights",
    "language",
    "catalogue_url",
    "index_url",
    "index_kind",
    "ray_address",
    "default_role",
)


_RECALLS = {"whole": "among all", "by_class": "within a class", "by_kind": "within a kind"}


def add_commands(commands: Any, common: argparse.ArgumentParser, progress: Callable[[str], Any]) -> None:
    """Register the command; ``progress`` makes what shows a running count."""
    settings = commands.add_parser(
        "settings", parents=[common], help="show or change the workspace's settings, back it up, bring it back"
    )
    settings.set_defaults(run=_show)
    actions = settings.add_subparsers(metavar="ACTION")

    change = actions.add_parser("set", parents=[common], help="change one setting")
    change.add_argument("name", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    change.add_argument(
        "value",
        metavar="VALUE",
        help='"" for the default of weights, language, catalogue_url, index_url, ray_address and default_role',
    )
    change.set_defaults(run=_set)

    role = actions.add_parser("role", parents=[common], help="give somebody a role")
    role.add_argument("person", metavar="NAME", help="or an e-mail address where people sign in")
    role.add_argument("role", choices=(*get_args(Role), "none"), help="none: what everybody else has")
    role.set_defaults(run=_role)

    undo = actions.add_parser("undo", parents=[common], help="take back the last change of a setting")
    undo.set_defaults(run=_undo)

    compare = actions.add_parser(
        "compare-index", parents=[common], help="compare the search server with the catalogue, repair and measure it"
    )
    compare.set_defaults(run=lambda options: _compare(options, progress))

    backup = actions.add_parser("backup", parents=[common], help="write the whole workspace to one file")
    backup.add_argument("file", type=Path, metavar="FILE.zip")
    backup.set_defaults(run=lambda options: _backup(options, progress))

    restore = actions.add_parser("restore", parents=[common], help="unpack a backup into an empty workspace")
    restore.add_argument("file", type=Path, metavar="FILE.zip")
    restore.set_defaults(run=lambda options: _restore(options, progress))

    empty = actions.add_parser("empty-cache", parents=[common], help="delete what is made again when it is needed")
    empty.set_defaults(run=_empty)


def _workspace(options: argparse.Namespace) -> Workspace:
    return Workspace.open(getattr(options, "workspace", None))


def _dataset(options: argparse.Namespace) -> Any:
    from core.collection.dataset import Dataset

    return Dataset(_workspace(options))


def _show(options: argparse.Namespace) -> int:
    workspace = _workspace(options)
    config = workspace.config()
    shown = {
        "mode": config.preprocessing.mode,
        "size": config.preprocessing.size,
        "false_accept_rate": config.false_accept_rate,
        "neighbours": config.neighbours,
        "tolerance": config.tolerance,
        "weights": config.weights or "(bundled)",
        "language": config.language or "(each browser's)",
        "catalogue_url": shown_url(config.catalogue_url) or "(SQLite in the workspace)",
        "index_url": config.index_url or "(this process)",
        "index_kind": config.index_kind,
        "ray_address": config.ray_address or "(this machine)",
        "default_role": config.default_role or "(viewer where people sign in, else researcher)",
    }
    whole, cache = size_of(workspace.root), size_of(workspace.cache)
    print(f"{workspace.root}: {whole / 1e6:.1f} MB, of which {cache / 1e6:.1f} MB cache")
    for name, value in shown.items():
        print(f"    {name:<18} {value}")
    for person, role in config.roles.items():
        print(f"    role of {printable(person)}: {role}")
    return 0


def _set(options: argparse.Namespace) -> int:
    name, text = options.name, options.value
    try:
        dataset = _dataset(options)
    except BurinError:
        if name != "catalogue_url":
            raise
        return _set_address(_workspace(options), text)  # the one in the settings may be what keeps it from opening
    config = dataset.workspace.config()
    try:
        value: Any = {"size": int, "neighbours": int, "false_accept_rate": float, "tolerance": float}.get(name, str)(
            text
        )
    except ValueError as error:
        raise BadInput("{text} is not a number.", text=text) from error
    if name in ("mode", "size"):
        seen = {"mode": config.preprocessing.mode, "size": config.preprocessing.size, name: value}
        dataset.set_settings(preprocessing=Preprocessing(**seen))
    else:
        check(dataset.workspace, name, value)
        dataset.set_settings(**{name: value})
    print(f"{name} is {text or 'the default'} now.")
    if name in ("mode", "size", "weights"):
        print("Every reference is looked at anew at the next start, or now: python -m core index")
    return 0


def _set_address(workspace: Workspace, url: str) -> int:
    """Put the address of the catalogue right where the catalogue cannot be opened, and so no journal be written."""
    check(workspace, "catalogue_url", url)
    workspace.save_config(workspace.config().with_(catalogue_url=url))
    print(f"catalogue_url is {shown_url(url) or 'the default'} now.")
    return 0


def check(workspace: Workspace, name: str, value: Any) -> None:
    """Raise a `BurinError` for weights that are not there or fit nothing, for a catalogue that cannot be opened, and
    for a search server or a cluster that does not answer."""
    if name == "weights":
        from core.embedding.weights import resolve

        resolve(value, workspace=workspace, allow_network=True)
    elif name == "catalogue_url" and value:
        reach(value)
    elif name == "index_url" and value:
        from core.embedding.milvus import reach_index

        workspace.config().with_(index_url=value)  # an address that is none is refused before anything is asked there
        reach_index(value)
    elif name == "ray_address" and value:
        workspace.config().with_(ray_address=value)
        cluster.reach(value)


def _role(options: argparse.Namespace) -> int:
    dataset = _dataset(options)
    roles = {name: role for name, role in dataset.workspace.config().roles.items() if name != options.person}
    if options.role != "none":
        roles[options.person] = options.role
    dataset.set_settings(roles=roles)
    print(f"{printable(options.person)}: {options.role}.")
    return 0


def _undo(options: argparse.Namespace) -> int:
    dataset = _dataset(options)
    entry = next((entry for entry in dataset.history(500, action="settings") if entry.undoable), None)
    if entry is None:
        raise NotFound("There is no change of a setting to take back.")
    dataset.revert(entry.id)
    print(f"Taken back: {', '.join(entry.detail['settings'])}.")
    return 0


def _compare(options: argparse.Namespace, progress: Callable[[str], Any]) -> int:
    from core.embedding.mirror_keeper import run_reconcile

    found = run_reconcile(_workspace(options), {}, progress("comparing"), lambda: False)
    if not found:
        raise NotFound("The settings name no search server (index_url).")
    about, recall = found["differences"], found["recall"]
    print(
        f"{counted(about['compared'], 'reference')} compared: {about['lacking']} were lacking, {about['extra']} too"
        f" many, {about['stale']} out of date; all of that is repaired."
    )
    if recall:
        shares = ", ".join(f"{100 * recall[name]:.1f} % {words}" for name, words in _RECALLS.items())
        print(f"Of the true nearest references of {recall['asked']} of its own vectors it finds {shares}.")
    return 0


def _backup(options: argparse.Namespace, progress: Callable[[str], Any]) -> int:
    from core.collection.backup import back_up

    made = back_up(_dataset(options), options.file, on_progress=progress("backing up"))
    assert made is not None  # nobody asks it to stop
    print(f"{made.path}: {counted(made.files, 'file')}, {made.path.stat().st_size / 1e6:.1f} MB.")
    for name in made.missing:
        print(f"burin: {name} is gone from its folder and not in the backup.")
    return 1 if made.missing else 0


def _restore(options: argparse.Namespace, progress: Callable[[str], Any]) -> int:
    from core.collection.backup import restore

    workspace = _workspace(options)
    count = restore(options.file, workspace, on_progress=progress("restoring"))
    print(f"{workspace.root}: {counted(count, 'file')}.")
    return 0


def _empty(options: argparse.Namespace) -> int:
    workspace = _workspace(options)
    freed = size_of(workspace.cache)
    shutil.rmtree(workspace.cache, ignore_errors=True)
    print(f"{freed / 1e6:.1f} MB freed. What is needed is made again.")
    return 0
