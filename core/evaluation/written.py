"""The files that Burin wrote into a folder of a person's choice, listed beside them: writing there again replaces
those, and never a file that somebody else put there."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from core.evaluation.store import REPORT
from core.ground.errors import Conflict
from core.ground.workspace import write_atomic

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
    """Move the files of ``staging`` into ``folder``; with ``anew`` those that Burin wrote there earlier go first.

    Raises `Conflict`, and then changes nothing, where a file of another hand is in the way. The report comes last,
    so that what can be read is whole.
    """
    fresh = {path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file()}
    held = written_in(folder)
    earlier = held or set()
    for name in sorted(fresh - earlier | (set() if held is not None else {LIST})):
        _check_free(folder, name)
    _save(folder, earlier | fresh)
    for name in sorted(earlier) if anew else ():
        _remove(folder, name)
    for name in sorted(fresh, key=lambda name: (name == REPORT, name)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / name, folder / name)
    if anew:
        _save(folder, fresh)


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
            path.rmdir()


def _save(folder: Path, names: set[str]) -> None:
    content = json.dumps({"format": FORMAT, "files": sorted(names)}, ensure_ascii=False, indent=1)
    write_atomic(folder / LIST, content.encode())


def _within(folder: Path, name: str) -> bool:
    """Whether a path of the list, which may be a stranger's, stays in the folder and is no link out of it."""
    return (folder / name).parent.resolve().is_relative_to(folder.resolve()) and Path(name).name not in ("", "..")
