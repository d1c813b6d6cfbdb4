"""The files of an evaluation, to take away: for people, for spreadsheets and for programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui import services, widgets
from pages.ui.evaluation import html_report
from pages.ui.i18n import _
from pages.ui.state import workbench

if TYPE_CHECKING:
    from core.evaluation.store import Evaluation


def files() -> list[tuple[str, str, str, str, str]]:
    """Name, type, icon, title and what it is good for."""
    return [
        ("report.html", "text/html", ":material/html:", _("Interactive page"), _("One file with the images in it, for a colleague: works offline, and brings verdicts back.")),
        ("report.txt", "text/plain", ":material/description:", _("Text"), _("All figures, as wide as a terminal.")),
        ("classes.csv", "text/csv", ":material/table:", _("Classes (CSV)"), _("One line a class.")),
        ("predictions.csv", "text/csv", ":material/table_rows:", _("Answers (CSV)"), _("One line an image, with its first five classes.")),
        ("confusion.csv", "text/csv", ":material/grid_on:", _("Confusions (CSV)"), _("Every cell that is not zero.")),
        ("report.json", "application/json", ":material/data_object:", _("Everything (JSON)"), _("For programs.")),
        ("confusion.png", "image/png", ":material/image:", _("Confusion matrix (PNG)"), _("For a slide.")),
        ("curves.png", "image/png", ":material/show_chart:", _("Curves (PNG)"), _("Top-k, rejection, calibration.")),
    ]  # fmt: skip


def show(evaluation: Evaluation) -> None:
    about = evaluation.report.about
    stem = f"{about.run or 'encoder'}-{about.side}-{about.snapshot[:12]}"  # never two files of one name: browsers keep the old one
    with st.grid(4, min_column_width=210, gap="small"):
        for name, kind, icon, title, use in files():
            path = in_language(evaluation.folder / name, workbench().language)
            if not path.is_file():
                continue
            with st.container(border=True, gap="xsmall", height="stretch"):
                st.markdown(f"**{title}**")
                with st.container(height="stretch"):
                    st.caption(use)
                widgets.download(
                    _("Download"),
                    partial(html_report.page, evaluation, services.dataset(), workbench().language)
                    if name == "report.html"
                    else path.read_bytes,
                    file_name=f"{stem}-{name}",
                    mime=kind,
                    icon=icon,
                    key=f"evaluate.file.{name}",
                    width="stretch",
                )


def in_language(path: Path, language: str) -> Path:
    """The chart at ``path`` with its words in ``language``, where there is one; any other file as it is."""
    from core.evaluation.artefacts import chart_file

    other = path.with_name(chart_file(path.stem, language))
    return other if path.suffix == ".png" and other.is_file() else path
