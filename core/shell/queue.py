"""The shell's command ``queue``: the trainings that wait, in their order. ``train --queue`` lines one up. See
`core.shell.main`.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from core.ground.errors import BurinError, NotFound
from core.ground.names import printable
from core.ground.workspace import Workspace
from core.shell.words import counted
from core.training.queue import Entry, Queue


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Register the command."""
    queue = commands.add_parser(
        "queue", parents=[common], help="list the trainings that wait, move them, take them out, hold them"
    )
    queue.add_argument("--json", action="store_true", help="one JSON object a line and training")
    queue.set_defaults(run=_list)
    actions = queue.add_subparsers(metavar="ACTION")
    which: dict[str, Any] = {"metavar": "N", "help": "its number in the list, or its id"}

    move = actions.add_parser("move", parents=[common], help="put one at another place")
    move.add_argument("which", **which)
    move.add_argument("place", type=int, metavar="PLACE", help="from 1")
    move.set_defaults(run=_move)

    remove = actions.add_parser("remove", parents=[common], help="take one out")
    remove.add_argument("which", **which)
    remove.set_defaults(run=_remove)

    hold = actions.add_parser("hold", parents=[common], help="let nothing new begin; what is being trained goes on")
    hold.set_defaults(run=lambda options: _hold(options, held=True))
    go = actions.add_parser("go", parents=[common], help="let them begin, one after another, in the background")
    go.set_defaults(run=lambda options: _hold(options, held=False))


def lined_up(queue: Queue, entry: Entry) -> str:
    """What became of a training that was lined up."""
    waiting = [each.id for each in queue.line().waiting]
    if entry.id not in waiting:
        return f"{printable(entry.said)}: its training has begun in the background. python -m core runs"
    return f"{printable(entry.said)} waits: number {waiting.index(entry.id) + 1} in the queue. python -m core queue"


def _queue(options: argparse.Namespace) -> Queue:
    return Queue(Workspace.open(getattr(options, "workspace", None)))


def _list(options: argparse.Namespace) -> int:
    line = _queue(options).line()
    for number, entry in enumerate(line.entries, 1):
        if options.json:
            print(json.dumps(asdict(entry), ensure_ascii=False))
            continue
        name, asked = entry.name or entry.id, ""
        with suppress(BurinError):  # settings that a later Burin wrote
            settings = entry.settings
            name = entry.said
            asked = f"{settings.loss}, {counted(settings.epochs, 'epoch')}, seed {settings.seed}"
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.added_at))
        print(f"{number:>3}  {entry.id}  {when}  {printable(name)}  ({asked})")
        if entry.refused:
            print(f"     could not begin: {entry.refused}")
    if not options.json:
        if not line.entries:
            print("Nothing waits: python -m core train --queue lines a training up.")
        if line.held:
            print("The queue is held: python -m core queue go lets them begin.")
    return 0


def _move(options: argparse.Namespace) -> int:
    queue = _queue(options)
    queue.move(_which(queue, options.which), options.place - 1)
    return _list(argparse.Namespace(**{**vars(options), "json": False}))


def _remove(options: argparse.Namespace) -> int:
    queue = _queue(options)
    entry = queue.remove(_which(queue, options.which))
    print(f"{printable(entry.name or entry.id)} waits no more.")
    return 0


def _hold(options: argparse.Namespace, *, held: bool) -> int:
    queue = _queue(options)
    queue.hold(held)
    begun = queue.start_next()
    if held:
        print("Held: nothing new begins. python -m core queue go lets them begin.")
    else:
        n = len(queue.line().waiting)
        print(f"Let go: {n} waiting{', and one has begun in the background' if begun else ''}.")
    return 0


def _which(queue: Queue, text: str) -> str:
    """The id of the one that is called so."""
    entries = queue.line().entries
    if text.isdecimal() and text.isascii() and 1 <= int(text) <= len(entries):
        return entries[int(text) - 1].id
    if text in (entry.id for entry in entries):
        return text
    raise NotFound("There is no training {which} in the queue.", which=text)
