"""Runs the console's pages: one file a matter, all of them listed here."""

from workers.console.live import Live
from workers.console.page import Page
from workers.console.pages import (
    edit,
    failure,
    failures,
    jobs,
    lanes,
    orders,
    overview,
    peak_schedule,
    peaks,
    replays,
    settlements,
)

# The first that fits an address answers it: what is fixed stands before what holds a name.
PAGES: tuple[Page, ...] = (
    *overview.PAGES,
    *lanes.PAGES,
    *failures.PAGES,
    *replays.PAGES,
    *edit.PAGES,
    *failure.PAGES,
    *jobs.PAGES,
    *peaks.PAGES,
    *peak_schedule.PAGES,
    *settlements.PAGES,
    *orders.PAGES,
)
LIVES: tuple[Live, ...] = (*overview.LIVE, *lanes.LIVE, *jobs.LIVE, *peaks.LIVE)
