"""Does the notes of what the broker confirmed: a second later, many rows a transaction, on a thread in nobody's way."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import ledger.deliveries
import ledger.events
from ledger.session import Ledger, LedgerUnavailable
from routing.letters import parts
from telemetry.bus import emit
from telemetry.events import Name

PAUSE_S = 1.0
"""Most rows are taken up within this time and need no note any more; the relay comes only after some more of them."""

MOST_ROWS = 500
MOST_NOTED = 50_000


class Marking:
    """Notes published rows, those that still wait. What it cannot note the relay publishes again, and workers tell the second
    message by its row.
    """

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._deliveries: list[int] = []
        self._events: list[int] = []
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="marking", daemon=True)

    def start(self) -> "Marking":
        """Begin to note."""
        self._thread.start()
        return self

    def note(self, events: Sequence[int], deliveries: Sequence[int] = ()) -> None:
        """The broker confirmed the messages of these rows. Returns at once."""
        with self._wake:
            if len(self._events) + len(self._deliveries) < MOST_NOTED:
                self._events.extend(events)
                self._deliveries.extend(deliveries)
                self._wake.notify()

    def close(self, within_s: float) -> None:
        """Note what is left, but not longer than this."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(within_s)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._events or self._deliveries)
                self._wake.wait_for(lambda: self._closed, PAUSE_S)
                events, self._events = self._events, []
                deliveries, self._deliveries = self._deliveries, []
                if self._closed and not events and not deliveries:
                    return
            for some in parts(tuple(sorted(events)), MOST_ROWS):
                self._mark(some, ())
            for some in parts(tuple(sorted(deliveries)), MOST_ROWS):
                self._mark((), some)

    def _mark(self, events: Sequence[int], deliveries: Sequence[int]) -> None:
        began = time.monotonic()
        try:
            with self._ledger.write() as session:
                ledger.events.mark_published(session, events, self._now())
                ledger.deliveries.mark_published(session, deliveries, self._now())
        except LedgerUnavailable as error:
            emit(Name.PUBLISH_BATCH_FAILED, count=len(events) + len(deliveries), stage="mark", error=error)
        else:
            emit(Name.PUBLISH_BATCH_STOP, count=len(events) + len(deliveries), duration_s=time.monotonic() - began)
