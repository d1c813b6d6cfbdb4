"""Settings: how marks are recognised, who may do what, where the workspace lies, its backup; each with its cost."""

import streamlit as st

from pages.ui import people
from pages.ui.home import cluster, safekeeping, search_server, settings
from pages.ui.i18n import _
from pages.ui.text import esc

st.title(_("Settings"))
st.markdown(
    _("What holds for everybody in this workspace. Each change is in the history, and can be taken back there.")
)
if not people.may("researcher"):
    st.info(esc(people.reason("researcher")), icon=":material/lock:")
left, right = st.columns(2, gap="large")
with left:
    settings.recognition()
    settings.encoder()
with right:
    settings.roles()
    settings.catalogue()
    search_server.section()
    cluster.section()
    settings.place()
    settings.language()
    safekeeping.backup()
    safekeeping.restore()
