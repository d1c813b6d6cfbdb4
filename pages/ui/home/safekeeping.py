"""The backup on the Settings page: the whole workspace as one file, and a file brought back beside what is there."""

from __future__ import annotations

import secrets
from functools import partial

import streamlit as st
from streamlit.typing import UploadedFile

from core.collection.restored import RESTORING, discard, restored, whole
from core.ground.job import Job
from core.ground.workspace import write_atomic
from pages.ui import changes, people, services, widgets
from pages.ui.data.exporting import finished
from pages.ui.i18n import _, ngettext, number
from pages.ui.job_panel import job_panel, last_of
from pages.ui.refusals import attempt
from pages.ui.state import workbench
from pages.ui.text import esc

BACKUP, RESTORE = "backup", "restore"
COMMAND = "python -m core --workspace FOLDER settings restore FILE.zip"
UPLOADER = "settings.restored"


def backup() -> None:
    """The whole workspace as one file, made while people work."""
    with st.container(border=True):
        st.subheader(_("Backup"), anchor=False)
        st.caption(
            _("Images, labels, history, runs and settings in one file, as they are at this moment; nobody has to stop.")
        )
        widgets.act(
            _("Make a backup"), _start, key="settings.backup", icon=":material/archive:",
            **people.bar("researcher", disabled=bool(services.jobs().active(BACKUP))),
        )  # fmt: skip
    last = last_of(BACKUP)
    if last is not None:
        job_panel(last, title=_("Backup"), key="settings.backup_job", ended=_made)


def restore() -> None:
    """Bring a backup back into a folder of its own, which Burin is then started on."""
    with st.container(border=True):
        st.subheader(_("Bring a backup back"), anchor=False)
        st.caption(
            _(
                "It is unpacked into a new folder within this workspace, and nothing that is here changes. Start Burin on "
                "that folder to work in it. A file that is too large to send is restored in a shell:"
            )
        )
        st.code(COMMAND, language=None, wrap_lines=True)
        file = st.file_uploader(
            _("The backup (.zip)"),
            type="zip",
            key=workbench().round_of(UPLOADER),
            disabled=not people.may("researcher"),
        )
        st.button(
            _("Restore it"), icon=":material/unarchive:", key="settings.restore", on_click=_restore, args=(file,),
            **people.bar("researcher", disabled=file is None or bool(services.jobs().active(RESTORE))),
        )  # fmt: skip
    last = last_of(RESTORE)
    if last is not None:
        job_panel(last, title=_("Bring a backup back"), key="settings.restore_job", ended=_back)
    for folder in restored(services.workspace()):
        with st.container(border=True, key=f"settings.restored.{folder.name}"):
            st.markdown(f":material/folder: **{esc(folder.name)}**")
            if whole(folder):
                st.code(f'BURIN_WORKSPACE="{folder}" make run', language=None, wrap_lines=True)
            else:
                st.caption(_("What is in it is not whole: the backup is still being unpacked, or that was cut off."))
            widgets.act(
                _("Delete this folder"), partial(_discard, folder.name), icon=":material/delete:",
                key=f"settings.discard.{folder.name}", type="tertiary",
                **people.bar("researcher", disabled=bool(services.jobs().active(RESTORE))),
            )  # fmt: skip


def _start() -> None:
    services.dataset().allow("researcher")
    services.jobs().start(BACKUP, "core.evaluation.export_files:run_backup", {}, key=BACKUP)


def _restore(file: UploadedFile | None) -> None:
    if file is None:
        return
    with attempt():
        workspace = services.workspace()
        services.dataset().allow("job restore")
        name = f"{secrets.token_hex(8)}.zip"
        write_atomic(workspace.cache / RESTORING / name, file.getvalue())
        services.jobs().start(RESTORE, "core.collection.restored:run_restore", {"file": name}, key=RESTORE, alone=True)
        workbench().empty(UPLOADER)


def _discard(name: str) -> None:
    changes.make(lambda: discard(services.workspace(), name), _("The restored folder is deleted."), ":material/delete:")


def _made(job: Job) -> None:
    if job.result:
        count = job.result["files"]
        counted = ngettext("{n} file", "{n} files", count).format(n=number(count))
        finished(job, counted, key="settings.download", to_fetch=people.may("researcher"))


def _back(job: Job) -> None:
    if job.result:
        count = job.result["files"]
        text = ngettext("{n} file is in {folder}.", "{n} files are in {folder}.", count)
        st.markdown(text.format(n=number(count), folder=f"**{esc(job.result['folder'])}**"))
