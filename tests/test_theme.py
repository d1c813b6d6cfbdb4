"""The look and the doors, as shipped: readable in both modes, fonts of our own, safe settings."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from pages.ui.frame import ACTIVE

ROOT = Path(__file__).resolve().parent.parent
CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
THEME = CONFIG["theme"]
SURFACES = [
    pytest.param(THEME[mode] | extra, id=f"{mode}-{place}")
    for mode in ("light", "dark")
    for place, extra in (("main", {}), ("sidebar", THEME[mode]["sidebar"]))
]
PALETTE = ("red", "orange", "yellow", "green", "blue", "violet", "gray")


def contrast(one: str, other: str, *, opacity: float = 1.0) -> float:
    """WCAG 2.2 contrast ratio of two #rrggbb colours, the first laid on the second with ``opacity``."""
    front, back = ([int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (one, other))
    mixed = [opacity * f + (1 - opacity) * b for f, b in zip(front, back, strict=True)]
    light, dark = sorted((_luminance(mixed), _luminance(back)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb: list[float]) -> float:
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_measure_itself():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("surface", SURFACES)
def test_text_reaches_wcag_aa(surface):
    for ground in (surface["backgroundColor"], surface["secondaryBackgroundColor"]):
        assert contrast(surface["textColor"], ground) >= 7
        assert contrast(surface["textColor"], ground, opacity=0.6) >= 4.5, "captions are 60 % text"
        assert contrast(surface["linkColor"], ground) >= 4.5
    assert contrast(surface["codeTextColor"], surface["codeBackgroundColor"]) >= 4.5
    assert contrast("#ffffff", surface["primaryColor"]) >= 4.5, "Streamlit writes white on primary buttons"
    assert contrast(surface["primaryColor"], surface["secondaryBackgroundColor"]) >= 3, "controls"


@pytest.mark.parametrize("surface", SURFACES)
def test_the_chosen_pill_can_be_read(surface):
    primary, ground = surface["primaryColor"], surface["backgroundColor"]
    parts = [(int(primary[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5)]
    tint = "#" + "".join(f"{round(0.1 * front + 0.9 * back):02x}" for front, back in parts)  # Streamlit's own mix
    dark = contrast("#ffffff", ground) > 7
    assert "color: COLOUR" in ACTIVE and contrast(surface["linkColor"] if dark else primary, tint) >= 4.5


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_messages_and_charts_can_be_read(mode):
    theme = THEME[mode]
    for name in PALETTE:
        assert contrast(theme[f"{name}TextColor"], theme[f"{name}BackgroundColor"]) >= 4.5, name
    assert contrast(theme["dataframeHeaderTextColor"], theme["dataframeHeaderBackgroundColor"]) >= 4.5
    series = theme["chartCategoricalColors"]
    assert len(set(series)) == len(series) >= 8
    assert min(contrast(colour, theme["backgroundColor"]) for colour in series) >= 3
    assert len(theme["chartSequentialColors"]) == len(theme["chartDivergingColors"]) == 10, "or Streamlit ignores them"


def test_colours_are_per_mode_so_that_a_dark_system_gets_the_dark_one():
    assert not [key for key in THEME if key.endswith(("Color", "Colors"))]
    assert set(THEME["light"]) == set(THEME["dark"])


def test_every_font_is_a_file_of_ours_with_its_licence():
    named = {face["url"] for face in THEME["fontFaces"]}
    assert all(url.startswith("app/static/fonts/") for url in named)
    assert {ROOT / url.removeprefix("app/") for url in named} == set((ROOT / "static").rglob("*.woff2"))
    licences = [p.read_text(encoding="utf-8") for p in (ROOT / "static").rglob("*-OFL.txt")]
    assert len(licences) == 3 and all("SIL Open Font License, Version 1.1" in text for text in licences)
    families = {face["family"] for face in THEME["fontFaces"]}
    assert all(any(f in THEME[key] for f in families) for key in ("font", "headingFont", "codeFont"))


def test_the_public_folder_holds_fonts_and_nothing_else():
    assert {p.suffix for p in (ROOT / "static").rglob("*") if p.is_file()} == {".woff2", ".txt"}


def test_french_is_in_the_fonts_range():
    ranges = [face["unicodeRange"] for face in THEME["fontFaces"] if face["family"] == "Instrument Sans"]
    spans = [tuple(int(x, 16) for x in r.split("-")) for part in ranges for r in re.findall(r"U\+([0-9A-F-]+)", part)]
    for letter in "éèêàçùôïœŒ«»’…€—":
        assert any(span[0] <= ord(letter) <= span[-1] for span in spans), letter


def test_the_doors_are_shut():
    server, client = CONFIG["server"], CONFIG["client"]
    assert server["address"] == "127.0.0.1"
    assert set(server["allowedHosts"]) == {"localhost", "127.0.0.1"}
    assert server["headless"] and server["enableXsrfProtection"] and server["enableCORS"]
    assert server["maxUploadSize"] == 200 and server["fileWatcherType"] == "none"
    assert client["showErrorDetails"] == "none" and not client["showErrorLinks"]
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["runner"]["magicEnabled"] is False


def test_the_logo_is_plain_and_the_icon_square():
    drawings = list((ROOT / "assets" / "logo").glob("*.svg"))
    assert {p.stem for p in drawings} == {"wordmark-light", "wordmark-dark", "mark-light", "mark-dark", "icon"}
    for drawing in drawings:
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(drawing).iter()}
        assert tags <= {"svg", "g", "path", "rect"}, "no script, no text that needs a font, nothing from outside"
    with Image.open(ROOT / "assets" / "logo" / "icon.png") as icon:
        assert icon.size == (256, 256)
