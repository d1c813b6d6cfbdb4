"""CSV files of labels: every row means one file, or is said to mean none."""

from __future__ import annotations

import pytest

from core.intake.labels import Labels, table_rows


def labelled(table: bytes, names: list[str], *, name: str = "labels.csv") -> tuple[list[str | None], list[str]]:
    labels = Labels()
    labels.add(name, table)
    given, remarks = labels.of(names)
    return given, [str(remark.reason) for remark in remarks]


def test_a_whole_path_comes_before_a_file_name() -> None:
    table = b"file_name,label\nA/1.png,a\nB/1.png,b\n2.png,two\n"
    assert labelled(table, ["A/1.png", "B/1.png", "C/2.png"]) == (["a", "b", "two"], [])
    assert labelled(table, ["up/B/1.png", "up/A/1.png", "up/2.png"], name="up/labels.csv") == (["b", "a", "two"], [])


def test_a_file_name_that_is_there_twice_is_not_guessed() -> None:
    remark = "labels.csv: rows that name no file here: {} of {} ({})."
    one = b"file_name,label\n1.png,a\n"
    assert labelled(one, ["A/1.png", "B/1.png"]) == ([None, None], [remark.format(1, 1, "1.png")])
    assert labelled(b"file_name,label\nA/1.png,a\n", ["A/1.png", "B/1.png"]) == (["a", None], [])
    two = b"file_name,label\nA/1.png,a\nB/1.png,b\n"
    assert labelled(two, ["C/1.png"]) == ([None], [remark.format(2, 2, "A/1.png, B/1.png")])


def test_names_without_their_extension() -> None:
    table = b"file_name,label\ni0,stem\nA/1.0,a\n"
    assert labelled(table, ["i0.png", "A/1.0.png"]) == (["stem", "a"], [])


@pytest.mark.parametrize(
    "header", ["filename,class", "Image,Category", "path,name", "File Name;Label", "fichier;classe", "file,label"]
)
def test_usual_names_of_the_columns(header: str) -> None:
    table = f"{header}\na.png{',' if ',' in header else ';'}x\n".encode()
    assert labelled(table, ["a.png"]) == (["x"], [])


def test_as_a_spreadsheet_saves_it() -> None:
    assert labelled("\ufefffile_name;label\r\na.png;\u00e9toile\r\n".encode(), ["a.png"])[0] == ["\u00e9toile"]
    assert labelled("file_name,label\na.png,\u00e9toile\n".encode("cp1252"), ["a.png"])[0] == ["\u00e9toile"]
    assert labelled(b"file_name,label\ne\xcc\x81.png,x\n", ["\u00e9.png"])[0] == ["x"]


def test_what_labels_nothing_is_said_once() -> None:
    given, remarks = labelled(b"file_name,label\n" + b"".join(b"x%d.png,x\n" % n for n in range(9)), ["a.png"])
    assert given == [None]
    assert remarks == ["labels.csv: rows that name no file here: 9 of 9 (x0.png, x1.png, x2.png, \u2026)."]
    for table in (b"x,y\n1,2\n", b"", b"file_name,kind\na.png,photo\n"):
        assert labelled(table, ["a.png"]) == (
            [None],
            ["labels.csv gives no labels: its columns file_name and label were not found."],
        )


def test_the_list_of_classes_of_an_export_is_no_table_of_labels() -> None:
    assert labelled(b"name,aliases,maker\npont,,Zeiss\n", ["a.png"]) == ([None], [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("parted", [",", ";", "\t"])
def test_whatever_a_spreadsheet_writes_is_read(encoding: str, parted: str) -> None:
    text = f"file_name{parted}label\r\né.png{parted}étoile\r\n"
    header, rows = table_rows(text.encode(encoding))
    assert (header, list(rows)) == (["file_name", "label"], [["é.png", "étoile"]])


def test_half_a_letter_is_no_fault() -> None:
    assert list(table_rows("file_name,label\na,b".encode("utf-16")[:-1])[1]) == [["a", "\N{REPLACEMENT CHARACTER}"]]
    assert table_rows(b"")[0] == table_rows(b"\xff\xfe")[0] == []
