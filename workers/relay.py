"""Runs the relay: sweeps up rows whose message was never confirmed, got lost on the way, or whose time has come."""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import ledger.deliveries
import ledger.events
from ledger.session import LedgerUnavailable, Session
from routing import names
from routing.letters import Letter
from tasks.context import Context
from tasks.forward import forward, letters_for_deliveries, letters_for_events
from telemetry.bus import emit
from telemetry.events import Name

MOST_ROWS = 500
SWEEP_EVERY_S = 1.0
UNCONFIRMED_AFTER = timedelta(seconds=5)
OVERDUE_AFTER = timedelta(seconds=30)
LOST_AFTER = timedelta(minutes=5)
RARELY_EVERY = 10
"""Sweeps that look at standing rows run every tenth round."""


@dataclass(frozen=True, slots=True)
class Swept:
    """Rows one sweep published, let go or parked."""

    published: int
    let_go: int
    orphaned: int


class Relay:
    """The net under every publish. Safe to run many times over: a row published twice is worked on once."""

    def __init__(self, context: Context, messages_in: Callable[[Collection[str]], Mapping[str, int]]) -> None:
        """``messages_in`` asks the broker how many ready messages each queue of these lanes holds."""
        self._context = context
        self._messages_in = messages_in
        self._rounds = 0

    def run(self, stop: threading.Event) -> None:
        """Sweep every second until ``stop``; a ledger or broker that is away is met again at the next round."""
        while not stop.is_set():
            began = time.monotonic()
            try:
                swept = self.sweep()
            except (*LedgerUnavailable, OSError) as error:
                emit(Name.RELAY_SWEEP_FAILED, error=error)
            else:
                if swept != Swept(0, 0, 0):
                    took_s = time.monotonic() - began
                    emit(Name.RELAY_SWEEP_STOP, count=swept.published, waiting=swept.let_go, duration_s=took_s)
            stop.wait(SWEEP_EVERY_S)

    def sweep(self) -> Swept:
        """One round; every tenth one looks at standing rows as well."""
        letters = self._unconfirmed()
        let_go: list[Letter] = []
        orphaned = 0
        if self._rounds % RARELY_EVERY == 0:
            let_go = self._stranded()
            letters += [*let_go, *self._lost()]
            orphaned = self._orphans()
        self._rounds += 1
        forward(self._context, letters)
        rows = sum(len(letter.rows) for letter in letters)
        return Swept(rows, sum(len(letter.rows) for letter in let_go), orphaned)

    def _unconfirmed(self) -> list[Letter]:
        now = self._context.now()
        with self._context.ledger.read() as session:
            events = ledger.events.unpublished(session, now - UNCONFIRMED_AFTER, MOST_ROWS)
            ready = ledger.deliveries.unpublished(session, now - UNCONFIRMED_AFTER, MOST_ROWS)
            overdue = ledger.deliveries.overdue(session, now - OVERDUE_AFTER, MOST_ROWS)
        # An overdue row may have killed its worker: alone it can take no other row along.
        return [
            *letters_for_events(events),
            *letters_for_deliveries(ready),
            *letters_for_deliveries(overdue, singly=True),
        ]

    def _stranded(self) -> list[Letter]:
        with self._context.ledger.write() as session:
            return letters_for_deliveries(ledger.deliveries.let_go_stranded(session, self._context.now()))

    def _lost(self) -> list[Letter]:
        """Rows whose confirmed message is nowhere: their queue is empty and they are long published."""
        before = self._context.now() - LOST_AFTER
        # The broker first: of a queue that is not empty the ledger holds the backlog, and would be asked to look through it.
        waiting = self._messages_in(self._context.fleet.families)
        letters: list[Letter] = []
        with self._context.ledger.read() as session:
            for lane in self._context.fleet.families:
                for family in names.families_of(lane, self._context.topology.domains):
                    for cls in names.CLASSES:
                        if waiting.get(names.queue(family, cls)) == 0:
                            letters += self._lost_of(session, family, cls, before)
        return letters

    def _lost_of(self, session: Session, family: str, cls: names.Class, before: datetime) -> Sequence[Letter]:
        target = names.target_of(family)
        if target is None:
            return letters_for_events(ledger.events.published_before(session, family, cls, before, MOST_ROWS))
        domain = names.domain_of(family)
        return letters_for_deliveries(ledger.deliveries.published_before(session, target, domain, cls, before, MOST_ROWS))

    def _orphans(self) -> int:
        now = self._context.now()
        before = now - timedelta(seconds=self._context.fleet.waits.early_s)
        with self._context.ledger.write() as session:
            return len(ledger.events.park_orphans(session, before, now))
