"""The answers to many images as one table, a row a mark, and the same as a CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.ground.errors import ImageRefused
from core.intake.cells import neutral
from pages.ui import cached, widgets
from pages.ui.i18n import _, sentence
from pages.ui.search.inputs import Query
from pages.ui.verdict_words import verdict_name

if TYPE_CHECKING:
    from core.recognition.identify import Answer

COLUMNS = (
    "file_name", "label", "verdict", "nearest", "similarity", "second", "second_similarity", "mark", "box", "refused",
)  # fmt: skip
ROW = 56  # px

Answered = tuple[Query, "list[Answer] | ImageRefused"]


def show(answered: Sequence[Answered], names: Mapping[int, str]) -> None:
    """The table, and the button that takes it along."""
    rows = rows_of(answered, names)
    pictures = [picture for query, found in answered for picture in _pictures(query, found)]
    widgets.table(
        {
            _("Image"): pictures,
            _("File"): [row["file_name"] for row in rows],
            _("Answer"): [row["label"] or _either(row) for row in rows],
            _("Verdict"): [verdict_name(row["verdict"]) if row["verdict"] else row["refused"] for row in rows],
            _("Nearest"): [row["nearest"] for row in rows],
            _("Similarity"): [row["similarity"] for row in rows],
            _("Second"): [row["second"] for row in rows],
        },
        column_config={
            _("Image"): st.column_config.ImageColumn(width="small"),
            _("Similarity"): st.column_config.NumberColumn(format="%.2f"),
        },
        hide_index=True,
        placeholder=widgets.NONE,
        row_height=ROW,
        key="identify.table",
        alt=_("The answers, a row a mark"),
    )
    widgets.download(
        _("Download as CSV"), lambda: to_csv(rows), "answers.csv", "text/csv", key="identify.csv",
        help=_("Certain answers are in the column label, so that the same file can label these images in the Library."),
    )  # fmt: skip


def rows_of(answered: Sequence[Answered], names: Mapping[int, str]) -> list[dict[str, Any]]:
    """One row a mark, by `COLUMNS`; of a file that was refused one that says why."""
    rows: list[dict[str, Any]] = []
    for query, found in answered:
        if isinstance(found, ImageRefused):
            rows.append(dict.fromkeys(COLUMNS, "") | {"file_name": query.name, "refused": sentence(found)})
            continue
        for place, answer in enumerate(found, start=1):
            first, second = (*answer.classes[:2], None, None)[:2]
            row = dict.fromkeys(COLUMNS, "") | {"file_name": query.name, "verdict": answer.verdict, "mark": place}
            if first is not None:
                row |= {"nearest": names[first.class_id], "similarity": round(first.similarity, 4)}
                row["label"] = row["nearest"] if answer.verdict == "certain" else ""
            if second is not None:
                row |= {"second": names[second.class_id], "second_similarity": round(second.similarity, 4)}
            rows.append(row | {"box": ",".join(map(str, answer.box)) if answer.box else ""})
    return rows


def to_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """`COLUMNS` as UTF-8 with the mark that spreadsheets want, and no cell that they would calculate."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    table.writerows([neutral(row[name]) for name in COLUMNS] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _either(row: Mapping[str, Any]) -> str:
    if row["verdict"] == "hesitates" and row["second"]:
        return _("{first} or {second}").format(first=row["nearest"], second=row["second"])
    return ""


def _pictures(query: Query, found: list[Answer] | ImageRefused) -> list[str]:
    if isinstance(found, ImageRefused):
        return [""]
    return [cached.cut(query.data, query.token, answer.region, side=96) for answer in found]
