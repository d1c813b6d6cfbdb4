"""Runs: every training that was done, what Identify uses now, comparison, notes, the trash, a checkpoint brought in."""

import streamlit as st

from pages.ui.components import native
from pages.ui.i18n import _
from pages.ui.search import model_line
from pages.ui.state import end_page
from pages.ui.training import actions, run_comparison, run_list, run_view

wanted = st.query_params.get("run", "")
found = actions.found()
if wanted and any(run.id == wanted for run in found):
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(_("All runs"), icon=":material/arrow_back:", key="runs.back", type="tertiary", on_click=run_list.back)
    native.from_the_top(wanted)
    run_view.show(wanted, key="runs.run")
    end_page()

with st.container(horizontal=True, vertical_alignment="center"):
    st.title(_("Runs"), width="stretch")
    run_list.bring_in()
model_line.in_use()
if not found:
    run_list.nothing_yet()
else:
    picked = run_list.picked(found)
    if len(picked) > 1:
        run_comparison.show(picked)
    run_list.show(found, picked)
run_list.trash()
