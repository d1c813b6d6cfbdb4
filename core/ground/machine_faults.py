"""What goes wrong with the machine and not with what was asked for: a full disk, a locked or absent database.

One place that makes a clear sentence of it: what is safe, and what to do. Pages, jobs and the shell all ask `fault_of`;
what it does not know is an error of ours, and stays one.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

from core.ground.errors import MachineFault

_FULL = MachineFault(
    "The disk is full: what was saved before is safe, this was not finished. Make room, then try again."
)
_READ_ONLY = MachineFault(
    "{path} cannot be written: this account has no right to, or the disk is read-only. What was saved before is safe."
    " Give Burin the right to write there, then try again."
)
_LOCKED = MachineFault(
    "Another program holds the catalogue: nothing was changed. Try again in a moment; if it stays so, look for what has"
    " the workspace open (a backup, a database viewer)."
)
_AWAY = MachineFault(
    "The database of the catalogue does not answer: nothing was changed. As soon as it is there again, all goes on as"
    " before."
)
_BROKEN = MachineFault(
    "The disk reports an error ({why}): what was asked for was not finished. Look after the disk and your backup."
)
_DAMAGED = MachineFault(
    "The catalogue is damaged: nothing was changed. It is looked at closely the next time it is opened, and made anew"
    " from the folders where that is needed: try again, or restart Burin."
)
_NO_MEMORY = MachineFault(
    "There is not enough memory for this just now: nothing was changed. Try again later, or with less at once."
)
_TOO_MANY = MachineFault("Too many files are open at once: nothing was changed. Try again in a moment.")

_ERRNO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _FULL),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _READ_ONLY),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), _TOO_MANY),
    errno.EIO: _BROKEN,
    errno.ENOMEM: _NO_MEMORY,
}
_SQLITE = (  # what its messages hold
    ("locked", _LOCKED),
    ("is full", _FULL),
    ("readonly", _READ_ONLY),
    ("unable to open", _READ_ONLY),
    ("malformed", _DAMAGED),
    ("not a database", _DAMAGED),
    ("decode to UTF-8", _DAMAGED),
    ("disk I/O", _BROKEN),
)
_POSTGRESQL = {"53100": _FULL, "53200": _NO_MEMORY, "25006": _READ_ONLY, "55P03": _LOCKED, "40P01": _LOCKED}
_NO_ANSWER = ("08", "57", "53", "28", "3D")  # classes of its codes: no connection, shut down, too many, no entry


def fault_of(error: BaseException) -> MachineFault | None:
    """The sentence about what lies behind ``error``; None where it is no fault of the machine."""
    for one in _behind(error):
        if isinstance(one, MachineFault):
            return one
        if (said := _said(one)) is not None:
            return type(said)(said.template, **_values(said.template, one))
    return None


def is_damage(error: BaseException) -> bool:
    """Whether the catalogue itself is what is damaged."""
    found = fault_of(error)
    return found is not None and found.template == _DAMAGED.template


def damaged_rows() -> MachineFault:
    """What to say where rows of the catalogue hold what nobody wrote there."""
    return type(_DAMAGED)(_DAMAGED.template)


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what a database library packed into it; not what it was raised from on purpose."""
    while error is not None:
        yield error
        error = getattr(error, "orig", None)


def _said(error: BaseException) -> MachineFault | None:
    if isinstance(error, MemoryError):
        return _NO_MEMORY
    if isinstance(error, OSError):
        return _ERRNO.get(error.errno or 0)
    if isinstance(error, sqlite3.Error):
        return next((said for part, said in _SQLITE if part in str(error)), None)
    if type(error).__module__.partition(".")[0] == "psycopg":
        code = str(getattr(error, "sqlstate", None) or "")
        lost = not code and type(error).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout")
        return _POSTGRESQL.get(code) or (_AWAY if lost or code.startswith(_NO_ANSWER) else None)
    if type(error).__name__ == "TimeoutError" and type(error).__module__ == "sqlalchemy.exc":  # all connections taken
        return _LOCKED
    return None


def _values(said: str, error: BaseException) -> dict[str, object]:
    path = getattr(error, "filename", None) or "data/catalogue.sqlite"
    why = getattr(error, "strerror", None) or str(error)
    return {name: value for name, value in (("path", path), ("why", why)) if f"{{{name}}}" in said}
