"""Streamlit's own words in the page's language, and its own elements mended where it has no setting for that (1.67).

The English on the left is Streamlit's: when it changes a text, that one stays English until it is changed here too.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.i18n import _

_COMPONENT = st.components.v2.component(
    "burin_native", js=(Path(__file__).parent / "native.js").read_text(encoding="utf-8")
)
_TOP = st.components.v2.component(
    "burin_top",
    js="""
const shown = new WeakMap()
export default function ({ data, parentElement }) {
  if (shown.get(parentElement) === data.place) return
  shown.set(parentElement, data.place)
  document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0)
}
""",
)
_NOT_FOUND = "Running the app's main page."


def mend(language: str) -> None:
    """Once a run of the page, in its frame."""
    english = language == "en"
    _COMPONENT(
        data={
            "language": language,
            "words": {} if english else words(),
            "patterns": [*_refused(), *([] if english else _patterns())],
        },
        key="frame.native", height=1,
    )  # fmt: skip


def from_the_top(place: str) -> None:
    """Show from its top what a page has become: Streamlit, for which it is the same page, stays as far down as it was."""
    _TOP(data={"place": place}, key="frame.top", height=1)


def words() -> dict[str, str]:
    """Streamlit's text -> ours."""
    return {
        "Upload": _("Browse"),
        "Upload directories": _("Choose a folder"),
        "Add files": _("Add files"),
        "add icon": _("Add files"),
        "file upload": _("Choose files"),
        "Drag and drop a file here": _("Drop the file here"),
        "Drag and drop files here": _("Drop the files here"),
        "Drag and drop directories here": _("Drop the folders here"),
        "Take Photo": _("Take the photograph"),
        "Clear photo": _("Take another one"),
        "Switch camera": _("Other camera"),
        "This app would like to use your camera.": _("The browser asks whether Burin may use the camera."),
        "Learn how to allow access.": _("How to allow it"),
        "Press Enter to apply": _("Enter to apply"),
        "Press Enter to submit form": _("Enter to send"),
        "Press Ctrl+Enter to apply": _("Ctrl+Enter to apply"),
        "Press Ctrl+Enter to submit form": _("Ctrl+Enter to send"),
        "Press ⌘+Enter to apply": _("⌘+Enter to apply"),
        "No results": _("Nothing found"),
        "Select all": _("Select all"),
        "Selected values": _("Chosen"),
        "Clear all": _("Clear all"),
        "Clear value": _("Clear"),
        "Clear entry": _("Clear"),
        "Error:": _("Refused:"),
        "Help": _("Help"),
        "Link to heading": _("Link to this heading"),
        "Open": _("Open"),
        "Close": _("Close"),
        "Increment": _("More"),
        "Decrement": _("Less"),
        "Show password": _("Show the password"),
        "Hide password": _("Hide the password"),
        "Pagination": _("Pages"),
        "Next page": _("Next page"),
        "Previous page": _("Previous page"),
        "Main menu": _("Main menu"),
        "Rerun": _("Run again"),
        "Print": _("Print"),
        "Record screen": _("Record the screen"),
        "Cancel recording": _("Do not record"),
        "Stop recording": _("Stop recording"),
        "Record a screencast": _("Record the screen"),
        "This will record a video with the contents of your screen, so you can easily share what you're seeing with others.": _(
            "What your screen shows becomes a film that you can send. It stays on your machine."
        ),
        "Also record audio": _("The microphone too"),
        "Press": _("Press"),
        "any time to stop recording.": _("to stop."),
        "Start recording!": _("Start recording"),
        "Made with Streamlit v": _("Made with Streamlit") + " ",
        "Copy version to clipboard": _("Copy the version"),
        "About": _("About"),
        "Get help": _("Help"),
        "Theme": _("Theme"),
        "System": _("As the system"),
        "Light": _("Light colours"),
        "Dark": _("Dark colours"),
        "Running...": _("Working…"),
        "Stop": _("Stop"),
        "Stop script": _("Stop"),
        "App pages": _("Pages"),
        "Sidebar": _("Sidebar"),
        "Collapse sidebar": _("Fold the sidebar"),
        "Expand sidebar": _("Unfold the sidebar"),
        "Navigate to home page": _("To the overview"),
        "Skip to main content": _("To the content"),
        "Notifications": _("Notices"),
        "Copy to clipboard": _("Copy"),
        "Copied": _("Copied"),
        "Fullscreen": _("Full screen"),
        "Close fullscreen": _("Leave the full screen"),
        "Download as CSV": _("Download as CSV"),
        "Search": _("Search"),
        "Close Search": _("Close the search"),
        "Next Result": _("Next"),
        "Previous Result": _("Previous"),
        "Show/hide columns": _("Show or hide columns"),
        "Dataframe column menu": _("Menu of the column"),
        "Sort ascending": _("Sort upwards"),
        "Sort descending": _("Sort downwards"),
        "Pin column": _("Pin the column"),
        "Unpin column": _("Unpin the column"),
        "Hide column": _("Hide the column"),
        "Autosize": _("Fit the width"),
        "Format": _("Format"),
        "Statistics": _("Statistics"),
        "Copy column name": _("Copy the name of the column"),
        "Clear selection": _("Clear the selection"),
        "Add row": _("Add a row"),
        "Page not found": _("There is no such page"),
        f"The page that you have requested does not seem to exist. {_NOT_FOUND}": _(
            "There is no page at this address. This is the overview."
        ),
        "Connection error": _("No connection"),
        "Connecting": _("Connecting…"),
    }


def _refused() -> list[tuple[str, str]]:
    """What Streamlit says of a file whose ending an uploader does not take, which it names by its type alone -> what the
    file is, and what to do about it, as `core.ground.unsupported_formats` says it of a file by its first bytes."""
    kinds = [
        (r"image/svg\+xml", _("An SVG drawing is no image that Burin opens: export it as PNG first.")),
        (r"application/pdf", _("A PDF is no image that Burin opens: export its page as PNG first.")),
        (r"application/(?:postscript|illustrator)",
         _("A PostScript drawing is no image that Burin opens: export it as PNG first.")),
        (r"(?:image|application)/(?:vnd\.adobe\.photoshop|x-photoshop|x-psd|x-xcf)",
         _("An image editor’s own file is no image that Burin opens: export it as PNG first.")),
        (r"image/x-(?:adobe|canon|nikon|sony|olympus|panasonic|fuji)-[a-z0-9]+",
         _("A camera’s raw file is no image that Burin opens: export it as JPEG or TIFF first.")),
        (r"video/\S+", _("A film is no image that Burin opens.")),
        ("", _("Files of this kind are not taken here.")),
    ]  # fmt: skip
    return [(rf"^(?:Error: )?{kind} ?files are not allowed\.$", said) for kind, said in kinds]


def _patterns() -> list[tuple[str, str]]:
    """Regular expression of a text of Streamlit's -> ours, with $1 and so on for what it holds."""
    page = _("There is no page named {name}. This is the overview.").format(name="$1")
    found = [
        (r"^(?:Error: )?(\S+) files are not allowed\.$", _("Files of this kind ({kind}) are not taken here.")),
        (r"^Remove (.+)$", _("Remove {name}")),
        (r"^Cancel upload of (.+)$", _("Stop sending {name}")),
        (r"^Add: (.+)$", _("Add: {name}")),
        (r"^Page (\d+)$", _("Page {n}")),
        (r"^Fullscreen: (.+)$", _("Full screen: {name}")),
        (r"^[a-z0-9_]+ icon$", _("icon")),
        (r"^Help for (.+)$", _("Help on: {name}")),
    ]
    made = [(source, text.format(kind="$1", name="$1", n="$1")) for source, text in found]
    for unit, size in (("B", _("{n} bytes")), ("KB", _("{n} kB")), ("MB", _("{n} MB")), ("GB", _("{n} GB"))):
        value = size.format(n="$1")
        made += [
            (rf"^(\d+)(?:\.0)?{unit} per file( • .*)?$", _("{size} a file at most").format(size=value) + "$2"),
            (rf"^(?:Error: )?File must be (\d+)(?:\.0)?{unit} or smaller\.$",
             _("A file has {size} at most.").format(size=value)),
            (rf"^(\d+)(?:\.0)?{unit}$", value),
        ]  # fmt: skip
    named = rf"^You have requested page /(.+), but no corresponding file was found in the app's pages/ directory\. {_NOT_FOUND}$"
    return [*made, (named, page)]
