"""The notifier on a real ledger: one notice a trouble, through restarts and rivals, retried until it is taken."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import ledger.alerts
import ledger.notices
from ledger import migrate
from ledger.alerts import Alert
from ledger.notices import Notice
from ledger.session import Ledger
from ledger.watch_schema import notices
from telemetry.gauges import Reading
from tests.documents import at
from tests.workers.notify.places import Hook, mail_server, web_hook
from workers.notify import notifier as module
from workers.notify.away import LedgerAway
from workers.notify.book import Manners
from workers.notify.destinations import Destination, Destinations
from workers.notify.inbox import Told
from workers.notify.mail import MailDestination, Server
from workers.notify.notifier import Notifier
from workers.notify.rules import PAGE, Sighting
from workers.notify.webhook import WebhookDestination
from workers.notify.wording import trial_body

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SEEN = Reading("millrace_dead_letters_recent", 3)


class Watched:
    """A ledger, what is read of it, a clock and a place that notices go to."""

    def __init__(self, opened: Ledger, hook: Hook) -> None:
        self.ledger = opened
        self.hook = hook
        self.readings: tuple[Reading, ...] = ()
        self.seconds = 0.0

    def now(self) -> datetime:
        return at(self.seconds)

    def notifier(self, place: Destination | None = None) -> Notifier:
        """A new one, as after a restart or beside another."""
        place = place or WebhookDestination(self.hook.url, SECRET)
        return Notifier(
            self.ledger, lambda: self.readings, Destinations({"webhook-1": place}),
            promises=(), bounds={}, installation="test", manners=Manners(), now=self.now,
        )  # fmt: skip

    def round_at(self, seconds: float, *others: Notifier) -> None:
        self.seconds = seconds
        for one in others or (self.notifier(),):
            one.round()

    def alerts(self) -> list[Alert]:
        with self.ledger.read() as session:
            return ledger.alerts.listed(session, 10, resolved=True)

    def rows(self) -> list[Any]:
        with self.ledger.read() as session:
            return list(session.execute(select(notices.c.state, notices.c.attempts, notices.c.told).order_by(notices.c.id)))

    @property
    def types(self) -> list[str]:
        """What was posted."""
        return ["firing" if b'"alert.firing"' in body else "resolved" for _, _, body in self.hook.posts]


@pytest.fixture
def watched(ledger_url: str) -> Iterator[Watched]:
    opened = Ledger(ledger_url)
    migrate.upgrade(opened)
    with web_hook() as hook:
        yield Watched(opened, hook)
    opened.close()


def test_a_trouble_is_told_once_by_two_relays_that_restart_and_its_end_once(watched: Watched) -> None:
    watched.readings = (SEEN,)
    for seconds in (0, 5, 10, 15, 20):
        watched.round_at(seconds, watched.notifier(), watched.notifier())
    watched.readings = ()
    for seconds in (25, 80, 90, 95):
        watched.round_at(seconds, watched.notifier(), watched.notifier())

    assert watched.types == ["firing", "resolved"]
    assert [(alert.name, alert.state) for alert in watched.alerts()] == [("MillraceDeadLetters", "resolved")]
    assert [row.state for row in watched.rows()] == ["sent", "sent"]


def test_two_relays_at_the_same_moment_tell_it_once(watched: Watched) -> None:
    watched.readings = (SEEN,)
    watched.round_at(0)
    watched.seconds = 15
    together = threading.Barrier(2)

    def look() -> None:
        one = watched.notifier()
        together.wait(10)
        one.round()

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert watched.types == ["firing"]


def test_a_notice_that_is_not_taken_waits_longer_each_time_and_keeps_its_id(watched: Watched) -> None:
    watched.readings = (SEEN,)
    watched.hook.status = 503
    watched.round_at(0)
    for seconds in (10, 12, 16, 20, 27):
        watched.round_at(seconds)
    waiting = watched.rows()
    watched.hook.status = 200
    watched.round_at(60)
    watched.round_at(120)

    assert [(row.state, row.told) for row in waiting] == [("waiting", "the webhook answered 503")]
    assert waiting[0].attempts == 3
    assert [row.state for row in watched.rows()] == ["sent"]
    assert len({dict(headers)["webhook-id"] for _, headers, _ in watched.hook.posts}) == 1


def test_after_a_day_a_notice_is_given_up_and_said_to_be(watched: Watched) -> None:
    watched.readings = (SEEN,)
    watched.hook.status = 500
    watched.round_at(0)
    watched.round_at(10)
    watched.readings = ()
    watched.round_at(90_000)

    assert watched.rows()[0].state == "failed"
    assert watched.rows()[0].told == "the webhook answered 500"


def test_a_sender_that_dies_leaves_its_notice_to_the_next(watched: Watched) -> None:
    with watched.ledger.write() as session:
        ledger.notices.add(session, "webhook-1", "a" * 32, {"type": "alert.firing"}, at(0))
        died_with = ledger.notices.take(session, at(0), module.SEND_WITHIN_S, 10)

    watched.round_at(30)
    early = list(watched.hook.posts)
    watched.round_at(61)

    assert len(died_with) == 1
    assert early == []
    assert watched.types == ["firing"]


def test_what_waits_behind_a_place_that_hangs_goes_by_another_relay_and_once(watched: Watched) -> None:
    """The first relay is kept by its first notice for longer than a notice may be held."""
    hangs, goes_on = threading.Event(), threading.Event()
    sent: list[str] = []

    class Slow:
        def send(self, notice: Notice) -> str:
            sent.append(notice.key)
            hangs.set()
            assert goes_on.wait(30)
            return ""

    class Quick:
        def send(self, notice: Notice) -> str:
            sent.append(notice.key)
            return ""

    with watched.ledger.write() as session:
        for key in ("a", "b", "c"):
            ledger.notices.add(session, "webhook-1", key * 32, {"type": "alert.firing"}, at(0))
    first = threading.Thread(target=watched.notifier(Slow()).send, args=(at(0),))
    first.start()
    assert hangs.wait(30)
    watched.seconds = 59
    watched.notifier(Quick()).send(at(59))
    goes_on.set()
    first.join(30)

    assert [key[0] for key in sent] == ["a", "b", "c"]
    assert [row.state for row in watched.rows()] == ["sent"] * 3


def test_a_notice_that_no_place_can_take_keeps_no_other_from_going(watched: Watched, tmp_path: Path) -> None:
    with mail_server(tmp_path, tls=False) as server:
        place = MailDestination(
            Server("127.0.0.1", server.port, whole=False), "millrace@example.com", ["ann@example.com"], "test"
        )
        with watched.ledger.write() as session:
            ledger.notices.add(session, "webhook-1", "a" * 32, {"type": "of a release that is not known here"}, at(0))
            ledger.notices.add(session, "webhook-1", "b" * 32, trial_body("test", at(0)), at(0))

        watched.notifier(place).round()

    assert [str(letter["Subject"]) for _, letter in server.box.mails] == ["[millrace test] TEST MillraceTest"]
    assert [(row.state, row.told) for row in watched.rows()] == [("waiting", "it could not be sent (KeyError)"), ("sent", "")]


def test_what_an_operator_took_is_told_no_more(watched: Watched) -> None:
    watched.readings = (SEEN,)
    watched.round_at(0)
    (alert,) = watched.alerts()
    with watched.ledger.write() as session:
        ledger.alerts.acknowledge(session, alert.fingerprint, "ann", at(5))
    watched.round_at(15)
    watched.round_at(20_000)

    assert watched.types == []
    assert watched.alerts()[0].acked_by == "ann"


def test_what_alertmanager_tells_goes_the_same_way_and_ends_when_it_says_so(watched: Watched) -> None:
    theirs = Sighting("HostDown", PAGE, {"pool": "deliver"}, "a host is down", "docs/alerts.md", 0)
    one = watched.notifier()
    one.take(Told((theirs,), ()))
    watched.round_at(5)
    one.take(Told((theirs,), ()))
    watched.round_at(15)
    firing = list(watched.types)
    one.take(Told((), (theirs.fingerprint,)))
    watched.round_at(20)

    assert firing == ["firing"]
    assert watched.types == ["firing", "resolved"]
    assert [(alert.origin, alert.state) for alert in watched.alerts()] == [("alertmanager", "resolved")]


def test_a_trouble_that_both_see_is_one_alert(watched: Watched) -> None:
    watched.readings = (SEEN,)
    watched.round_at(0)
    own = watched.alerts()[0]
    one = watched.notifier()
    one.take(Told((Sighting(own.name, PAGE, {}, "the same", "docs/alerts.md", 0),), ()))
    watched.round_at(15)
    one.take(Told((), (own.fingerprint,)))
    watched.round_at(20)

    assert watched.types == ["firing"]
    assert [(alert.origin, alert.state) for alert in watched.alerts()] == [("own", "firing")]


def test_a_ledger_that_is_away_is_told_straight_once_and_its_return_too(watched: Watched, tmp_path: Any) -> None:
    away = LedgerAway(Destinations({"webhook-1": WebhookDestination(watched.hook.url, SECRET)}), "test")

    away.silent(at(0), 0)
    away.silent(at(59), 59)
    quiet = list(watched.types)
    watched.hook.status = 500
    away.silent(at(60), 60)
    watched.hook.status = 200
    for seconds in (65, 70, 75):
        away.silent(at(seconds), seconds)
    watched.hook.status = 500
    for name, body in away.ended(at(80)).items():
        with watched.ledger.write() as session:
            ledger.notices.add(session, name, "b" * 32, body, at(80))
    away.forget()
    watched.round_at(80)
    watched.hook.status = 200
    watched.round_at(90)

    assert quiet == []
    assert away.ended(at(95)) == {}
    assert watched.types == ["firing", "firing", "resolved", "resolved"]
    assert [row.state for row in watched.rows()] == ["sent"]


def test_the_loop_outlives_a_ledger_without_tables_and_tells_nobody_too_early(tmp_path: Any) -> None:
    empty = Ledger(f"sqlite:///{tmp_path / 'empty.db'}")
    stop = threading.Event()
    looks = [0]

    def now() -> datetime:
        looks[0] += 1
        stop.set()
        return at(0)

    one = Notifier(empty, tuple, Destinations({}), promises=(), bounds={}, installation="t", manners=Manners(), now=now)
    one.run(stop)

    assert looks[0] >= 1
    empty.close()


def test_old_alerts_and_notices_are_forgotten_after_a_week(watched: Watched) -> None:
    watched.readings = (SEEN,)
    watched.round_at(0)
    watched.round_at(15)
    watched.readings = ()
    watched.round_at(80)
    watched.round_at(85)

    watched.round_at(timedelta(days=8).total_seconds())

    assert watched.alerts() == []
    assert watched.rows() == []
