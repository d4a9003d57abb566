"""Runs the notifier beside the relay: judges service levels, looks for what is wrong, writes notices and sends them."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from uuid import uuid4

import ledger.alerts
import ledger.notices
import ledger.oversell
import ledger.unreserved
from ledger import service_levels
from ledger.alerts import Alert
from ledger.notices import Notice
from ledger.session import Ledger, LedgerUnavailable, Session
from telemetry.bus import emit
from telemetry.events import Name
from telemetry.gauges import Reading
from workers.notify import book
from workers.notify.away import LedgerAway, Marks
from workers.notify.book import Manners
from workers.notify.destinations import Destinations
from workers.notify.inbox import Told
from workers.notify.rules import sightings
from workers.notify.wording import body_of

EVERY_S = 5.0
CLEAN_EVERY = 720
"""Rounds between looks for what can be forgotten: about an hour."""
SEND_WITHIN_S = 60.0
SENDING_S = 10.0
"""Time of a round after which no more is sent in it: places that hang must not keep the next look waiting."""
MOST_SENT = 20
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 900.0
GIVE_UP_AFTER = timedelta(days=1)


class Notifier:
    """Works once every few seconds; several relays share the work through the ledger, and nothing is told twice."""

    def __init__(
        self,
        opened: Ledger,
        read: Callable[[], tuple[Reading, ...]],
        destinations: Destinations,
        *,
        promises: tuple[service_levels.Promise, ...],
        bounds: Mapping[str, float],
        installation: str,
        manners: Manners,
        now: Callable[[], datetime],
        marks: Marks | None = None,
    ) -> None:
        """``read`` gives the figures, ``bounds`` are the values of `[service_levels]` by key; ``marks`` are what relays agree by
        while the ledger is away.
        """
        self._ledger = opened
        self._read = read
        self._destinations = destinations
        self._promises = promises
        self._bounds = bounds
        self._installation = installation
        self._manners = manners
        self._now = now
        self._rounds = 0
        self._away = LedgerAway(destinations, installation, marks)

    def run(self, stop: threading.Event) -> None:
        """Round after round until ``stop``; a ledger that is away is told of, and met again at the next round."""
        while not stop.is_set():
            try:
                self.round()
                self._tell_of_the_return()
            except LedgerUnavailable as error:
                emit(Name.ALERT_LOOK_FAILED, error=error)
                self._ask_the_ledger()
            except Exception as error:  # noqa: BLE001  a fault of ours in a look must not end the relay's thread
                emit(Name.ALERT_LOOK_FAILED, error=error)
            stop.wait(EVERY_S)

    def round(self) -> None:
        """Judge, look, write, send."""
        now = self._now()
        with self._ledger.write() as session:
            service_levels.judge(session, self._promises, now)
        self.look(now)
        self.send(now)
        self._rounds += 1
        if self._rounds % CLEAN_EVERY == 1:
            self._clean(now)

    def _ask_the_ledger(self) -> None:
        """Whether it is away: a statement may fail for other reasons, such as a right that is missing."""
        try:
            self._ledger.ping()
        except LedgerUnavailable:
            self._away.silent(self._now(), time.monotonic())

    def look(self, now: datetime) -> None:
        """Bring the book up to date with the figures of now, and write the notices that are due."""
        seen = sightings(self._read(), self._bounds)
        with self._ledger.write() as session:
            known = {alert.fingerprint: alert for alert in ledger.alerts.live(session, lock=True)}
            after = book.after_look(known, seen, now, clear_after_s=self._manners.clear_after_s)
            self._settle(session, known, after, now)

    def take(self, told: Told) -> None:
        """Bring the book up to date with what Alertmanager tells. Raises one of LedgerUnavailable."""
        now = self._now()
        with self._ledger.write() as session:
            known = {alert.fingerprint: alert for alert in ledger.alerts.live(session, lock=True)}
            theirs = {fp: alert for fp, alert in known.items() if alert.origin == book.ALERTMANAGER and fp in told.over}
            heard = [sighting for sighting in told.firing if _is_theirs(known.get(sighting.fingerprint))]
            after = known | book.after_look(theirs, (), now, book.ALERTMANAGER, clear_after_s=0)
            seen = book.after_look({s.fingerprint: known[s.fingerprint] for s in heard if s.fingerprint in known}, heard, now,
                                   book.ALERTMANAGER)  # fmt: skip
            self._settle(session, known, after | seen, now)

    def send(self, now: datetime) -> None:
        """Send what is due; what was not taken waits longer each time, for a day."""
        ends = time.monotonic() + SENDING_S
        for _ in range(MOST_SENT):
            # One by one: what waits behind a place that hangs must not be held by us when its time to be sent is over.
            with self._ledger.write() as session:
                taken = ledger.notices.take(session, now, SEND_WITHIN_S, 1)
            for notice in taken:
                why = self._sent(notice)
                with self._ledger.write() as session:
                    _note(session, notice, why, self._now())
            if not taken or time.monotonic() >= ends:
                return
            now = self._now()

    def _settle(self, session: Session, known: Mapping[str, Alert], after: Mapping[str, Alert], now: datetime) -> None:
        """Write what changed and what is to be told, in one transaction."""
        changed = {fp: alert for fp, alert in after.items() if known.get(fp) != alert}
        for alert in book.ended_in_silence(after.values(), now):
            changed[alert.fingerprint] = alert
        for group in book.to_tell(after.values(), now, self._manners):
            for destination in self._destinations.by_name:
                body = body_of(group, self._installation, now)
                ledger.notices.add(session, destination, uuid4().hex, body, now)
            changed |= {alert.fingerprint: alert for alert in book.told(group.alerts, now)}
            emit(Name.ALERT_TELL_DONE, state=group.state, reason=group.name, count=len(group.alerts))
        ledger.alerts.put(session, list(changed.values()))

    def _sent(self, notice: Notice) -> str:
        destination = self._destinations.by_name.get(notice.destination)
        if destination is None:
            return "this destination is not configured any more"
        try:
            return destination.send(notice)
        except Exception as error:  # noqa: BLE001  one notice that cannot be sent must not keep the others from going
            return f"it could not be sent ({type(error).__name__})"

    def _tell_of_the_return(self) -> None:
        """The ledger answers: who was told that it is away hears of its return, by notices that wait until they are taken."""
        ended = self._away.ended(self._now())
        if ended:
            with self._ledger.write() as session:
                for name, body in ended.items():
                    ledger.notices.add(session, name, uuid4().hex, body, self._now())
        self._away.forget()

    def _clean(self, now: datetime) -> None:
        with self._ledger.write() as session:
            service_levels.forget(session, now)
            ledger.alerts.remove_over(session, now)
            ledger.notices.remove_old(session, now)
            ledger.oversell.forget(session, now)
            ledger.unreserved.forget(session, now)


def _is_theirs(alert: Alert | None) -> bool:
    return alert is None or alert.origin == book.ALERTMANAGER


def _note(session: Session, notice: Notice, why: str, now: datetime) -> None:
    if not why:
        ledger.notices.sent(session, notice.id, now)
        emit(Name.ALERT_SEND_DONE, queue=notice.destination, attempt=notice.attempts)
    elif now - notice.created_at >= GIVE_UP_AFTER:
        ledger.notices.give_up(session, notice.id, why, now)
        emit(Name.ALERT_SEND_FAILED, queue=notice.destination, attempt=notice.attempts, reason=why, state="failed")
    else:
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (notice.attempts - 1))
        ledger.notices.again(session, notice.id, why, now + timedelta(seconds=wait_s))
        emit(Name.ALERT_SEND_FAILED, queue=notice.destination, attempt=notice.attempts, reason=why, state="waiting")
