"""Adding images: files, a zip or a folder, as a job that survives a reload; one outcome for each file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import streamlit as st
from streamlit.typing import UploadedFile

from core.catalogue.records import FileOutcome, Item
from core.collection.copies import Rule, Taken, one_of_each
from core.ground.config import KINDS
from core.ground.images import SUFFIXES
from core.ground.job import Job
from core.intake.work import receive
from pages.ui import people, services, widgets
from pages.ui.components.gallery import webp_url
from pages.ui.i18n import _, ngettext, number, sentence
from pages.ui.job_panel import job_panel, last_of
from pages.ui.refusals import attempt
from pages.ui.state import workbench
from pages.ui.text import esc
from pages.ui.tiles import source

IMAGES = [suffix[1:] for suffix in SUFFIXES]
PICTURE = 72  # px: height of a near copy's row
ICONS = {
    "added": ":material/check_circle:",
    "present": ":material/content_copy:",
    "held": ":material/compare:",
    "refused": ":material/error:",
    "read": ":material/table:",
}


def add_images() -> None:
    """The form, the import under way or the last one, and the folders on disk."""
    form, progress = st.columns([1, 1], gap="large")
    with form:
        _form()
        _folders_on_disk()
    with progress:
        last = last_of("import")
        if last is not None:
            job_panel(last, title=_("Import"), key="library.import", ended=_outcomes)
        else:
            _advice()


def _form() -> None:
    bench = workbench()
    with st.container(border=True):
        ways = {"files": _("Files or a zip"), "folder": _("A folder")}
        way = st.segmented_control(
            _("What do you have?"),
            list(ways),
            default="files",
            required=True,
            format_func=ways.__getitem__,
            key="library.way",
        )
        files = st.file_uploader(
            _("Drop the images, or a zip of class folders")
            if way == "files"
            else _("Choose a folder: each sub-folder is a class"),
            type=[*IMAGES, "zip", "csv"],
            accept_multiple_files=True if way == "files" else "directory",
            key=bench.round_of(f"library.{way}"),
        )
        class_name = widgets.choose_class(
            _("Class of these images"),
            services.dataset().classes(),
            key=bench.round_of("library.class"),
            placeholder=_("As their folders say, else none yet"),
            new=True,
        )
        kinds = {"": _("Guess"), **{kind: widgets.kind_name(kind) for kind in KINDS}}
        kind = st.segmented_control(
            _("Kind"), list(kinds), default="", required=True, format_func=kinds.__getitem__, key="library.kind"
        )
        label = (
            ngettext("Import {n} file", "Import {n} files", len(files)).format(n=number(len(files)))
            if files
            else _("Import")
        )
        with st.container(horizontal=True):
            st.button(
                label, type="primary", icon=":material/upload:", key="library.import_now", on_click=_start,
                args=(files, class_name, kind or None, f"library.{way}"), **people.bar(disabled=not files),
            )  # fmt: skip
            st.button(
                _("Look first"), icon=":material/search:", key="library.look", on_click=_start,
                args=(files, class_name, kind or None, f"library.{way}"), kwargs={"preview": True},
                **people.bar(disabled=not files, help=_("Says what would become of each file, and takes nothing in.")),
            )  # fmt: skip


def _start(
    files: Sequence[UploadedFile], class_name: str | None, kind: str | None, uploader: str, *, preview: bool = False
) -> None:
    """Put the uploads on disk and start the job; the same uploads start it once, however often one clicks."""
    if not people.may("curator"):
        return
    received = receive(services.workspace(), ((file.name, file) for file in files))
    if class_name:
        received = [{**file, "class_name": class_name} for file in received]
    key = "import " + hashlib.sha256(" ".join(file.file_id for file in files).encode()).hexdigest()[:16]
    params: dict[str, Any] = {"files": received, "kind": kind, "preview": preview, "admit": [], "replace": {}}
    services.jobs().start("import", "core.intake.work:run_import", params, key=key)
    workbench().empty(uploader)
    workbench().empty("library.class")


def _outcomes(job: Job) -> None:
    """How each file ended: the counts, then the list, refusals first."""
    outcomes = [FileOutcome.from_json(record) for record in job.outcomes()]
    count: Counter[str] = Counter(outcome.outcome for outcome in outcomes)
    looked = bool(job.result.get("preview"))
    names = {
        "added": ngettext("{n} added", "{n} added", count["added"])
        if not looked
        else ngettext("{n} new", "{n} new", count["added"]),
        "present": ngettext("{n} already there", "{n} already there", count["present"]),
        "held": ngettext("{n} held back", "{n} held back", count["held"]),
        "refused": ngettext("{n} refused", "{n} refused", count["refused"]),
        "read": ngettext("{n} table read", "{n} tables read", count["read"]),
    }
    colours = {"added": "green", "present": "gray", "held": "orange", "refused": "red", "read": "blue"}
    badges = [
        f":{colours[name]}-badge[{ICONS[name]} {text.format(n=number(count[name]))}]"
        for name, text in names.items()
        if count[name]
    ]
    ended_early = job.state in ("stopped", "interrupted", "failed")
    if badges or not ended_early:
        st.markdown(" ".join(badges) or _("No image was found in what was given."))
    if ended_early:
        st.button(
            _("Go on"), icon=":material/play_arrow:", key="library.resume", on_click=_go_on, args=(job.id,),
            **people.bar(help=_("What is there already is not taken in again.")),
        )  # fmt: skip
    if not outcomes:
        return
    held = [outcome for outcome in outcomes if outcome.outcome == "held"]
    taken = _alike(held, key=f"library.alike.{job.id}")
    if looked or count["held"]:
        st.button(
            _("Take the new ones in") if looked else _("Take in what is not left out"),
            type="primary", icon=":material/upload:", key="library.go_on", on_click=_go_on,
            args=(job.id,), kwargs={"preview": False, "admit": list(taken.admit), "replace": dict(taken.replace or {})},
            **people.bar(disabled=not (taken.admit or (looked and count["added"]))),
        )  # fmt: skip
    for outcome in [outcome for outcome in outcomes if outcome.outcome == "refused"][:5]:
        _say_refusal(outcome)
    order = ("refused", "held", "read", "present", "added")
    rows = sorted(outcomes, key=lambda outcome: order.index(outcome.outcome))
    with st.expander(_("Every file"), icon=":material/list:"):
        widgets.table(
            {
                _("File"): [outcome.name for outcome in rows],
                _("Class"): [outcome.class_name or "" for outcome in rows],
                _("Outcome"): [_outcome_name(outcome) for outcome in rows],
                _("Why"): [sentence(outcome.reason) if outcome.reason else "" for outcome in rows],
            },
            hide_index=True,
            alt=_("Every file"),
        )


def _go_on(job_id: str, **changes: object) -> None:
    """The same files once more: for good after a look, or from where it was stopped."""
    with attempt():
        services.jobs().again(job_id, **changes)


def _alike(outcomes: list[FileOutcome], *, key: str) -> Taken:
    """New files that look almost like an image that is there, beside that image: what becomes of them all, and of each."""
    if not outcomes:
        return Taken()
    text = ngettext(
        "{n} new file looks almost like an image that is there", "{n} new files look almost like images that are there",
        len(outcomes),
    )  # fmt: skip
    st.markdown(f"{ICONS['held']} **{text.format(n=number(len(outcomes)))}**")
    there = {item.id: item for item in services.dataset().some(outcome.near or 0 for outcome in outcomes)}
    outcomes = sorted(outcomes, key=lambda outcome: outcome.near or 0)  # those of one image side by side
    rules = {
        "leave": _("Leave all out"),
        "take": _("Take all in"),
        "larger": _("Keep the larger"),
        "labelled": _("Keep the labelled"),
    }
    rule = st.segmented_control(
        _("For all of them"), list(rules), default="leave", required=True, format_func=rules.__getitem__,
        key=f"{key}.rule", wrap=True,
        help=_("Of each image that is there and what looks like it one stays, with its label; the others go to the trash "
               "or are left out. Importing is one change, and one undo takes it back."),
    )  # fmt: skip
    proposed = {"leave": Taken(), "take": Taken(tuple(outcome.sha256 for outcome in outcomes))}
    first = proposed.get(rule or "leave") or one_of_each(outcomes, there, cast(Rule, rule))
    fates = {"leave": _("leave out"), "take": _("take in"), "replace": _("in its place")}
    items = [there.get(outcome.near or 0) for outcome in outcomes]
    edited: dict[str, Any] = st.data_editor(
        {
            _("What becomes of it"): [fates[_fate(outcome, first)] for outcome in outcomes],
            _("New file"): [webp_url(outcome.picture) for outcome in outcomes],
            _("There"): [source(item) if item is not None else "" for item in items],
            _("Class"): [(item.class_name or _("Without a class")) if item is not None else "?" for item in items],
            _("Larger"): [_larger(outcome, item) for outcome, item in zip(outcomes, items, strict=True)],
            _("File"): [outcome.name for outcome in outcomes],
        },
        column_config={
            _("What becomes of it"): st.column_config.SelectboxColumn(
                width=130, options=list(fates.values()), required=True,
                help=_("In its place: the new file comes in, and the image that is there goes to the trash."),
            ),
            _("New file"): st.column_config.ImageColumn(width="small"),
            _("There"): st.column_config.ImageColumn(width="small"),
        },
        disabled=[_("New file"), _("There"), _("Class"), _("Larger"), _("File")],
        hide_index=True,
        row_height=PICTURE,
        key=f"{key}.{rule}.{workbench().language}",
        alt=text.format(n=number(len(outcomes))),
    )  # fmt: skip
    said = list(zip(outcomes, edited[_("What becomes of it")], strict=True))
    admit = tuple(outcome.sha256 for outcome, fate in said if fate != fates["leave"])
    return Taken(admit, {outcome.sha256: outcome.near or 0 for outcome, fate in said if fate == fates["replace"]})


def _fate(outcome: FileOutcome, taken: Taken) -> str:
    if outcome.sha256 in (taken.replace or {}):
        return "replace"
    return "take" if outcome.sha256 in taken.admit else "leave"


def _larger(outcome: FileOutcome, item: Item | None) -> str:
    """Which of the two has more pixels."""
    there = item.width * item.height if item is not None else 0
    if outcome.pixels == there:
        return _("alike")
    return _("new") if outcome.pixels > there else _("there")


def _say_refusal(outcome: FileOutcome, *, named: bool = False) -> None:
    """One refused file; ``named`` puts its name before a sentence that does not hold it."""
    why = esc(sentence(outcome.reason)) if outcome.reason else ""
    name = esc(outcome.name)
    st.markdown(f":red[{ICONS['refused']}] " + (f"{name}: {why}" if named or not why else why))


def _outcome_name(outcome: FileOutcome) -> str:
    names = {
        "added": _("added"),
        "present": _("already there"),
        "held": _("held back"),
        "refused": _("refused"),
        "read": _("read"),
    }
    return names[outcome.outcome]


def _folders_on_disk() -> None:
    with st.expander(_("Files put straight into the folders"), icon=":material/folder_open:"):
        st.markdown(
            _("What you copy into `data/raw_gravures/<class>/` is found when Burin starts, or now:"),
        )
        if st.button(_("Read the folders again"), icon=":material/refresh:", key="library.rescan", **people.bar()):
            bar = st.progress(0.0, _("Reading the folders…"))

            def progress(done: int, total: int) -> None:
                bar.progress(done / max(total, 1), _("Reading the folders…"))

            report = services.dataset().rescan(on_progress=progress)
            bar.empty()
            st.success(
                _("{added} added, {removed} gone, {moved} moved, {refused} refused.").format(
                    added=number(report.added),
                    removed=number(report.removed),
                    moved=number(report.moved),
                    refused=number(len(report.refused)),
                )
            )
            for refused in report.refused[:20]:
                _say_refusal(refused, named=True)


def _advice() -> None:
    with st.container(border=True):
        st.subheader(_("How images come in"), anchor=False)
        st.markdown(
            _(
                "- **A folder or a zip** with one sub-folder a class, or with a CSV of `file_name,label`.\n"
                "- **Loose files** with the class chosen here, or none yet.\n"
                "- The same image is never taken in twice, and a broken one never stops the others.\n"
                "- You may leave the page: the import goes on."
            )
        )
