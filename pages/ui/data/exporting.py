"""Taking the collection out: which images, in which form, as a job with its progress; then the file."""

from __future__ import annotations

import streamlit as st

from core.evaluation.export_files import exported
from core.ground.job import Job
from pages.ui import people, services
from pages.ui.data import review
from pages.ui.data.delivery import address
from pages.ui.i18n import _, decimals, ngettext, number
from pages.ui.job_panel import job_panel, last_of
from pages.ui.refusals import attempt
from pages.ui.text import esc

KIND = "export"


def take_out() -> None:
    """The form, and the export under way or the last one."""
    form, progress = st.columns([1, 1], gap="large")
    with form:
        _form()
    with progress:
        last = last_of(KIND)
        if last is not None:
            job_panel(last, title=_("Export"), key="library.export", ended=_file)
        else:
            _advice()


def _form() -> None:
    forms = {"zip": _("Images (zip)"), "csv": _("Table (CSV)"), "parquet": _("Vectors (Parquet)")}
    about = {
        "zip": _("One folder a class, with the labels and the fields of the classes as CSV. It can be imported again."),
        "csv": _("One row an image: file name, label, kind, size, content hash, source. It opens in any spreadsheet."),
        "parquet": _("The same for every labelled image, with its vector, and x and y as on the map."),
    }
    with st.container(border=True):
        form = st.segmented_control(
            _("What to take out"), list(forms), default="zip", required=True, format_func=forms.__getitem__,
            key="library.export_form",
        )  # fmt: skip
        st.caption(about[form or "zip"])
        records = {record.name: record for record in services.dataset().classes()}
        chosen = st.multiselect(
            _("Classes"), list(records), key="library.export_classes", placeholder=_("All, and what has no class yet")
        )
        total = sum(records[name].originals for name in chosen) if chosen else services.dataset().counts().originals
        space = review.space() if form == "parquet" else None
        if form == "parquet" and space is None:
            st.caption(_("The vectors are not ready yet."))
        label = ngettext("Export {n} image", "Export {n} images", total).format(n=number(total))
        names = form == "zip" and st.toggle(
            _("Keep the names that the files came with"), key="library.export_names",
            help=_("Else they have the names that they have here, which end in part of their content’s hash."),
        )  # fmt: skip
        st.button(
            label, type="primary", icon=":material/download:", key="library.export_now", on_click=_start,
            args=(form or "zip", [records[name].id for name in chosen], space, names),
            **people.bar(
                disabled=not total or bool(services.jobs().active(KIND)) or (form == "parquet" and space is None)
            ),
        )  # fmt: skip


def _start(form: str, class_ids: list[int], space: str | None, original_names: bool) -> None:
    params = {"form": form, "class_ids": class_ids or None, "space": space, "original_names": original_names}
    with attempt():
        services.jobs().start(KIND, "core.evaluation.export_files:run_export", params, key=KIND)


def _file(job: Job) -> None:
    """The finished file, and what is not in it."""
    if job.result:
        count = job.result["images"]
        finished(job, ngettext("{n} image", "{n} images", count).format(n=number(count)), key="library.download")


def finished(job: Job, counted: str, *, key: str, to_fetch: bool = True) -> None:
    """The file that an export or a backup made: how much is in it (``counted``), what was gone, and, where it is still
    there and ``to_fetch``, the button that fetches it."""
    result = job.result or {}
    st.markdown(
        f":green-badge[:material/check_circle: {counted}] :gray[{esc(result['name'])} · {file_size(result['size'])}]"
    )
    if result["missing"]:
        text = ngettext(
            "{n} file was gone from its folder.", "{n} files were gone from their folders.", len(result["missing"])
        )
        st.warning(text.format(n=number(len(result["missing"]))), icon=":material/hide_image:")
    if exported(services.workspace(), result["token"], result["name"]) is None:
        st.caption(_("Later exports have taken its place."))
    elif to_fetch:
        st.link_button(
            _("Download"), address(result["token"], result["name"]), type="primary", icon=":material/download:",
            key=key,
        )  # fmt: skip


def file_size(count: int) -> str:
    """1.2 GB, 3.4 MB, 5 kB."""
    for unit, bytes_ in ((_("{n} GB"), 1e9), (_("{n} MB"), 1e6)):
        if count >= bytes_:
            return unit.format(n=decimals(count / bytes_, 1))
    return _("{n} kB").format(n=number(max(1, round(count / 1e3))))


def _advice() -> None:
    with st.container(border=True):
        st.subheader(_("What goes out comes back"), anchor=False)
        st.markdown(
            _(
                "- The zip brings everything back: classes with their fields and aliases, empty ones too, kinds, tags and "
                "the places of the marks.\n"
                "- Cells that a spreadsheet would take for a formula are made harmless, and restored at import.\n"
                "- You may leave the page: the export goes on, and the last three are kept."
            )
        )
