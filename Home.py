"""Burin's door: the frame around every page (navigation, language, logo) and the one place where errors are said.

Run it with ``streamlit run Home.py``: that imports this file once, as the server's ``app``, and then
runs it as a script for every view of a page. Page scripts lie in sub-folders of ``pages/``, never
directly in it: there Streamlit's old mode would open them without this frame.
"""

import streamlit as st

if __name__ == "__main__":
    from pages.server import garbage
    from pages.ui import frame, people, services, signing, status
    from pages.ui.i18n import _
    from pages.ui.navigation import inbox_title
    from pages.ui.state import end_page

    frame.configure()
    page = st.navigation(
        {
            "": [
                st.Page("pages/home/overview.py", title=_("Overview"), icon=":material/linear_scale:", default=True),
                st.Page("pages/home/guide.py", title=_("Guide"), icon=":material/help:", visibility="hidden"),
            ],
            _("Recognise"): [st.Page("pages/search/identify.py", title=_("Identify"), icon=":material/search:")],
            _("Collection"): [
                st.Page("pages/data/library.py", title=_("Library"), icon=":material/grid_view:"),
                st.Page("pages/data/label.py", title=_("Label"), icon=":material/label:"),
                st.Page("pages/data/table.py", title=_("Table"), icon=":material/table:"),
                st.Page("pages/data/products.py", title=_("Products"), icon=":material/eyeglasses:"),
                st.Page("pages/data/quality.py", title=_("Quality"), icon=":material/rule:"),
                st.Page("pages/data/inbox.py", title=inbox_title(), icon=":material/inbox:"),
                st.Page("pages/data/history.py", title=_("History"), icon=":material/history:"),
            ],
            _("Variation"): [
                st.Page("pages/data/augment.py", title=_("Augment"), icon=":material/auto_awesome_motion:"),
                st.Page("pages/data/balance.py", title=_("Balance"), icon=":material/balance:"),
            ],
            _("Model"): [
                st.Page("pages/model/train.py", title=_("Train"), icon=":material/model_training:"),
                st.Page("pages/model/runs.py", title=_("Runs"), icon=":material/history_edu:"),
                st.Page("pages/model/evaluate.py", title=_("Evaluate"), icon=":material/query_stats:"),
                st.Page("pages/model/embeddings.py", title=_("Map"), icon=":material/scatter_plot:"),
                st.Page("pages/model/errors.py", title=_("Errors"), icon=":material/troubleshoot:"),
            ],
            _("Workspace"): [st.Page("pages/home/settings.py", title=_("Settings"), icon=":material/settings:")],
        },
        expanded=True,
        position="sidebar" if people.signed_in() else "hidden",
    )
    st.set_page_config(page_title=f"{page.title} · Burin")
    if not people.signed_in():
        signing.ask()
        end_page()
    frame.sidebar(page.url_path)
    try:
        with frame.errors_said():
            status.line()
            with st.container():  # always there, so that what comes and goes in it moves nothing on the page
                frame.sample_banner()
            page.run()
    finally:  # a page may stop early
        services.prepare()
        garbage.settle()
else:
    # A folder named pages/ puts a fresh server in the old mode until somebody's first view ends, and
    # a deep link is then told "Page not found". There is no public switch for it in Streamlit 1.67.
    from streamlit.runtime.pages_manager import PagesManager

    from core.ground.budget import give_back
    from pages.server import ending, floors, spool, stack

    PagesManager.uses_pages_directory = False
    stack.ask_nobody()
    give_back()
    spool.install()
    floors.say()
    stack.follow()
    app = st.App(
        __file__,
        lifespan=ending.bounded,
        routes=stack.routes(),
        middleware=stack.middleware(),
        on_script_error=stack.say,
    )
