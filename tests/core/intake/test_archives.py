"""Archives: hostile ones are refused whole before a byte is unpacked, honest ones are read right."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.ground.errors import ArchiveRefused, ImageRefused
from core.intake.archives import Archive, Limits, classes_of, workspace_parts
from tests.conftest import draw, png_bytes

PNG = png_bytes(draw("wave"))


def packed(
    members: dict[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    buffer = io.BytesIO()
    pairs = list(members.items()) if isinstance(members, dict) else members
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in pairs:
            archive.writestr(name, content)
    return buffer.getvalue()


def special(mode: int) -> bytes:
    info = zipfile.ZipInfo("pont/a.png")
    info.external_attr = mode << 16
    return packed([(info, b"/etc/passwd")])


def nul() -> bytes:
    return packed({"pont/a.phpX.png": PNG}).replace(b"a.phpX.png", b"a.php\0.png")


def encrypted() -> bytes:
    data = bytearray(packed({"a.png": PNG}))
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def method(number: int) -> bytes:
    data = bytearray(packed({"a.png": PNG}))
    struct.pack_into("<H", data, data.index(b"PK\x03\x04") + 8, number)
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 10, number)
    return bytes(data)


def overlapping() -> bytes:
    """Two entries of the directory over the same local file (the idea of CVE-2024-0450)."""
    data = packed({"a.png": PNG})
    at, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry, tail = data[at:end], bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 2, 2, 2 * len(entry))
    return data[:at] + entry + entry + bytes(tail)


def lying(real: bytes = PNG * 50, said: int = 100) -> bytes:
    """A member that unpacks to more than its headers say."""
    data = bytearray(packed({"pont/a.png": real}))
    struct.pack_into("<I", data, data.index(b"PK\x03\x04") + 22, said)
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, said)
    return bytes(data)


UNSAFE: dict[str, tuple[Callable[[], bytes], str]] = {
    "traversal": (lambda: packed({"../../evil.png": PNG}), "leads outside"),
    "traversal inside": (lambda: packed({"pont/../../evil.png": PNG}), "leads outside"),
    "backslash traversal": (lambda: packed({"pont\\..\\..\\evil.png": PNG}), "leads outside"),
    "absolute": (lambda: packed({"/etc/evil.png": PNG}), "leads outside"),
    "drive": (lambda: packed({"C:/evil.png": PNG}), "leads outside"),
    "unc": (lambda: packed({"\\\\server\\evil.png": PNG}), "leads outside"),
    "nul": (nul, "leads outside"),
    "symlink": (lambda: special(stat.S_IFLNK | 0o777), "link or a special file"),
    "device": (lambda: special(stat.S_IFCHR | 0o666), "link or a special file"),
    "setuid": (lambda: special(stat.S_IFREG | 0o4755), "link or a special file"),
    "encrypted": (encrypted, "password"),
    "unknown method": (lambda: method(99), "packed by a method"),
    "overlap": (overlapping, "overlap"),
    "bomb": (lambda: packed({"a.bmp": b"\0" * 30_000_000}), "100 times its size"),
    "not a zip": (lambda: b"not a zip at all", "not a zip archive"),
    "a picture": (lambda: PNG, "not a zip archive"),
    "empty file": (lambda: b"", "not a zip archive"),
    "cut": (lambda: packed({"a.png": PNG})[:-30], "not a zip archive"),
}


def opened(tmp_path: Path, data: bytes, **limits: int) -> Archive:
    path = tmp_path / "given.zip"
    path.write_bytes(data)
    return Archive(path, limits=Limits(**limits))


@pytest.mark.parametrize("case", UNSAFE)
def test_an_unsafe_archive_is_refused_whole(tmp_path: Path, case: str) -> None:
    make, sentence = UNSAFE[case]
    with pytest.raises(ArchiveRefused, match=sentence):
        opened(tmp_path, make())
    assert [p.name for p in tmp_path.iterdir()] == ["given.zip"]


def test_limits_are_said_with_their_numbers(tmp_path: Path) -> None:
    three = packed({f"{n}.png": PNG for n in range(3)})
    with pytest.raises(ArchiveRefused, match=r"holds more files \(3\) than the limit \(2\)"):
        opened(tmp_path, three, members=2)
    with pytest.raises(ArchiveRefused, match="the limit is 0 MB"):
        opened(tmp_path, three, unpacked=len(PNG))
    with pytest.raises(ArchiveRefused, match=r"holds more files \(3\)"):
        opened(tmp_path, three, directory=60)


def test_a_member_that_lies_or_is_damaged_is_refused_alone(tmp_path: Path) -> None:
    with opened(tmp_path, lying()) as archive, pytest.raises(ImageRefused, match="damaged"):
        archive.read(archive.members[0])
    data = bytearray(packed({"a.png": PNG, "b.png": PNG}))
    data[60] ^= 0xFF
    with opened(tmp_path, bytes(data)) as archive:
        with pytest.raises(ImageRefused, match="damaged"):
            archive.read(archive.members[0])
        assert archive.read(archive.members[1]) == PNG


def members(tmp_path: Path, data: bytes) -> dict[str, str | None]:
    with opened(tmp_path, data) as archive:
        return {member.name: member.class_name for member in archive.members}


def test_folders_are_classes_and_system_files_are_passed_over(tmp_path: Path) -> None:
    names = [
        "export/(e/a.png",
        "export/%2A/b.png",
        "__MACOSX/export/(e/._a.png",
        "export/.git/x.png",
        "export/(e/Thumbs.db",
    ]
    assert members(tmp_path, packed(dict.fromkeys(names, PNG))) == {"export/(e/a.png": "(e", "export/%2A/b.png": "*"}


def test_names_that_come_twice_are_all_read(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = packed([("pont/a.png", b"1"), ("pont/a.png", b"2"), ("Pont/A.png", b"3")])
    with opened(tmp_path, data) as archive:
        assert [archive.read(member) for member in archive.members] == [b"1", b"2", b"3"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp437", "cp1252"])
def test_names_without_a_stated_encoding(tmp_path: Path, encoding: str) -> None:
    data = packed({"XXXXXXX/a.png": PNG}) if encoding == "utf-8" else packed({"XXXXXX/a.png": PNG})
    raw = "étoile".encode(encoding)
    assert members(tmp_path, data.replace(b"X" * len(raw), raw)) == {"étoile/a.png": "étoile"}


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["a.png", "b.png"], [None, None]),
        (["pont/a.png"], ["pont"]),
        (["pont/a.png", "arc/b.png"], ["pont", "arc"]),
        (["out/pont/a.png", "out/arc/b.png"], ["pont", "arc"]),
        (["out/pont/a.png"], ["pont"]),
        (["data/raw_gravures/pont/a.png", "data/raw_gravures/arc/b.png"], ["pont", "arc"]),
        (["split/train/pont/a.png", "split/val/pont/b.png", "split/test/arc/c.png"], ["pont", "pont", "arc"]),
        (["Greek/alpha/a.png", "Angelic/alpha/b.png"], ["Greek - alpha", "Angelic - alpha"]),
        (["out/pont/a.png", "out/arc/b.png", "out/c.png"], ["pont", "arc", None]),
        (["pont/a.png", "b.png"], ["pont", None]),
        (["pont/a.png", "pont/b.png"], ["pont", "pont"]),
        (["train/a.png", "test/b.png"], ["train", "test"]),
        ([], []),
    ],
)
def test_classes_from_folders(names: list[str], classes: list[str | None]) -> None:
    assert classes_of(names) == classes


def test_a_csv_of_labels_comes_before_the_folders(tmp_path: Path) -> None:
    table = "file_name,label\na.png,'---e\nsub/b.png,étoile\nmissing.png,x\n,y\nc.png,\n"
    content = {"a.png": PNG, "sub/b.png": PNG, "c.png": PNG, "labels.csv": table.encode()}
    assert members(tmp_path, packed(content)) == {"a.png": "---e", "sub/b.png": "étoile", "c.png": None}
    content = {"out/images/a.png": PNG, "out/labels.csv": b"label;file_name\r\npont;a.png\r\n"}
    assert members(tmp_path, packed(content)) == {"out/images/a.png": "pont"}


def test_a_csv_that_is_none_is_left_to_the_importer(tmp_path: Path) -> None:
    broken = b"file_name,label\n" + b'"' + b"x" * 200_000
    assert members(tmp_path, packed({"a.png": PNG, "labels.csv": broken})) == {"a.png": None, "labels.csv": None}


def test_a_csv_that_fits_no_member_is_said(tmp_path: Path) -> None:
    with opened(tmp_path, packed({"a.png": PNG, "labels.csv": b"file_name,label\nx.png,x\n"})) as archive:
        assert [member.class_name for member in archive.members] == [None]
        assert [str(remark.reason) for remark in archive.remarks] == [
            "labels.csv: rows that name no file here: 1 of 1 (x.png)."
        ]


def test_a_copy_of_a_workspace_gives_its_originals_and_says_what_it_leaves_out():
    names = [
        "copy/data/raw_gravures/(e/a.png",
        "copy/data/raw_gravures/e)/b.png",
        "copy/data/augmented_gravures/(e/a_1.png",
        "copy/data/augmented_gravures/manifest.jsonl",
        "copy/data/unlabelled/c.png",
        "copy/data/trash/e)/d.png",
    ]
    kept, left = workspace_parts(names)
    assert [names[at] for at in kept] == [names[0], names[1], names[4]]
    assert classes_of([names[at] for at in kept]) == ["(e", "e)", None]
    assert [(o.name, o.outcome) for o in left] == [
        ("copy/data/augmented_gravures", "refused"), ("copy/data/trash", "refused"),
    ]  # fmt: skip
    assert "(2)" in str(left[0].reason) and "(1)" in str(left[1].reason)


@pytest.mark.parametrize(
    "names", [["raw_gravures/(e/a.png", "raw_gravures/b/b.png"], ["a/1.png", "b/2.png"], ["1.png"]]
)
def test_what_is_no_copy_of_a_workspace_is_taken_whole(names):
    assert workspace_parts(names) == (list(range(len(names))), [])


def test_a_folder_may_be_called_as_a_drive_begins(tmp_path: Path) -> None:
    """``a:b`` is a mark like another; nothing is unpacked under its name. A path with a drive stays refused."""
    path = tmp_path / "x.zip"
    path.write_bytes(packed({"a:b/1.png": PNG, "d - e/3.png": PNG}))
    with Archive(path) as archive:
        assert [member.class_name for member in archive.members] == ["a:b", "d - e"]
    for name in ("C:/x.png", "C:\\x.png", "C:x.png", "c:/a/b.png"):
        path.write_bytes(packed({name: PNG}))
        with pytest.raises(ArchiveRefused, match="leads outside"):
            Archive(path)
