"""See how uneven the classes are, choose how to even them out, read the plan, apply it, take it back."""

import streamlit as st

from pages.ui import services
from pages.ui.i18n import _
from pages.ui.state import end_page
from pages.ui.variation import balancing, choosing, sheets, writing

st.title(_("Balance"))
if not any(record.originals for record in services.dataset().classes()):
    choosing.nothing_yet()
    end_page()

cards = st.container()
plans = balancing.plans(balancing.wanted())
with cards:
    balancing.choose(plans)
chosen = plans[balancing.strategy()]
balancing.chart(chosen)
balancing.apply(chosen)
writing.panel("balance")
balancing.figures(chosen)
st.header(_("The plan, class by class"), anchor=False)
balancing.details(chosen)
sheets.single_classes(chosen)
writing.batches("balance")
