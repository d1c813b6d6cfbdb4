"""The packages that line art is taken from: pinned, hash-checked, their licences named. It reads no drawing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A package at a version: its hash in the registry's form, its licence, and which members are read."""

    package: str
    version: str
    integrity: str
    licence: str
    members: str

    @property
    def is_font(self) -> bool:
        return self.members.endswith("woff")


def _listed() -> dict[str, tuple[Source, ...]]:
    record = json.loads((Path(__file__).parent / "sources.json").read_text("utf-8"))
    return {group: tuple(Source(**source) for source in sources) for group, sources in record.items()}


_LISTED = _listed()
SOURCES = (*_LISTED["icons"], *_LISTED["fonts"])
HANDWRITING = _LISTED["handwriting"]  # looked at only to choose settings: see `_validate`


def fetched(source: Source, folder: Path) -> Path:
    """The package's archive in ``folder``, its hash checked."""
    path = folder / f"{source.package.lstrip('@').replace('/', '-')}-{source.version}.tgz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", f"{source.package}@{source.version}"], cwd=folder, check=True)
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if source.integrity != f"sha512-{digest}":
        raise SystemExit(f"{path} is not what was pinned: sha512-{digest}")
    return path


def members(source: Source, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name without suffix and content of each member that the source names."""
    wanted = re.compile("package/" + source.members)
    with tarfile.open(fetched(source, folder)) as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            stream = archive.extractfile(member) if wanted.fullmatch(member.name) else None
            if stream is not None:
                yield Path(member.name).stem, stream.read()
