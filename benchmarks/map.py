"""How fluid the embedding map is with 50,000 points: first paint, a lasso's round trip, a thumbnail under the pointer.

Synthetic rows in a temporary folder, the real page on a real server, a real Chromium (software rendering): what a
person waits for, everything included. Skipped by name where there is no Chromium or Playwright.

    python benchmarks/map.py [--points 50000] [--laps 3]
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import library
from core.embedding.embedder import load_embedder
from core.ground.workspace import ENVIRONMENT, Workspace

ROOT = Path(__file__).resolve().parents[1]
WAIT_MS = 600_000
READY = "[data-testid=stApp][data-test-script-state=notRunning]"
FLAGS = ["--disable-gpu", "--disable-background-networking"]


@contextmanager
def served(workspace: Workspace) -> Iterator[str]:
    """The address of a server on ``workspace``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "Home.py"), "--server.port", str(port)]
    environment = {**os.environ, ENVIRONMENT: str(workspace.root), "STREAMLIT_SERVER_HEADLESS": "true"}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    break
            time.sleep(0.1)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def painted(page: Any, address: str) -> float:
    """Seconds from the address to the points on the screen."""
    started = time.perf_counter()
    page.goto(f"{address}/embeddings")
    page.wait_for_selector(".atlas[data-drawn]", timeout=WAIT_MS)
    return time.perf_counter() - started


def lasso(page: Any, *, size: float) -> tuple[float, int]:
    """Seconds from letting go of a lasso to the grid of its images, and how many points it took."""
    box = page.locator(".plane canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - size, y - size)
    page.mouse.down()
    for corner in ((x + size, y - size), (x + size * 0.9, y + size), (x - size, y + size * 0.9)):
        page.mouse.move(*corner, steps=10)
    before = page.locator(".st-key-select-bar").inner_text() if page.locator(".st-key-select-bar").count() else ""
    started = time.perf_counter()
    page.mouse.up()
    page.wait_for_function(
        "before => { const bar = document.querySelector('.st-key-select-bar'); "
        "return bar && bar.innerText !== before && document.querySelector('.st-key-embeddings-grid') }",
        arg=before, timeout=WAIT_MS,
    )  # fmt: skip
    spent = time.perf_counter() - started
    taken = int(page.locator(".atlas").get_attribute("data-selected"))
    page.wait_for_selector(READY)
    return spent, taken


def thumbnail(page: Any) -> float:
    """Seconds from resting on a point to its picture."""
    place = page.evaluate(
        """() => { const map = globalThis.burinMaps.get('embeddings.map'), box = map.canvas.getBoundingClientRect()
                   const at = map.x.findIndex((_, at) => map.sx(at) > 60 && map.sx(at) < 300)
                   return [box.left + map.sx(at), box.top + map.sy(at)] }"""
    )
    started = time.perf_counter()
    page.mouse.move(*place)
    page.wait_for_function(
        "() => { const image = globalThis.burinMaps.get('embeddings.map').card.querySelector('img'); "
        "return image.src && !image.hidden }", timeout=WAIT_MS,
    )  # fmt: skip
    return time.perf_counter() - started


def frames(page: Any, *, moved: bool) -> float:
    """Seconds that a redraw takes: of all points after a move, or what a lasso and the pointer need."""
    return page.evaluate(
        """moved => { const map = globalThis.burinMaps.get('embeddings.map'), started = performance.now()
                      for (let n = 0; n < 20; n++) {
                        map.moving = false
                        if (moved) map.view = { ...map.view, x: map.view.x + 1 }
                        map.draw()
                      }
                      return (performance.now() - started) / 20000 }""",
        moved,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--laps", type=int, default=3)
    chosen = parser.parse_args()
    known = filter(None, map(shutil.which, ("chromium", "google-chrome")))
    chromium = os.environ.get("BURIN_CHROMIUM") or next(known, None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("skipped: Playwright is not installed")
        return
    if not chromium:
        print("skipped: no Chromium; set BURIN_CHROMIUM")
        return
    with tempfile.TemporaryDirectory() as folder:
        embedder = load_embedder(Workspace(Path(folder)))
        library.SPACE, library.DIMENSION = embedder.space, embedder.dimension
        workspace = library.filled(Path(folder), chosen.points).workspace
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
        with served(workspace) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *as_root])
            page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
            page.set_default_timeout(WAIT_MS)
            print(f"{chosen.points} points, {os.cpu_count()} cores, software rendering", flush=True)
            print(f"first visit of a new server   {painted(page, address):.1f} s", flush=True)
            page.wait_for_selector(READY)
            page.wait_for_function("() => !document.querySelector('[data-testid=stProgress]')", timeout=WAIT_MS)
            laps = [painted(page, address) for _ in range(chosen.laps)]
            print(f"first paint                   {statistics.median(laps):.1f} s")
            page.wait_for_selector(READY)
            for size in (40, 120):
                found = [lasso(page, size=size + 2 * lap) for lap in range(chosen.laps)]
                spent = statistics.median(seconds for seconds, _ in found)
                print(f"lasso of {found[0][1]:>6} points        {spent:.2f} s")
            print(f"thumbnail under the pointer   {thumbnail(page):.2f} s")
            print(f"all points painted anew       {1000 * frames(page, moved=True):.0f} ms")
            print(f"a frame of a lasso            {1000 * frames(page, moved=False):.1f} ms")
            browser.close()


if __name__ == "__main__":
    main()
