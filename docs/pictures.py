"""Take the pictures of the README and the guide: `make pictures`. The app runs on the sample, in a real Chromium.

Writes docs/guide/pictures/: NAME-light.webp and NAME-dark.webp in English, NAME-fr.webp in French, and tour.webp.

    python docs/pictures.py [--workspace DIR] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.map import FLAGS, READY, lasso, served
from core.ground.workspace import Workspace
from core.showcase.sample import load

PICTURES = Path(__file__).resolve().parent / "guide" / "pictures"
WIDE, TALL, PHONE = (1360, 850), (1360, 1150), (390, 844)
MOST = 150_000  # bytes of one picture
MOST_TOUR = 3_000_000
TOUR = ("overview", "identify", "label", "run", "confusion", "map")
VARIANTS = (("light", "en", "light"), ("dark", "en", "dark"), ("fr", "fr", "light"))  # ending, language, colours
TOUR_SIZE, TOUR_MS = (960, 600), 2200
WAIT_MS = 60_000
STILL = "* { animation: none !important; transition: none !important; caret-color: transparent !important }"


def rest(page: Any) -> None:
    """Until the app has run its script to the end and everything is drawn."""
    for _ in range(3):
        page.wait_for_selector(READY)
        page.wait_for_timeout(700)
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')")


def named(page: Any, *, which: int = 1) -> None:
    """Give Identify a photograph: that of two marks."""
    page.locator(".st-key-identify-samples button").nth(which).click()
    page.wait_for_selector("[class*='st-key-identify-answer']")


def found(page: Any) -> None:
    """Ask which lens carries the two marks of a photograph."""
    page.locator(".st-key-identify-samples button").nth(1).click()
    page.wait_for_selector("[class*=st-key-lens-product]")


def opened(page: Any) -> None:
    """Open the first of the confusions."""
    page.locator(".st-key-evaluate-pairs button").first.click()
    rest(page)


def drawn_around(page: Any) -> None:
    """Select some points of the map."""
    page.wait_for_selector(".atlas[data-drawn]")
    rest(page)
    lasso(page, size=70)


def scrolled(page: Any) -> None:
    """Show the answer, which a phone has below the controls."""
    named(page, which=0)
    rest(page)
    page.locator("[class*='st-key-identify-answer']").first.scroll_into_view_if_needed()


def made(page: Any) -> None:
    """Make the products that the sample's classes name, once, and open the sheet of one with marks on both sides."""
    proposed = page.locator(".st-key-products-propose button")
    if proposed.count():
        proposed.click()
        rest(page)
    page.locator("tbody tr").first.locator("td[data-column=open]").click()
    page.wait_for_selector(".lens figure")


Act = Callable[[Any], None]


def nothing(page: Any) -> None:
    """As the page comes."""


SHOTS: dict[str, tuple[str, Act, tuple[int, int]]] = {
    "overview": ("", nothing, WIDE),
    "identify": ("identify", named, TALL),
    "products": ("products", made, WIDE),
    "lens": ("identify?ask=lens", found, TALL),
    "label": ("label", nothing, WIDE),
    "augment": ("augment", nothing, WIDE),
    "run": ("train?view=run", nothing, TALL),
    "matrix": ("evaluate", nothing, TALL),
    "confusion": ("evaluate", opened, TALL),
    "map": ("embeddings", drawn_around, TALL),
    "phone": ("identify", scrolled, PHONE),
}


def take(browser: Any, address: str, name: str, *, language: str, scheme: str) -> Image.Image:
    """One picture, in a tab of its own."""
    path, act, (width, height) = SHOTS[name]
    context = browser.new_context(
        locale=f"{language}-{'GB' if language == 'en' else 'FR'}", color_scheme=scheme,
        viewport={"width": width, "height": height}, reduced_motion="reduce",
    )  # fmt: skip
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/{path}")
    rest(page)
    act(page)
    rest(page)
    page.add_style_tag(content=STILL)
    page.mouse.move(width - 2, height - 2)
    page.wait_for_timeout(400)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()
    return shot


def save(image: Image.Image, path: Path) -> None:
    """As a WebP of at most `MOST` bytes."""
    for quality in (85, 75, 60, 45):
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=6)
        if buffer.tell() <= MOST:
            break
    path.write_bytes(buffer.getvalue())
    print(f"{path.name}: {buffer.tell() / 1000:.0f} kB", flush=True)


def save_tour(frames: list[Image.Image], path: Path) -> None:
    small = [frame.crop((0, 0, *WIDE)).resize(TOUR_SIZE, Image.Resampling.LANCZOS) for frame in frames]
    small[0].save(path, "WEBP", save_all=True, append_images=small[1:], duration=TOUR_MS, loop=0, quality=75, method=6)
    assert path.stat().st_size <= MOST_TOUR
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, help="one with the sample; default: a new one")
    parser.add_argument("--only", nargs="*", choices=list(SHOTS), default=list(SHOTS))
    chosen = parser.parse_args()
    chromium = os.environ.get("BURIN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("no Chromium: set BURIN_CHROMIUM")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(chosen.workspace or Path(folder) / "Burin")
        if not workspace.config().sample:
            load(workspace)
        as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        with served(workspace) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *as_root])
            warm = browser.new_page()
            warm.set_default_timeout(WAIT_MS)
            for path in ("", "identify"):  # the references are read once
                warm.goto(f"{address}/{path}")
                rest(warm)
            warm.close()
            for name in chosen.only:
                for suffix, language, scheme in VARIANTS:
                    shot = take(browser, address, name, language=language, scheme=scheme)
                    save(shot, PICTURES / f"{name}-{suffix}.webp")
            browser.close()
    if set(TOUR) & set(chosen.only):
        save_tour([Image.open(PICTURES / f"{name}-light.webp").convert("RGB") for name in TOUR], PICTURES / "tour.webp")


if __name__ == "__main__":
    main()
