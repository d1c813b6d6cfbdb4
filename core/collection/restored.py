"""Backups that were brought back: each unpacked into a folder of its own within the workspace, of which nothing else is
touched. What a backup is, and how it is unpacked, is `core.collection.backup`'s.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.collection.backup import restore
from core.ground.errors import NotFound
from core.ground.job_process import Report
from core.ground.workspace import Workspace

RESTORING, RESTORED = "restoring", "restored-"  # in the cache: backups that were sent; in the workspace: their folders
_RESTORED = re.compile(rf"{RESTORED}\d{{8}}-\d{{6}}")


def run_restore(
    workspace: Workspace, params: dict[str, Any], report: Report, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """The job: a backup, ``file`` in the cache, unpacked into a folder of its own within the workspace, of which
    nothing else is touched; the file is then removed. Its result: the ``folder``'s name and how many ``files``."""
    workspace.allow("job restore")
    source = workspace.inside(f"data/cache/{RESTORING}/{params['file']}")
    name = f"{RESTORED}{time.strftime('%Y%m%d-%H%M%S')}"
    folder = workspace.root / name
    try:
        count = restore(source, Workspace(folder), on_progress=report)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        source.unlink(missing_ok=True)
    return {"folder": name, "files": count}


def restored(workspace: Workspace) -> list[Path]:
    """The folders that `run_restore` made in a workspace, the newest first; not all of them need be `whole`."""
    found = (path for path in workspace.root.glob(f"{RESTORED}*") if _RESTORED.fullmatch(path.name) and path.is_dir())
    return sorted(found, reverse=True)


def whole(folder: Path) -> bool:
    """Whether what was restored into a folder is there: its collection comes last, and all at once."""
    return Workspace(folder).data.is_dir()


def discard(workspace: Workspace, name: str) -> None:
    """Delete what was restored into the folder of this name. Raises `NotFound` for any other folder."""
    workspace.allow("job restore")
    folder = next((path for path in restored(workspace) if path.name == name and not path.is_symlink()), None)
    if folder is None:
        raise NotFound("There is no folder {path}.", path=name)
    shutil.rmtree(folder)
