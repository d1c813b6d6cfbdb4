"""Runs: every training that was done, what Identify uses now, comparison, notes, the trash, a checkpoint brought in."""

import streamlit as st

from pages.ui.i18n import _
from pages.ui.search import model_line
from pages.ui.training import run_view, runs_compare, runs_list, training

wanted = st.query_params.get("run", "")
found = training.found()
if wanted and any(run.id == wanted for run in found):
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            _("All runs"), icon=":material/arrow_back:", key="runs.back", type="tertiary", on_click=runs_list.back
        )
    run_view.show(wanted, key="runs.run")
    st.stop()

with st.container(horizontal=True, vertical_alignment="center"):
    st.title(_("Runs"), width="stretch")
    runs_list.bring_in()
model_line.in_use()
if not found:
    runs_list.nothing_yet()
else:
    picked = runs_list.picked(found)
    if len(picked) > 1:
        runs_compare.show(picked)
    runs_list.show(found, picked)
runs_list.trash()
