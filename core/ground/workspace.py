"""A workspace: one folder that holds ``data/`` and ``model/``, and every path inside it.

Writes are atomic (temporary file, fsync, rename, fsync of the folder) and stay inside the
root. No path is ever built from a name that a person typed: see `core.collection.dataset` for folders.
"""

from __future__ import annotations

import copy
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from core.ground.config import WorkspaceConfig
from core.ground.errors import WorkspaceRefused
from core.ground.rights import Actor, allow

ENVIRONMENT = "BURIN_WORKSPACE"
LEFT_S = 86_400.0  # what is on its way to its name for a day was left there by a process that was killed

_TEMPORARY = re.compile(r"\.[0-9a-f]{19}(\.tmp)?")  # `temporary` and, without its end, what earlier versions wrote
_LAST = [0]  # the number of the last id that this process gave
_TURN = threading.Lock()
_LOOK_S = 1.0  # between two looks at a root: a page opens its workspace a hundred times a view
_folders: dict[Path, float] = {}  # root -> until when it counts as one that can be
_configs: dict[Path, tuple[Stamp, WorkspaceConfig]] = {}  # file -> its state, and what it says


class Stamp(NamedTuple):
    """The state of a file: as long as it is the same, what was read of it holds."""

    inode: int
    mtime_ns: int
    size: int


class Workspace:
    """Paths and settings under one root folder, in the hands of ``actor``, whose role says what may be changed
    through it (`core.ground.rights.allow`). Opening one writes nothing.

    Raises `WorkspaceRefused` when the root exists and is not a folder.
    """

    def __init__(self, root: str | os.PathLike[str], *, actor: Actor | None = None) -> None:
        self.actor = actor or Actor()
        self.root = _resolved(os.path.abspath(os.path.expanduser(root)))
        if _folders.get(self.root, 0.0) < time.monotonic():
            if not self.root.is_dir() and self.root.exists():
                raise WorkspaceRefused("{path} is a file; a workspace is a folder.", path=self.root)
            _folders[self.root] = time.monotonic() + _LOOK_S

    @classmethod
    def open(cls, root: str | os.PathLike[str] | None = None) -> Workspace:
        """``root``, else the variable BURIN_WORKSPACE, else the current folder."""
        return cls(root or os.environ.get(ENVIRONMENT) or ".")

    def acting_as(self, actor: Actor) -> Workspace:
        """The same workspace in another person's hands."""
        other = copy.copy(self)
        other.actor = actor
        return other

    def allow(self, action: str) -> None:
        """Raise `NotAllowed` unless whoever has it in hand may do that."""
        allow(self.actor, action)

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    @cached_property
    def data(self) -> Path:
        return self.root / "data"

    @cached_property
    def raw(self) -> Path:
        return self.data / "raw_gravures"

    @cached_property
    def augmented(self) -> Path:
        return self.data / "augmented_gravures"

    @cached_property
    def model(self) -> Path:
        return self.root / "model"

    @cached_property
    def runs(self) -> Path:
        return self.model / "runs"

    @cached_property
    def cache(self) -> Path:
        """What can be deleted at any time and is made again: thumbnails, exported engines."""
        return self.data / "cache"

    def thumbnail(self, sha256: str) -> Path:
        """Where the thumbnail of an original with this content lies, once it is made. Raises `WorkspaceRefused`."""
        if not sha256.isalnum():
            raise WorkspaceRefused("{path} is outside the workspace.", path=sha256)
        return self.cache / "thumbnails" / sha256[:2] / f"{sha256}.webp"

    @cached_property
    def staging(self) -> Path:
        """Files on their way in; on the same file system as the originals, so a rename lands them."""
        return self.data / "staging"

    @cached_property
    def trash(self) -> Path:
        return self.data / "trash"

    @cached_property
    def inbox(self) -> Path:
        """Pictures that Identify's users reported as wrong or unknown."""
        return self.data / "inbox"

    @cached_property
    def product_pictures(self) -> Path:
        """Pictures of products, named by their content."""
        return self.data / "product_pictures"

    @cached_property
    def jobs(self) -> Path:
        return self.data / "jobs"

    @cached_property
    def catalogue(self) -> Path:
        return self.data / "catalogue.sqlite"

    @cached_property
    def config_path(self) -> Path:
        return self.data / "workspace.json"

    def config(self) -> WorkspaceConfig:
        """The saved settings, or the defaults where none were saved."""
        try:
            stamp = stamp_of(self.config_path)
            held = _configs.get(self.config_path)
            if held is not None and held[0] == stamp:
                return held[1]
            config = _config_of(self.config_path.read_text(encoding="utf-8"))
            if time.time_ns() - stamp.mtime_ns > 2e9:  # else it may be changed again with nothing to be seen of it
                _configs[self.config_path] = stamp, config
            return config
        except FileNotFoundError:
            return WorkspaceConfig()

    def save_config(self, config: WorkspaceConfig) -> None:
        self.allow("settings")
        write_atomic(self.config_path, config.to_text().encode())

    def inside(self, relative: str | os.PathLike[str]) -> Path:
        """``root / relative`` with links resolved; raises `WorkspaceRefused` if that leaves the root."""
        path = (self.root / relative).resolve()
        if not path.is_relative_to(self.root):
            raise WorkspaceRefused("{path} is outside the workspace.", path=relative)
        return path


@lru_cache(maxsize=64)
def _resolved(root: str) -> Path:
    """A root with links resolved, once a process: a page opens its workspace a hundred times a view."""
    return Path(root).resolve()


@lru_cache(maxsize=16)
def _config_of(text: str) -> WorkspaceConfig:
    return WorkspaceConfig.from_text(text)


def is_own(path: Path) -> bool:
    """Whether a file is there, and neither it nor its folder is a link: who may put files into a folder that is watched
    does not choose what else of this machine is read."""
    return path.is_file() and not path.is_symlink() and not path.parent.is_symlink()


def new_id(*, after: str = "") -> str:
    """A short id that sorts after those given before it and is safe in paths, keys and URLs.

    It counts on from the clock, and from the last one given here where the clock went back; ``after``: an id that is
    there already, which another process may have given. Anything else than an id there counts for nothing.
    """
    with _TURN:
        last = int(after[:11], 16) if re.fullmatch(r"[0-9a-f]{19}", after) else 0
        _LAST[0] = max(int(time.time() * 1000), _LAST[0] + 1, last + 1)
        return f"{_LAST[0]:011x}{secrets.token_hex(4)}"


def temporary(path: Path) -> Path:
    """Where what is to become ``path`` is written: beside it, under a name that `sweep` knows."""
    return path.with_name(f".{new_id()}.tmp")


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is on its way to another."""
    return _TEMPORARY.fullmatch(name) is not None


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` to work in, not made yet; what is still in it at the end is removed."""
    folder = temporary(path)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(workspace: Workspace, *, older_than_s: float = LEFT_S) -> list[Path]:
    """Remove what killed processes left on its way to its name, anywhere in the workspace; what was removed."""
    gone = []
    for path in _left(workspace):
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > older_than_s:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                gone.append(path)
    return gone


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder; 0 where there is none."""
    total = 0
    for here, _folders, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(here, name)).st_size
    return total


def write_atomic(path: Path, content: bytes) -> None:
    """Write ``content`` so that a reader, or a crash, sees the old file or the new one whole."""
    with writing(path) as stream:
        stream.write(content)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A binary stream that becomes ``path`` when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = temporary(path)
    try:
        with open(own, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(own, path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            own.unlink()
        raise


def _left(workspace: Workspace) -> Iterator[Path]:
    """Whatever `is_temporary` in the root and in the folders of the workspace; other folders in the root are no
    business of ours."""
    if workspace.root.is_dir():
        yield from (workspace.root / name for name in os.listdir(workspace.root) if is_temporary(name))
    for top in (workspace.data, workspace.model):
        for folder, folders, files in os.walk(top):
            yield from (Path(folder) / name for name in (*folders, *files) if is_temporary(name))
            folders[:] = [name for name in folders if not is_temporary(name)]


def stamp_of(path: Path) -> Stamp:
    """Raises `OSError` where there is no such file."""
    known = os.stat(path)
    return Stamp(known.st_ino, known.st_mtime_ns, known.st_size)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable (nothing to do where folders cannot be opened: Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
