"""Runs the console's pages: each a path, a handler and what it needs."""

from workers.console.live import Live
from workers.console.page import Page

PAGES: tuple[Page, ...] = ()
LIVES: tuple[Live, ...] = ()
