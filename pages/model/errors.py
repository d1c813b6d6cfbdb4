"""Why answers were wrong: doubtful labels, misleading images, what errors have in common; each mended on the spot."""

import streamlit as st

from pages.ui.evaluation import error_causes, evaluating, html_report, tendencies
from pages.ui.i18n import _
from pages.ui.links import linked_switch

st.title(_("Errors"))
chosen, evaluation = evaluating.opened()
views = {
    "errors": ":material/troubleshoot: " + _("Wrong answers"),
    "hubs": ":material/hub: " + _("Misleading"),
    "outliers": ":material/blur_on: " + _("Like no other"),
    "tendencies": ":material/insights: " + _("Tendencies"),
    "report": ":material/forward_to_inbox: " + _("Report"),
}
view = linked_switch(_("View"), views, param="view", key="errors.view", default="errors", wrap=True)
if view == "hubs":
    tendencies.hubs(chosen, evaluation)
elif view == "outliers":
    tendencies.outliers(chosen, evaluation)
elif view == "tendencies":
    tendencies.tendencies(chosen, evaluation)
elif view == "report":
    html_report.show(evaluation)
else:
    error_causes.show(chosen, evaluation)
