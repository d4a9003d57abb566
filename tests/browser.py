"""Starts the real browser of tests: Debian's headless Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that ends with the block. Raises AssertionError where none is installed (`make setup-tests` does it)."""
    program = shutil.which("chromium")
    assert program, "no chromium: make setup-tests installs it"
    # Its sandbox refuses to start for root.
    words = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=words)
        try:
            yield browser
        finally:
            browser.close()
