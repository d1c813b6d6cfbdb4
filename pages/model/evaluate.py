"""How good a model is, on images it never learnt from: scores with their doubt, what is confused, class by class."""

import streamlit as st

from pages.ui.evaluation import comparison, confusions, downloads, evaluating, score_curves, scores, unseen
from pages.ui.i18n import _
from pages.ui.links import linked_switch

st.title(_("Evaluate"))
chosen, evaluation = evaluating.opened()
scores.head(evaluation, evaluating.report_of(evaluation))
views = {
    "confusions": ":material/grid_on: " + _("Confusions"),
    "classes": ":material/table: " + _("Classes"),
    "unseen": ":material/visibility_off: " + _("Never trained on"),
    "curves": ":material/show_chart: " + _("Curves"),
    "compare": ":material/compare_arrows: " + _("Compare"),
    "files": ":material/download: " + _("Files"),
}
view = linked_switch(_("View"), views, param="view", key="evaluate.view", default="confusions", wrap=True)
if view == "classes":
    scores.classes(chosen, evaluation)
elif view == "unseen":
    unseen.show(chosen, evaluation)
elif view == "curves":
    score_curves.curves(chosen, evaluation)
elif view == "compare":
    comparison.show(chosen, evaluation)
elif view == "files":
    downloads.show(evaluation)
else:
    confusions.show(chosen, evaluation)
