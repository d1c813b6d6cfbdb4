"""What the promises of SECURITY.md share with the browser's tests: a real server and a real Chromium."""

from tests.browser.conftest import browser, chromium, start_server, visit

__all__ = ["browser", "chromium", "start_server", "visit"]
