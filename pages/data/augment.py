"""Choose a policy, see what it makes of the marks, check that they stay what they are, and write the variants."""

import streamlit as st

from pages.ui import services
from pages.ui.i18n import _
from pages.ui.state import end_page
from pages.ui.variation import augmenting, choosing

st.title(_("Augment"))
if not any(record.originals for record in services.dataset().classes()):
    choosing.nothing_yet()
    end_page()
augmenting.bench()
