"""A person at a browser for tests: signed in, looking at a page, waiting for what changes without reload."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, expect

from tests.browser import Tab, a_tab, pictured
from tests.console.running import PASSWORD, Running

WAIT_MS = 15_000


@contextmanager
def a_person(
    browser: Browser, running: Running, role: str, folder: Path, *, dark: bool = False, width: int = 1280
) -> Iterator[Tab]:
    """Signed in as the user of a role; a picture of the page is kept in ``folder`` if the block fails."""
    with a_tab(browser, dark=dark, width=width) as tab, pictured(tab, folder, f"{role}-fails"):
        sign_in(tab, running.url, role, PASSWORD)
        yield tab


def sign_in(tab: Tab, url: str, name: str, password: str) -> None:
    """Fill the form in and send it."""
    tab.page.goto(f"{url}/sign-in")
    tab.page.get_by_label("Name").fill(name)
    tab.page.get_by_label("Password").fill(password)
    tab.page.get_by_role("button", name="Sign in").click()
    expect(tab.page.get_by_role("button", name="Sign out")).to_be_visible()


def see(tab: Tab, text: str) -> Locator:
    """The first place of a text, once it is there."""
    found = tab.page.locator("main").get_by_text(re.compile(text)).first
    expect(found).to_be_visible(timeout=WAIT_MS)
    return found


def tile(tab: Tab, title: str) -> Locator:
    """The tile of a title."""
    return tab.page.locator(".tile").filter(has_text=title)


def reason(form: Locator, words: str) -> None:
    """Fill the reason of a form in."""
    form.locator("input[name=why]").fill(words)
