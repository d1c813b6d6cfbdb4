"""Train: choose what is learnt from what, see what that means, start it, watch it learn, promote it."""

import streamlit as st

from core.ground import extras
from pages.ui import services
from pages.ui.i18n import _
from pages.ui.links import linked_switch
from pages.ui.state import end_page
from pages.ui.training import actions, form, plan, queue_view, run_view

st.title(_("Train"))
if not any(record.originals for record in services.dataset().classes()):
    plan.nothing_yet()
    end_page()

shown, line = actions.shown(), actions.queue().line()
views = {"new": ":material/tune: " + _("New run")}
if shown:
    views["run"] = ":material/show_chart: " + _("Run and curves")
default = next(reversed(views))
if line.entries or line.held or st.query_params.get("view") == "queue":
    views["queue"] = ":material/playlist_play: " + _("Queue")
view = linked_switch(_("View"), views, param="view", key="train.view", default=default)
if view == "run" and shown:
    run_view.show(shown, key="train.run")
elif view == "queue":
    queue_view.show()
elif not extras.trains_here():
    plan.not_installed()
else:
    left, right = st.columns([3, 2], gap="large")
    with left:
        fields = form.edit()
    with right:
        plan.show(fields)
