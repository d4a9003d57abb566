"""Service levels: every row is judged once at its deadline, whatever became of it, on both databases."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

import pytest

from ledger import migrate, service_levels
from ledger.schema import deliveries, documents, events
from ledger.service_levels import Level, Misses, Promise
from ledger.session import Ledger, Session
from tests.documents import MORNING, at

ORDERS = Promise("order_creation", "orders", "order.create", 900)
NOON = at(4 * 3600)
VERSIONS = count(1)


@pytest.fixture
def opened(ledger_url: str) -> Iterator[Ledger]:
    made = Ledger(ledger_url)
    migrate.upgrade(made)
    with made.write() as session:
        session.execute(
            documents.insert().values(
                id=1, kind="order", source="s", key="k", order_key="k", version=1, status="open", updated_at=MORNING
            )
        )
        service_levels.judge(session, [ORDERS], MORNING)
    yield made
    made.close()


def deliver(
    session: Session, state: str, *, accepted: float = 0, created: float = 1, settled: float | None = None,
    operation: str = "order.create",
) -> None:  # fmt: skip
    """A delivery; times are seconds into the morning."""
    session.execute(
        deliveries.insert().values(
            document_id=1, version=next(VERSIONS), target="erp", operation=operation, business_key="k", entity="s/k",
            domain="orders", calls=1, references={}, correlation_id="c", state=state, uncertain=False, attempts=0, lost_claims=0,
            accepted_at=at(accepted), created_at=at(created), settled_at=None if settled is None else at(settled),
            **{"class": "high"},
        )
    )  # fmt: skip


def receive(session: Session, state: str, key: str, received: datetime = MORNING) -> None:
    session.execute(
        events.insert().values(
            source="s", event_key=key, topic="orders/create", domain="orders", headers={}, body=b"{}", correlation_id="c",
            received_at=received, state=state, **{"class": "high"},
        )
    )  # fmt: skip


def judged(opened: Ledger, now: datetime) -> Level:
    with opened.write() as session:
        service_levels.judge(session, [ORDERS], now)
        (level,) = service_levels.levels(session)
    return level


def test_what_is_done_in_time_is_kept_and_everything_else_is_missed_when_it_is_due(opened: Ledger) -> None:
    with opened.write() as session:
        deliver(session, "done", settled=899.5)
        deliver(session, "done", settled=901)
        deliver(session, "retrying")
        deliver(session, "waiting")
        deliver(session, "parked", settled=3)
        deliver(session, "dropped", settled=3)
        deliver(session, "done", settled=2, operation="order.update")
        receive(session, "accepted", "stuck")
        receive(session, "parked", "unreadable")
        receive(session, "done", "prepared")

    assert judged(opened, NOON) == Level("order_creation", kept=1, late=4, parked=2)


def test_nothing_is_judged_before_its_deadline_and_nothing_twice(opened: Ledger) -> None:
    with opened.write() as session:
        deliver(session, "queued", accepted=0, created=1)
        receive(session, "accepted", "one")

    early, due, again = judged(opened, at(890)), judged(opened, at(902)), judged(opened, at(2_000))

    assert (early.late, due.late, again.late) == (0, 2, 2)


def test_an_event_that_was_prepared_too_late_is_not_judged_a_second_time_by_its_delivery(opened: Ledger) -> None:
    with opened.write() as session:
        receive(session, "accepted", "slow")
    judged(opened, at(1_000))
    with opened.write() as session:
        deliver(session, "done", accepted=0, created=1_100, settled=1_101)

    assert judged(opened, NOON) == Level("order_creation", kept=0, late=1, parked=0)


def test_what_was_there_before_the_first_look_is_left_alone(ledger_url: str) -> None:
    opened = Ledger(ledger_url)
    migrate.upgrade(opened)
    with opened.write() as session:
        receive(session, "accepted", "old")

    first, second = judged(opened, NOON), judged(opened, NOON)
    opened.close()

    assert first == second == Level("order_creation", 0, 0, 0)


def test_a_long_queue_is_judged_in_stretches_until_nothing_is_left(opened: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_levels, "MOST_ROWS", 4)
    with opened.write() as session:
        for number in range(10):
            receive(session, "accepted", f"e{number}")

    assert [judged(opened, NOON).late for _ in range(4)] == [4, 8, 10, 10]


def test_misses_are_told_by_window_and_forgotten_after_it(opened: Ledger) -> None:
    with opened.write() as session:
        deliver(session, "done", settled=5)
        receive(session, "accepted", "late")
    judged(opened, NOON)

    with opened.write() as session:
        within = service_levels.misses(session, NOON - timedelta(minutes=5))
        after = service_levels.misses(session, NOON + timedelta(minutes=1))
        service_levels.forget(session, NOON + timedelta(days=5))
        forgotten = service_levels.misses(session, MORNING)
        (level,) = service_levels.levels(session)

    assert within == {"order_creation": Misses(kept=1, missed=1)}
    assert within["order_creation"].ratio == 0.5
    assert (after, forgotten) == ({}, {})
    assert level.kept == 1
