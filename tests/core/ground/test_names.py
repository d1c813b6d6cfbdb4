"""Names that break other programs, and the folders and files they get here."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ground.errors import NameRefused
from core.ground.names import (
    basename,
    clean_name,
    file_for,
    folder_for,
    free_name,
    is_junk,
    key,
    name_of,
    printable,
    search_key,
)

PLAIN = ["(e", "[sl", "^", "---e", "{s}", "_x_", "e)_", "étoile", "nan", "None", "1e5", "true", "a b", "50%", "x" * 120]
ODD = {
    "*": "%2A",
    "con": "%63on",
    "a:b": "a%3Ab",
    "a/b": "a%2Fb",
    "\\": "%5C",
    "e.": "e%2E",
    ".e": "%2Ee",
    "50%41": "50%2541",
    "__MACOSX": "%5F_MACOSX",
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_that_every_platform_keeps_is_its_own_folder(name: str) -> None:
    assert clean_name(name) == name == folder_for(name) == name_of(name)


@pytest.mark.parametrize(("name", "folder"), ODD.items())
def test_other_names_are_percent_encoded_and_read_back(name: str, folder: str) -> None:
    assert folder_for(clean_name(name)) == folder
    assert name_of(folder) == name


def test_a_folder_made_by_hand_is_its_own_name() -> None:
    assert name_of("50%41") == "50%41"  # we would have written 50A
    assert name_of("e\u0301toile") == "étoile"
    assert name_of("%2e%2e") == "%2e%2e"
    assert name_of("a\tb") == "a%09b"


def test_a_name_too_long_for_a_folder_is_cut_and_hashed() -> None:
    names = ["é" * 120, "€" * 119 + "a", "€" * 119 + "b"]
    folders = [folder_for(name) for name in names]
    assert folders[0] == names[0] and len(set(folders)) == 3
    assert all(len(folder.encode()) <= 240 for folder in folders)


@pytest.mark.parametrize(
    "name", ["", "   ", ".", "..", "../b", "a\\..\\x", "a\0b", "a\nb", "\u202egnp", "\u200b", "\ud800", "x" * 121]
)
def test_what_cannot_be_kept_is_refused(name: str) -> None:
    with pytest.raises(NameRefused) as refusal:
        clean_name(name)
    str(refusal.value).encode()  # the sentence itself can be shown


def test_two_spellings_are_one_name() -> None:
    assert key("ÉTOILE") == key("e\u0301toile") == key("étoile")
    assert search_key("Étoile") == "etoile"


@given(st.text(min_size=1))
def test_every_name_that_is_kept_has_a_safe_folder(name: str) -> None:
    try:
        name = clean_name(name)
    except NameRefused:
        return
    folder = folder_for(name)
    assert not set(folder) & set('<>:"/\\|?*') and not folder.startswith(".") and not folder.endswith((".", " "))
    assert not is_junk(folder) and len(folder.encode()) <= 240
    assert folder == unicodedata.normalize("NFC", folder)
    if "~" not in folder:
        assert name_of(folder) == name


@pytest.mark.parametrize(
    ("upload", "file"),
    [
        ("../../etc/passwd.png", "passwd_0123456789.png"),
        ("C:\\scans\\e 1.PNG", "e_1_0123456789.png"),
        ("étoile.jpg", "étoile_0123456789.png"),
        ("a.php\0.png", "a_php_0123456789.png"),
        (".png", "png_0123456789.png"),
        ("***.png", "image_0123456789.png"),
        ("mark_0123456789.png", "mark_0123456789.png"),
        ("x" * 300, "x" * 60 + "_0123456789.png"),
    ],
)
def test_a_file_gets_our_own_name(upload: str, file: str) -> None:
    assert file_for(upload, "0123456789" * 6 + "abcd", ".png") == file


def test_small_things() -> None:
    assert basename("a/b\\c.png") == "c.png"
    assert free_name("a.png", {key("A.png"), key("a_2.png")}) == "a_3.png"
    assert [name for name in (".DS_Store", "Thumbs.db", "__MACOSX", "e.png") if not is_junk(name)] == ["e.png"]


def test_a_broken_name_can_be_stored() -> None:
    assert printable("a\udce9\0b.png") == "a\\udce9\\0b.png" and printable("étoile") == "étoile"
