"""Uploads on disk instead of in memory: what a visitor has sent waits in a file until a page reads it.

Streamlit (1.67) keeps every upload in memory as long as its session lives, and has no setting for another place. A file
here lives as long as something refers to it; what a killed server leaves is swept with all else that is on its way.
"""

from __future__ import annotations

import io
import os
import shutil
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamlit.runtime import memory_uploaded_file_manager
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec


class Spooled:
    """One upload: its name and type, and its bytes in a file. In the place of Streamlit's `UploadedFileRec`."""

    def __init__(self, record: UploadedFileRec, path: Path) -> None:
        self.file_id, self.name, self.type, self.size = record.file_id, record.name, record.type, len(record.data)
        self.path = path
        try:
            with open(path, "xb") as stream:
                stream.write(record.data)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self.forget = weakref.finalize(self, _remove, path)

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()


class Upload(UploadedFile):
    """What `st.file_uploader` gives: a file that is read from disk when it is read, and not before."""

    def __init__(self, record: Spooled, file_urls: Any) -> None:
        io.BytesIO.__init__(self)
        self.record = record
        self.file_id, self.name, self.type, self.size = record.file_id, record.name, record.type, record.size
        self._file_urls = file_urls
        self._at = 0

    def getvalue(self) -> bytes:
        return self.record.data

    def getbuffer(self) -> memoryview:
        return memoryview(self.record.data)

    def read(self, size: int | None = -1, /) -> bytes:
        with open(self.record.path, "rb") as stream:
            stream.seek(self._at)
            data = stream.read(-1 if size is None else size)
        self._at += len(data)
        return data

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.read(size)

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readline(self, size: int | None = -1, /) -> bytes:
        with open(self.record.path, "rb") as stream:
            stream.seek(self._at)
            line = stream.readline(-1 if size is None else size)
        self._at += len(line)
        return line

    def readlines(self, hint: int | None = None, /) -> list[bytes]:
        return list(iter(self.readline, b""))

    def __next__(self) -> bytes:
        if line := self.readline():
            return line
        raise StopIteration

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def writable(self) -> bool:
        return False


class Spool(MemoryUploadedFileManager):
    """Streamlit's store of uploads, with their bytes in files of ``folder()`` under names of ours."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self._alive: dict[str, weakref.WeakSet[Spooled]] = {}
        self._folder: Path | None = None
        self._making = threading.Lock()

    def add_file(self, session_id: str, file: UploadedFileRec) -> None:
        spooled = Spooled(file, self._made() / os.urandom(16).hex())
        with self._lock:
            self.file_storage[session_id][file.file_id] = spooled  # type: ignore[assignment]
            self._alive.setdefault(session_id, weakref.WeakSet()).add(spooled)

    def get_files(self, session_id: str, file_ids: Sequence[str]) -> list[UploadedFileRec]:
        with self._lock:
            held = self.file_storage.get(session_id, {})
            return [held[file_id] for file_id in file_ids if file_id in held]

    def remove_session_files(self, session_id: str) -> None:
        with self._lock:
            self.file_storage.pop(session_id, None)

    def remove_file(self, session_id: str, file_id: str) -> None:
        with self._lock:
            self.file_storage.get(session_id, {}).pop(file_id, None)

    def held(self, session: str | None) -> int:
        """Bytes on disk for a session, or for all (None): also of what a page still refers to."""
        with self._lock:
            for gone in [name for name, files in self._alive.items() if not files]:
                del self._alive[gone]
            of = [self._alive[name] for name in ([session] if session else list(self._alive)) if name in self._alive]
            return sum(file.size for files in of for file in files)

    def get_stats(self, family_names: Sequence[str] | None = None) -> dict[str, Any]:
        return {}  # none of it is in memory

    def _made(self) -> Path:
        """A folder of this server's in the workspace: beside where uploads go, under a name that is swept."""
        from core.ground.workspace import Workspace, temporary

        with self._making:
            if self._folder is None or not self._folder.is_dir():
                staging = Workspace.open().staging
                staging.mkdir(parents=True, exist_ok=True)
                self._folder = temporary(staging / "uploads")
                self._folder.mkdir()
                weakref.finalize(self, shutil.rmtree, self._folder, True)
            else:
                os.utime(self._folder)  # in use: what is swept is what has not changed for a day
            return self._folder


def install() -> None:
    """Make this the store of every app of this process that is made from now on, and its uploads files on disk."""
    from streamlit.elements.widgets import file_uploader  # the camera's pictures come through it too

    memory_uploaded_file_manager.MemoryUploadedFileManager = Spool  # type: ignore[misc,assignment]
    file_uploader.UploadedFile = _opened  # type: ignore[misc,assignment]


def held(session: str | None) -> int:
    """Bytes of uploads that the server keeps for a session, or for all (None)."""
    from streamlit import runtime

    if not runtime.exists():
        return 0
    manager = runtime.get_instance().uploaded_file_mgr
    return manager.held(session) if isinstance(manager, Spool) else 0


def _opened(record: UploadedFileRec | Spooled, file_urls: Any) -> UploadedFile:
    return Upload(record, file_urls) if isinstance(record, Spooled) else UploadedFile(record, file_urls)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
