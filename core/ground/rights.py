"""Who may do what: people, their roles, and the one door that every change goes through, `allow`.

Each action has one line here with the least role that includes it. Nothing else decides; a page that greys a button out
only says the same beforehand (`may`).
"""

from __future__ import annotations

from dataclasses import dataclass

from core.ground.config import ROLES, Role
from core.ground.errors import NotAllowed


@dataclass(frozen=True)
class Actor:
    """Who acts: the ``name`` goes into the journal, the ``role`` says what is allowed.

    A viewer looks, identifies and reports; a curator also changes the dataset; a researcher
    also trains. Without either it is the server itself, or whoever has a shell on this machine.
    """

    name: str = ""
    role: Role = "researcher"


ACTIONS: dict[str, Role] = {
    "report": "viewer",  # what Identify got wrong, to the inbox
    "collection": "curator",  # classes, items, the inbox, the journal's undo, reading the folders again
    "import": "curator",
    "export": "curator",
    "sample": "curator",  # load it, remove it
    "finding": "curator",  # call a finding right as it is
    "view": "curator",  # keep a view of a page under a name, drop it
    "policy": "curator",  # save, delete
    "variants": "curator",  # write, take back
    "run": "researcher",  # name, note, pause, go on, delete, restore, bring in
    "promotion": "researcher",  # promote, go back
    "settings": "researcher",
    # Jobs: to start, to stop and to go on with one is the same right.
    "job index": "viewer",  # what looking at a page needs: nothing is changed by it
    "job neighbourhood": "viewer",
    "job import": "curator",
    "job export": "curator",
    "job reconcile": "curator",  # compare a search server with the catalogue, and repair it
    "job pictures": "curator",  # read pictures of a catalogue
    "job augment": "curator",
    "job safety": "curator",
    "job quality": "curator",
    "job evaluation": "curator",
    "job projection": "curator",
    "job views": "researcher",  # compare the ways of seeing
    "job backup": "researcher",
    "job restore": "researcher",
    "job train": "researcher",
    "job promote": "researcher",
}


def needed(action: str) -> Role:
    """The least role that includes ``action``, which may be a role itself; what has no line needs the highest."""
    for role in ROLES:
        if action == role:
            return role
    return ACTIONS.get(action, ROLES[-1])


def includes(role: Role, wanted: Role) -> bool:
    """Whether somebody of ``role`` may do what ``wanted`` may."""
    return ROLES.index(role) >= ROLES.index(wanted)


def may(actor: Actor, action: str) -> bool:
    """Whether `allow` would let them."""
    return includes(actor.role, needed(action))


def allow(actor: Actor, action: str) -> None:
    """Raise `NotAllowed` unless the actor's role includes ``action`` (a key of `ACTIONS`)."""
    if not may(actor, action):
        raise NotAllowed(
            "{who} may look and report, not change: this needs the role {role}.",
            who=actor.name or "?",
            role=needed(action),
        )
