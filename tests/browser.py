"""The real browser of tests: Debian's headless Chromium, driven by Playwright; what a page complains about is kept."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

WAIT_MS = 15_000
expect.set_options(timeout=WAIT_MS)


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


@dataclass(slots=True)
class Tab:
    """One page of one browser profile, and what it complained about: failed scripts, refused styles, errors on its console."""

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        """Keep an error or a warning of the page."""
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")


@contextmanager
def a_tab(browser: Browser, *, dark: bool = False, width: int = 1280, height: int = 800) -> Iterator[Tab]:
    """A page of a fresh profile, in the light or the dark."""
    context = browser.new_context(color_scheme="dark" if dark else "light", viewport={"width": width, "height": height})
    context.set_default_timeout(WAIT_MS)
    tab = Tab(context.new_page(), context)
    # Playwright marks the function it is given, which a bound method does not allow.
    tab.page.on("console", lambda message: tab.hear(message))  # noqa: PLW0108
    tab.page.on("pageerror", lambda error: tab.complaints.append(f"script: {error}"))
    try:
        yield tab
    finally:
        context.close()


@contextmanager
def pictured(tab: Tab, folder: Path, name: str) -> Iterator[None]:
    """Keeps a picture of the page in ``folder`` if the block fails."""
    try:
        yield
    except BaseException:
        tab.page.screenshot(path=folder / f"{re.sub(r'[^A-Za-z0-9-]+', '-', name)}.png", full_page=True)
        raise
