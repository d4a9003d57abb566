"""Runs the notes of what the broker confirmed: many rows a transaction, on a thread of its own, never in anybody's way."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import ledger.events
from ledger.session import Ledger, LedgerUnavailable
from telemetry import Name, emit

PAUSE_S = 0.1
MOST_ROWS = 2_000
MOST_NOTED = 50_000


class Marker:
    """Notes published rows. What it cannot note the relay publishes again, and workers tell the second one by its row."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._noted: list[int] = []
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="marker", daemon=True)

    def start(self) -> None:
        """Begin to note."""
        self._thread.start()

    def note(self, ids: Sequence[int]) -> None:
        """The broker confirmed the messages of these rows. Returns at once."""
        with self._wake:
            if len(self._noted) < MOST_NOTED:
                self._noted.extend(ids)
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
                while not self._noted and not self._closed:
                    self._wake.wait()
                if not self._noted:
                    return
                if not self._closed:
                    # Confirms come in a stream: a short pause turns it into few transactions.
                    self._wake.wait_for(lambda: self._closed, PAUSE_S)
                rows, self._noted = self._noted[:MOST_ROWS], self._noted[MOST_ROWS:]
            self._mark(rows)

    def _mark(self, rows: Sequence[int]) -> None:
        began = time.monotonic()
        try:
            with self._ledger.write() as session:
                ledger.events.mark_published(session, sorted(rows), self._now())
        except LedgerUnavailable as error:
            emit(Name.PUBLISH_BATCH_FAILED, count=len(rows), stage="mark", error=error)
        else:
            emit(Name.PUBLISH_BATCH_STOP, count=len(rows), duration_s=time.monotonic() - began)
