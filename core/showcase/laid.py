"""What the sample laid out beside its marks: the record that the pages read, and that the removal goes by."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from core.ground.names import is_plain, is_plain_path
from core.ground.workspace import Workspace, write_atomic

FILE = "sample_more.json"  # in the workspace's data folder
FOLDER = "sample"  # likewise: the photographs
_BESIDE = ("model/engines/", "model/evaluation/")  # where the further files are


@dataclass(frozen=True)
class Laid:
    """``photographs`` by file name, with what each shows from left to right; ``wrong``: the planted wrong labels,
    content hash to folder; the ids of the ``run`` and of the inbox's ``report``; ``paths``, in the workspace, of
    further files and folders."""

    photographs: dict[str, list[str]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    run: str = ""
    report: int = 0
    paths: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, workspace: Workspace) -> Self:
        """Nothing where there is no sample, or one from before it had more than marks; and nothing of a record made
        elsewhere that leads to other files than a sample's."""
        with suppress(OSError, ValueError, TypeError, AttributeError):
            held = cls(**json.loads((workspace.data / FILE).read_text(encoding="utf-8")))
            return replace(
                held,
                photographs={file: list(shown) for file, shown in held.photographs.items() if is_plain(file)},
                wrong=dict(held.wrong),
                run=held.run if held.run.isalnum() else "",
                paths=[path for path in held.paths if path.startswith(_BESIDE) and is_plain_path(path)],
            )
        return cls()

    def with_(self, workspace: Workspace, **changes: Any) -> Self:
        """The same with these, written at once: what a crash leaves behind can be removed."""
        changed = replace(self, **changes)
        content = json.dumps(asdict(changed), ensure_ascii=False, indent=1) + "\n"
        write_atomic(workspace.data / FILE, content.encode())
        return changed

    def beside(self, workspace: Workspace, *paths: Path) -> Self:
        """The same with further files and folders."""
        more = [path.relative_to(workspace.root).as_posix() for path in paths]
        return self.with_(workspace, paths=[*self.paths, *more])


def path_of(workspace: Workspace, file: str) -> Path:
    """Where a photograph lies."""
    return workspace.data / FOLDER / file
