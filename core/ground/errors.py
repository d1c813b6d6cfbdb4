"""Every error that core raises on purpose. The message is for the person at the screen.

BurinError
├── BadInput                what was given cannot be used
│   ├── ImageRefused        not an image we open, damaged, or too large
│   │   └── FileReplaced    another file lies there than the one that was to be read
│   ├── ArchiveRefused      an archive that is unsafe or unreadable as a whole
│   ├── NameRefused         a class or file name that cannot be kept
│   └── ConfigRefused       a setting outside its rule
├── NotFound                a class, item, run or job that is not (or no longer) there
├── Conflict                somebody or something else changed or holds it
│   └── LockLost            a lock was held, and another process may have it by now
├── NotAllowed              the person's role does not include it
├── WeightsUnavailable      no source had the pretrained weights
├── ExtrasMissing           packages that only training needs are not installed
├── SearchAway              the index cannot answer now
│   └── ServerGone          nothing answers at the search server's address
├── ModelRefused            a checkpoint that is damaged, foreign or does not fit
├── WorkspaceRefused        the workspace folder cannot be used
└── MachineFault            a fault of the machine: a full disk, a database that does not answer

A message is a template and its values, kept apart so that the interface can translate the
template: ``ImageRefused("{name} is empty.", name=name)``. Values are data: they are
inserted once and never formatted again, so a name such as ``{s}`` is harmless.
"""

from __future__ import annotations

from typing import Any


class BurinError(Exception):
    """An error with one clear sentence: ``template`` (English, translatable) and its ``values``."""

    def __init__(self, template: str, /, **values: object) -> None:
        super().__init__(template)
        self.template = template
        self.values = values

    def __str__(self) -> str:
        return self.template.format(**self.values) if self.values else self.template

    def __reduce__(self):
        return _rebuild, (type(self), self.template, self.values)

    def to_json(self) -> dict[str, Any]:
        """``template`` and ``values`` apart, so that a record keeps what can still be translated."""
        values = {name: value if isinstance(value, int | float) else str(value) for name, value in self.values.items()}
        return {"template": self.template, "values": values}


def _rebuild(kind: type[BurinError], template: str, values: dict[str, object]) -> BurinError:
    return kind(template, **values)


class BadInput(BurinError):
    """What was given cannot be used."""


class ImageRefused(BadInput):
    """Not an image we open, damaged, or too large."""


class FileReplaced(ImageRefused):
    """Another file lies there than the one that was to be read."""


class ArchiveRefused(BadInput):
    """An archive that is unsafe or unreadable as a whole."""


class NameRefused(BadInput):
    """A class or file name that cannot be kept."""


class ConfigRefused(BadInput):
    """A setting outside its rule."""


class NotFound(BurinError):
    """A class, item, run or job that is not (or no longer) there."""


class Conflict(BurinError):
    """Somebody or something else changed or holds it."""


class LockLost(Conflict):
    """A lock that was held, and that another process may have by now (`core.ground.locks`)."""


def changed_meanwhile(name: str) -> Conflict:
    """What of that name is not as the person saw it any more."""
    return Conflict("{name} was changed by somebody else in the meantime.", name=name)


class NotAllowed(BurinError):
    """The person's role does not include it."""


class WeightsUnavailable(BurinError):
    """No source had the pretrained weights."""


class ExtrasMissing(BurinError):
    """Packages of an extra (training, reading letters, a search server) are not installed."""


class SearchAway(BurinError):
    """The index cannot answer now; asked again later, it may."""


class ServerGone(SearchAway):
    """Nothing answers at the search server's address."""


class ModelRefused(BurinError):
    """A checkpoint that is damaged, foreign or does not fit."""


class WorkspaceRefused(BurinError):
    """The workspace folder cannot be used."""


class MachineFault(BurinError):
    """A fault of the machine: a full disk, a database that does not answer (`core.ground.machine_faults`)."""
