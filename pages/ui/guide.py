"""The guide inside the app: the Markdown of docs/guide in the visitor's language, one section a task, without a network.

The same files are built into a site by MkDocs (mkdocs.yml).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import streamlit as st

from pages.ui.i18n import _
from pages.ui.state import workbench

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
PAGE = "pages/home/guide.py"
SECTIONS = (
    "index", "identify", "products", "import", "label", "errors", "augment", "train", "figures", "share", "backup", "troubleshooting",
)  # fmt: skip
# The address of a page of the app -> the section that is about it.
ABOUT = {
    "": "index",
    "identify": "identify",
    "library": "import",
    "label": "label",
    "table": "import",
    "quality": "errors",
    "inbox": "share",
    "history": "backup",
    "augment": "augment",
    "balance": "augment",
    "train": "train",
    "runs": "train",
    "evaluate": "figures",
    "embeddings": "errors",
    "errors": "errors",
    "settings": "backup",
    "products": "products",
}
_LINK = re.compile(r"\]\((\w+)\.md\)")
_PICTURE = re.compile(r"^!\[(.*)\]\(\.\./pictures/([\w-]+\.webp)\)$", re.M)


def section() -> None:
    """Draw the section that the address names."""
    wanted = st.query_params.get("section", "index")
    name = wanted if wanted in SECTIONS else "index"
    text = _read(workbench().language, name)
    if name != "index":
        st.page_link(PAGE, label=_("All of the guide"), icon=":material/arrow_back:", query_params={"section": "index"})
    with st.container(width=760):
        words, *pictured = _PICTURE.split(_LINK.sub(r"](guide?section=\1)", text))
        st.markdown(words)
        for caption, file, following in zip(pictured[::3], pictured[1::3], pictured[2::3], strict=True):
            dark = st.context.theme.type == "dark"
            picture = GUIDE / "pictures" / (file.replace("-light.", "-dark.") if dark else file)
            st.image(str(picture), caption=caption, alt=caption)
            st.markdown(following)


def link(url_path: str) -> None:
    """A small link to the section about the page at this address."""
    st.page_link(
        PAGE,
        label=_("Help on this page"),
        icon=":material/help:",
        query_params={"section": ABOUT.get(url_path, "index")},
    )


def address(page_url: str) -> str | None:
    """The guide's full address, as Streamlit's own menu wants it, from that of any page; None where it is unknown."""
    found = re.match(r"(https?://[^/]+(?:/[^/?#]+)*?)(?:/[^/?#]*)?(?:[?#].*)?$", page_url)
    return f"{found[1]}/guide" if found else None


@cache
def _read(language: str, name: str) -> str:
    return (GUIDE / language / f"{name}.md").read_text(encoding="utf-8")
