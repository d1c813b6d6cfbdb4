"""What can be done with a run that has ended: promote, evaluate, go on, export, take its settings, note, delete."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path

import streamlit as st

from core.embedding.weights import sha256_of
from core.ground.job import Job
from core.training.run import Run
from core.training.runs import LONGEST_NAME
from core.training.transfer import file_stem
from pages.ui import fields, services, widgets
from pages.ui.i18n import _, number, sentence
from pages.ui.text import esc
from pages.ui.training import actions, draft


def show(run: Run, promotion: Job | None, *, key: str) -> None:
    """The row of buttons, the most likely first; while its ``promotion`` gets everything ready, how far that is."""
    if promotion is not None and promotion.active:
        _promoting(promotion)
        return
    if promotion is not None and promotion.state == "failed" and promotion.error:
        st.error(esc(sentence(promotion.error)), icon=":material/error:")
    free = not services.jobs().active(actions.KIND)
    may = actions.allowed()
    has_weights = run.best_path.is_file()
    used = actions.in_use()
    in_use = used is not None and used.run_id == run.id
    compared = actions.beside(run) if has_weights and may and not in_use else None
    below = compared is not None and compared.far_below
    if below and compared is not None:
        st.warning(esc(sentence(compared.said())), icon=":material/trending_down:")
    meant = below and st.checkbox(_("Promote it all the same"), key=f"{key}.meant")
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}.actions"):
        if run.resumable:
            st.button(
                _("Resume"), type="secondary" if has_weights else "primary", icon=":material/play_arrow:",
                key=f"{key}.resume", disabled=not (free and may), on_click=actions.resume, args=(run,),
                help=_("Goes on from the last whole epoch, as if it had never stopped."),
            )  # fmt: skip
        if has_weights:
            st.button(
                _("In use") if in_use else _("Promote"), type="primary", icon=":material/verified:",
                key=f"{key}.promote", disabled=in_use or not may or (below and not meant), on_click=actions.promote,
                args=(run,), kwargs={"meant": bool(meant)},
                help=_("Makes it the model that Identify uses. What was in use can be brought back."),
            )  # fmt: skip
            st.page_link(
                "pages/model/evaluate.py", label=_("Evaluate"), icon=":material/query_stats:",
                query_params={"run": run.id},
            )  # fmt: skip
            _export(run, key)
        if not run.brought_in and st.button(
            _("Use these settings"), icon=":material/tune:", key=f"{key}.take",
            help=_("Puts them into the form for a new run."), disabled=not run.record.settings,
        ):  # fmt: skip
            draft.take(run.settings)
            st.switch_page("pages/model/train.py", query_params={"view": "new"})
        _more(run, key, may=may, in_use=in_use)


def _promoting(promotion: Job) -> None:
    share = min(promotion.done / promotion.total, 1.0) if promotion.total else 0.0
    text = _("Checking the weights and building the encoder of it…")
    if promotion.note == "embedding":
        count = f"{number(promotion.done)} / {number(promotion.total)}"
        text = _("Getting the references ready for it: {count}. Identify goes on with the model before.").format(
            count=count
        )
    with st.container(border=True):
        st.progress(share, text)


def _export(run: Run, key: str) -> None:
    with st.popover(_("Export"), icon=":material/download:", key=f"{key}.export"):
        st.caption(_("The best weights, with what they need to be used elsewhere."))
        for suffix, title in (
            ("safetensors", _("Weights with their card (.safetensors)")),
            ("onnx", _("ONNX, checked against PyTorch (.onnx)")),
            ("pt", _("Plain state dict (.pt)")),
            ("metrics.jsonl", _("Metrics, a line a step (.jsonl)")),
            ("run.json", _("Settings, split and audit (.json)")),
        ):
            widgets.download(
                title, partial(content, run, suffix), file_name=f"{stem(run)}.{suffix}",
                mime="application/octet-stream", key=f"{key}.export.{suffix}", type="tertiary",
            )  # fmt: skip


def stem(run: Run) -> str:
    """What the names of a run's files begin with. Large files of one name and length are told apart by it alone."""
    return f"{file_stem(run)}-{_digest(str(run.best_path), run.best_path.stat().st_mtime_ns)[:8]}"


@st.cache_data(show_spinner=False, max_entries=64)
def _digest(path: str, stamp: int) -> str:
    return sha256_of(Path(path))


def content(run: Run, suffix: str) -> bytes:
    """The file to download, made when it is asked for."""
    if suffix == "safetensors":
        return run.best_path.read_bytes()
    if suffix == "metrics.jsonl":
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in run.metrics()).encode()
    if suffix == "run.json":
        return json.dumps(run.record.to_json(), ensure_ascii=False, indent=1).encode()
    from core.training.transfer import EXPORTS

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{suffix}"
        EXPORTS[suffix](run, path)
        return path.read_bytes()


def _more(run: Run, key: str, *, may: bool, in_use: bool) -> None:
    with st.popover(_("More"), icon=":material/more_horiz:", key=f"{key}.more"):
        name, note = f"{key}.name.{run.id}", f"{key}.note.{run.id}"
        st.text_input(
            _("Name"), max_chars=LONGEST_NAME, key=fields.fill(name, run.record.name), on_change=actions.rename, args=(run, name),
            disabled=not may,
        )  # fmt: skip
        st.text_area(
            _("Note"), key=fields.fill(note, run.record.note), on_change=actions.note, args=(run, note), disabled=not may,
            placeholder=_("What this run was for, what it showed"),
        )  # fmt: skip
        st.button(
            _("Move to the trash"), icon=":material/delete:", key=f"{key}.delete", on_click=actions.delete,
            args=(run,), disabled=not may or in_use or run.state == "running",
            help=_("Identify uses this run: promote another one, or go back to the one before, first.") if in_use else None,
        )  # fmt: skip
