"""Names: what a class may be called, the folder it gets, the file name an upload gets.

A name is data. Folders and files are made from it by the rules here and nowhere else; nothing
here touches the disk.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import PureWindowsPath
from urllib.parse import unquote

from core.ground.errors import NameRefused

LONGEST = 120  # characters in a class name
_FOLDER_BYTES = 240  # most file systems stop at 255 bytes a name; room is left for a suffix
_UNSAFE = set('<>:"/\\|?*')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_PARTS = re.compile(r"[/\\]")
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format (right-to-left marks too), broken, separators
_JUNK = {"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information"}


def clean_name(name: str) -> str:
    """The class name as it is kept: NFC, without outer spaces.

    Raises `NameRefused` for an empty or overlong name, one that walks through folders (``..``), or
    with characters that cannot be seen. A slash is a mark like another.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not name:
        raise NameRefused("A class needs a name.")
    if len(name) > LONGEST:
        raise NameRefused(
            "A class name has at most {limit} characters; this one has {count}.", limit=LONGEST, count=len(name)
        )
    if {".", ".."} & set(_PARTS.split(name)):
        raise NameRefused("{name} is not a class name: it is a way through folders.", name=name)
    if any(unicodedata.category(c) in _INVISIBLE for c in name):
        raise NameRefused("A class name cannot hold invisible characters: {name}", name=ascii(name))
    return name


def is_plain(name: str) -> bool:
    """Whether a name is one part of a path and leads nowhere else: what a record says that came from elsewhere."""
    apart = {os.sep, os.altsep or os.sep, "\0"} | ({":"} if os.name == "nt" else set())
    return name not in ("", ".", "..") and apart.isdisjoint(name)


def is_plain_path(path: str) -> bool:
    """`is_plain` for a relative path of several parts: whether it leads nowhere out of the folder that it is of. Both
    slashes count on every system: a workspace may be opened on another one."""
    if "\0" in path or path.startswith("/") or "//" in path or (".." in path and ".." in _PARTS.split(path)):
        return False
    return os.name != "nt" or not PureWindowsPath(path).anchor


def key(name: str) -> str:
    """What makes two names the same: NFC, then case folded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def search_key(text: str) -> str:
    """`key` without accents, for searching: ``Étoile`` is found by ``etoile``."""
    folded = unicodedata.normalize("NFD", key(text))
    return "".join(c for c in folded if not unicodedata.combining(c))


def folder_for(name: str) -> str:
    """The folder of a class: the name as it is where every platform can keep it, else percent-encoded.

    `name_of` reads it back, except for a name too long for a folder, which is cut and given a hash.
    """
    name = unicodedata.normalize("NFC", name)
    if _ENCODED.search(name):
        name = _ENCODED.sub(lambda found: "%25" + found.group()[1:], name)
    folder = "".join(_percent(c) if c in _UNSAFE or unicodedata.category(c) in _INVISIBLE else c for c in name)
    if folder.startswith((".", " ")) or is_junk(folder) or _RESERVED.fullmatch(folder):
        folder = _percent(folder[0]) + folder[1:]
    if folder.endswith((".", " ")):
        folder = folder[:-1] + _percent(folder[-1])
    if len(folder.encode()) > _FOLDER_BYTES:
        folder = shorten(folder, _FOLDER_BYTES)
    return folder


def name_of(folder: str) -> str:
    """The class name that a folder on disk stands for; never raises.

    A folder that `folder_for` did not write is its own name (NFC), with what cannot be seen
    written as percent codes.
    """
    name = unicodedata.normalize("NFC", unquote(folder, errors="replace"))
    if folder_for(name) == unicodedata.normalize("NFC", folder):
        return name
    shown = "".join(
        _percent(c) if unicodedata.category(c) in _INVISIBLE else c for c in unicodedata.normalize("NFC", folder)
    )
    return shown.strip() or folder


def shorten(text: str, most_bytes: int) -> str:
    """``text`` cut to ``most_bytes`` of UTF-8, ending in a hash of the whole."""
    import hashlib

    tail = "~" + hashlib.sha256(text.encode()).hexdigest()[:10]
    return text.encode()[: most_bytes - len(tail)].decode(errors="ignore") + tail


def is_junk(name: str) -> bool:
    """Whether a file or folder is the system's and not the user's: hidden, Thumbs.db, __MACOSX."""
    return name.startswith(".") or name.casefold() in _JUNK


def basename(name: str) -> str:
    """The last part of an uploaded name, whatever separators the visitor's system has."""
    return _PARTS.split(name)[-1]


def printable(name: str) -> str:
    """An uploaded name as every database and file can hold it: broken characters and NUL are replaced."""
    return name.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def file_for(name: str, sha256: str, extension: str) -> str:
    """Our own file name for an upload: a safe stem, ten digits of its hash, our extension.

    A name that we gave before is given again, so that an export imports under the same names.
    """
    stem = basename(unicodedata.normalize("NFC", name))
    stem = stem.rpartition(".")[0] or stem
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in stem).strip("_-")[:60]
    digits = sha256[:10]
    if stem == digits or stem.endswith(f"_{digits}"):
        return f"{stem}{extension}"
    return f"{stem or 'image'}_{digits}{extension}"


def free_name(name: str, taken: set[str]) -> str:
    """``name``, or ``stem_2.ext``, ``stem_3.ext``...: the first whose `key` is not in ``taken``."""
    if key(name) not in taken:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    number = 2
    while key(candidate := f"{stem}_{number}{dot}{extension}") in taken:
        number += 1
    return candidate


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogateescape"))
