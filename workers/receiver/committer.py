"""Runs the shared commit: everything that came in while the last commit ran goes into the next one, as one transaction.

All state belongs to the event loop's thread; the committing thread sees whole batches only. So a lone request is committed at
once, and the busier the receiver is the more requests share the price of one commit.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import ledger.events
from ledger.events import NewEvent, Receipt
from ledger.session import Ledger, LedgerUnavailable
from telemetry import Name, emit

MOST_IN_COMMIT = 500
MOST_BYTES_IN_COMMIT = 16_777_216
MOST_WAITING = 4_000
MOST_BYTES_WAITING = 268_435_456
LONGEST_WAIT_S = 4.0
_LOOK_EVERY_S = 0.25


@dataclass(slots=True)
class _Place:
    """A request that waits for its commit."""

    event: NewEvent
    receipt: asyncio.Future[Receipt | None]
    since: float


Committed = Callable[[Sequence[NewEvent], Sequence[Receipt]], None]
"""Told on the event loop what a commit made durable."""


class Committer:
    """Commits events for the requests that wait for them. Used from one event loop."""

    def __init__(self, ledger: Ledger, committed: Committed, loop: asyncio.AbstractEventLoop) -> None:
        self._ledger = ledger
        self._committed = committed
        self._loop = loop
        self._waiting: deque[_Place] = deque()
        self._working: list[_Place] = []
        self._waiting_bytes = 0
        self._handing_over = False
        self._batches: SimpleQueue[list[_Place] | None] = SimpleQueue()
        # A daemon: a ledger that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._watch: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Requests that are not committed yet."""
        return len(self._waiting) + len(self._working)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()
        self._look()

    def submit(self, event: NewEvent) -> asyncio.Future[Receipt | None] | None:
        """A future of the receipt, None in it if the ledger could not commit; None at once if too many wait already."""
        if len(self._waiting) >= MOST_WAITING or self._waiting_bytes >= MOST_BYTES_WAITING:
            return None
        place = _Place(event, self._loop.create_future(), time.monotonic())
        self._waiting.append(place)
        self._waiting_bytes += len(event.body)
        if not self._working and not self._handing_over:
            # One turn of the loop later: what is readable now belongs into the same commit.
            self._handing_over = True
            self._loop.call_soon(self._hand_over)
        return place.receipt

    async def drain(self, within_s: float) -> bool:
        """Wait until nothing is left to commit; False if the deadline came first."""
        deadline = time.monotonic() + within_s
        while self.waiting and time.monotonic() < deadline:
            left = [place.receipt for place in (*self._working, *self._waiting)]
            await asyncio.wait(left, timeout=max(0.0, deadline - time.monotonic()))
        return not self.waiting

    def close(self) -> None:
        """End the thread after its batch; nothing is submitted any more."""
        if self._watch is not None:
            self._watch.cancel()
        self._batches.put(None)

    def _hand_over(self) -> None:
        self._handing_over = False
        if self._working or not self._waiting:
            return
        size = 0
        while self._waiting and len(self._working) < MOST_IN_COMMIT and size < MOST_BYTES_IN_COMMIT:
            place = self._next()
            self._working.append(place)
            size += len(place.event.body)
        self._batches.put(self._working)

    def _next(self) -> _Place:
        place = self._waiting.popleft()
        self._waiting_bytes -= len(place.event.body)
        return place

    def _look(self) -> None:
        """Answer those who waited too long: their commit may still come, and their second try is a duplicate then."""
        before = time.monotonic() - LONGEST_WAIT_S
        while self._waiting and self._waiting[0].since < before:
            _answer(self._next(), None)
        for place in self._working:
            if place.since < before:
                _answer(place, None)
        self._watch = self._loop.call_later(_LOOK_EVERY_S, self._look)

    def _done(self, batch: Sequence[_Place], receipts: Sequence[Receipt | None]) -> None:
        self._working = []
        self._hand_over()
        for place, receipt in zip(batch, receipts, strict=True):
            _answer(place, receipt)
        kept = [(place.event, receipt) for place, receipt in zip(batch, receipts, strict=True) if receipt is not None]
        self._committed([event for event, _ in kept], [receipt for _, receipt in kept])

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            receipts = self._commit_batch([place.event for place in batch])
            try:
                self._loop.call_soon_threadsafe(self._done, batch, receipts)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _commit_batch(self, events: Sequence[NewEvent]) -> Sequence[Receipt | None]:
        try:
            return self._commit(events)
        except LedgerUnavailable as error:
            emit(Name.EVENT_ACCEPT_FAILED, count=len(events), stage="commit", error=error)
            if len(events) == 1 or not self._reachable():
                return [None] * len(events)
        # The ledger works, so one of these events is what it cannot take: that one must not cost the others their commit.
        return [receipt for event in events for receipt in self._commit_batch([event])]

    def _commit(self, events: Sequence[NewEvent]) -> Sequence[Receipt]:
        began = time.monotonic()
        with self._ledger.single() as session:
            receipts = ledger.events.accept(session, events)
        emit(Name.INTAKE_COMMIT_STOP, count=len(events), duration_s=time.monotonic() - began)
        return receipts

    def _reachable(self) -> bool:
        try:
            self._ledger.ping()
        except LedgerUnavailable:
            return False
        return True


def _answer(place: _Place, receipt: Receipt | None) -> None:
    if not place.receipt.done():
        place.receipt.set_result(receipt)
