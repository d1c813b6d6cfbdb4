"""A real Streamlit server with its own workspace, and a real Chromium that can reach nothing else.

Without a browser these tests are skipped by name; with CI=true that is a failure. A visit ends
with a check that no page asked another host for anything and that the console stayed clean.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from core.ground.workspace import ENVIRONMENT, Workspace

ROOT = Path(__file__).resolve().parents[1]
READY = "[data-testid=stApp][data-test-script-state=notRunning]"
START_TIMEOUT_S = 60
REST_TIMEOUT_S = 20
PAGE_TIMEOUT_MS = 60_000  # two shared cores, software rendering
expect.set_options(timeout=30_000)  # what is waited for is a state of the page, never a speed

CHROMIUM_FLAGS = [
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


@dataclass
class Server:
    """One running Streamlit server: its address, the workspace it serves, its log.

    ``line`` leads into its process (tests/nobody/sitecustomize.py), and once stopped it waits among the ``idle`` to be
    given another workspace; without ``idle`` its process ends with it.
    """

    url: str
    workspace: Workspace
    log_path: Path
    process: subprocess.Popen[bytes]
    line: socket.socket
    idle: list[Server] | None = None
    tabs: list[Page] = field(default_factory=list)
    log_from: int = 0
    stopped: bool = False

    def log(self) -> str:
        """What the server has printed so far, of this workspace."""
        return self.log_path.read_bytes()[self.log_from :].decode("utf-8", errors="replace")

    def called(self) -> str:
        """The other hosts that its process, or a job that it started, was about to call; each call was refused."""
        path = self.log_path.with_suffix(".called")
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def stop(self) -> None:
        """Close its tabs, so that none complains of its absence, and end the server or let it wait for its next
        workspace; safe to call twice. Fails where it was about to ask another host for anything."""
        while self.tabs:
            self.tabs.pop().context.close()
        if not self.stopped:
            self.stopped = True
            if self.idle is None or self.called():
                self.end()
            else:
                self.idle.append(self)
        assert not self.called(), f"the server asked other hosts: {self.called()}"

    def end(self) -> None:
        """End its process."""
        self.line.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def given(self, workspace: Workspace) -> Server | None:
        """The same process on another workspace, of which it knows no more than a new one would; None, and it is ended,
        where it does not come to rest."""
        with suppress(OSError):
            self.line.sendall(f"{workspace.root}\n".encode())
            if self.line.recv(1) == b"+":
                printed = self.log_path.stat().st_size
                return replace(self, workspace=workspace, tabs=[], log_from=printed, stopped=False)
        self.end()
        return None


@dataclass
class Visit:
    """A browser tab on a server, with everything it complained about or asked of other hosts."""

    page: Page
    server: Server
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, path: str = "") -> Page:
        """Go to ``path`` of the server and wait until its script has run."""
        self.page.goto(f"{self.server.url}/{path}")
        self.wait()
        return self.page

    def wait(self) -> None:
        """Until the app has run its script to the end and rests."""
        self.page.wait_for_selector(READY)
        self.page.wait_for_timeout(200)  # an event just sent has not started its run yet
        self.page.wait_for_selector(READY)

    def assert_clean(self) -> None:
        """Fail on console errors, page errors and requests to other hosts."""
        assert not self.outside, f"asked other hosts: {self.outside}"
        assert not self.errors, f"in the browser's console: {self.errors}"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium: BURIN_CHROMIUM, else the system's. The one without windows takes less and comes last:
    with it one run in forty of the labelling tests failed, and it is not known why."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chromium-headless-shell")
    found = os.environ.get("BURIN_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found:
        return found
    reason = "no Chromium found: install one (Debian: apt-get install chromium) or set BURIN_CHROMIUM"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for the whole session; every visit gets a fresh profile in it."""
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_FLAGS, *as_root])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """``start_server(workspace)`` -> a `Server` that answers; all are stopped when the session ends.

    Its process may have served other workspaces before, unless it is to be ``fresh`` or has settings of its own.
    """
    started: list[Server] = []
    idle: list[Server] = []

    def start(workspace: Workspace, *, fresh: bool = False, **environment: str) -> Server:
        server = None
        if not (fresh or environment):
            while server is None and idle:
                server = idle.pop().given(workspace)
        if server is None:
            server = _start(workspace, tmp_path_factory.mktemp("server") / "log.txt", environment)
            server.idle = None if fresh or environment else idle
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()
    for server in idle:
        server.end()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """``visit(server, locale="en-GB")`` -> a `Visit` in a fresh profile; each is checked at the end, and closed before
    ``tmp_path`` is removed: a page would ask for pictures of a workspace that is gone."""
    visits: list[Visit] = []

    def start(server: Server, *, locale: str = "en-GB", width: int = 1280, height: int = 900) -> Visit:
        context = browser.new_context(  # what moves is drawn sixty times a second, by the processor
            locale=locale, viewport={"width": width, "height": height}, reduced_motion="reduce"
        )
        context.set_default_timeout(PAGE_TIMEOUT_MS)
        visit = Visit(context.new_page(), server)
        _listen(visit)
        visits.append(visit)
        server.tabs.append(visit.page)
        return visit

    yield start
    for visit in visits:
        if visit.page in visit.server.tabs:
            visit.server.tabs.remove(visit.page)
            visit.page.context.close()
    for visit in visits:
        visit.assert_clean()


def free_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(script: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """A server of that script alone, which answers: its process, its port and its log. It is killed in the end."""
    port, log = free_port(), script.with_name("log.txt")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "STREAMLIT_SERVER_HEADLESS": "true"},
            stdout=output,
            stderr=output,
        )
    try:
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                break
            time.sleep(0.1)
        yield process, port, log
    finally:
        process.kill()
        process.wait(20)


def _start(workspace: Workspace, log_path: Path, environment: dict[str, str]) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "Home.py"), "--server.port", str(port)]
    settings = {"STREAMLIT_SERVER_HEADLESS": "true", ENVIRONMENT: str(workspace.root), **environment}
    settings["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests" / "nobody"), str(ROOT)])
    settings["BURIN_TEST_CALLED"] = str(log_path.with_suffix(".called"))
    line, its_end = socket.socketpair()
    line.settimeout(REST_TIMEOUT_S)
    settings["BURIN_TEST_LINE"] = str(its_end.fileno())
    with its_end, open(log_path, "wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT,
            pass_fds=[its_end.fileno()],
        )  # fmt: skip
    server = Server(f"http://127.0.0.1:{port}", workspace, log_path, process, line)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=2) as answer:
            if answer.status == 200:
                return server
        time.sleep(0.1)
    server.stop()  # not yet among the idle: its process ends
    raise RuntimeError(f"the server did not start:\n{server.log()}")


def _listen(visit: Visit) -> None:
    own = (f"{visit.server.url}/", visit.server.url.replace("http:", "ws:") + "/", "data:", "blob:", "about:")
    visit.page.on("console", lambda message: _note(visit, message))
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.on("request", lambda request: None if request.url.startswith(own) else visit.outside.append(request.url))


def _note(visit: Visit, message: ConsoleMessage) -> None:
    # On a deep link Streamlit's script looks for its server below the page's path first, and finds it at the root.
    address = message.location.get("url", "")
    looking = address.startswith(visit.server.url) and "/_stcore/" in address.removeprefix(visit.server.url)[1:]
    if message.type == "error" and not (looking and "404" in message.text):
        visit.errors.append(f"{message.text} ({address})")
