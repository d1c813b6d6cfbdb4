"""The files that Burin wrote into a folder of a person's choice, listed beside them: writing there again replaces
those, and never a file that somebody else put there."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.evaluation.store import REPORT
from core.ground.errors import Conflict
from core.ground.workspace import is_temporary, write_atomic

LIST, FORMAT = "written.json", "burin-written"


def written_in(folder: Path) -> set[str] | None:
    """The files that Burin wrote, by their path in ``folder``; None where it never wrote there."""
    try:
        record = json.loads((folder / LIST).read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            return None
        return {str(name) for name in record["files"] if _within(folder, str(name))}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def check_own(folder: Path) -> None:
    """Raises `Conflict` unless ``folder`` is one that Burin wrote, or empty, or not there yet."""
    if folder.exists() and not folder.is_dir():
        raise Conflict("{path} is a file: give a folder.", path=folder)
    if folder.is_dir() and any(folder.iterdir()) and written_in(folder) is None:
        raise Conflict("{path} holds other files: give another folder.", path=folder)


def settle(staging: Path, folder: Path, *, anew: bool) -> None:
    """Move the files of ``staging``, which lies beside ``folder``, into it; with ``anew`` the others that Burin wrote
    there earlier go.

    Raises `Conflict`, and then changes nothing, where a file of another hand is in the way. The list says before the
    first move that they are on their way: what is killed in between, `finish` brings to its end.
    """
    finish(folder)
    fresh = {path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file()}
    held = written_in(folder)
    earlier = held or set()
    for name in sorted(fresh - earlier | (set() if held is not None else {LIST})):
        _check_free(folder, name)
    stale = sorted(earlier - fresh) if anew else []
    _save(folder, earlier | fresh, coming={"from": staging.name, "stale": stale})
    _move(staging, folder, stale)


def finish(folder: Path) -> None:
    """Bring to its end what a killed process had begun to move into ``folder``."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        coming = json.loads((folder / LIST).read_text(encoding="utf-8"))["coming"]
        staging = folder.with_name(str(coming["from"]))
        if is_temporary(staging.name):
            _move(staging, folder, [str(name) for name in coming["stale"] if _within(folder, str(name))])


def _move(staging: Path, folder: Path, stale: Sequence[str]) -> None:
    """Whatever is still in ``staging`` comes into ``folder``, the report last; then the ``stale`` files go."""
    coming = [path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file()]
    for name in sorted(coming, key=lambda name: (name == REPORT, name)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / name, folder / name)
    for name in stale:
        _remove(folder, name)
    _save(folder, (written_in(folder) or set()) - set(stale))


def _check_free(folder: Path, name: str) -> None:
    path = folder / name
    others = [above for above in path.parents if above.is_relative_to(folder) and above.exists() and not above.is_dir()]
    if path.exists() or path.is_symlink():
        others.append(path)
    if others:
        raise Conflict("{path} was not written by Burin and is in the way: give another folder.", path=others[0])


def _remove(folder: Path, name: str) -> None:
    """The file, and the folders that it leaves empty."""
    path = folder / name
    path.unlink(missing_ok=True)
    with suppress(OSError):  # something else is in there
        while (path := path.parent) != folder:
            with suppress(FileNotFoundError):  # it went before a kill
                path.rmdir()


def _save(folder: Path, names: set[str], *, coming: dict[str, Any] | None = None) -> None:
    record = {"format": FORMAT, "files": sorted(names)} | ({"coming": coming} if coming else {})
    write_atomic(folder / LIST, json.dumps(record, ensure_ascii=False, indent=1).encode())


def _within(folder: Path, name: str) -> bool:
    """Whether a path of the list, which may be a stranger's, stays in the folder and is no link out of it."""
    return (folder / name).parent.resolve().is_relative_to(folder.resolve()) and Path(name).name not in ("", "..")
