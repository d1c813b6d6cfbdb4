"""What the promises of SECURITY.md share with the browser's tests: a real server and a real Chromium."""

from tests.browser.conftest import browser, chromium, engines, start_server, visit

__all__ = ["browser", "chromium", "engines", "start_server", "visit"]
