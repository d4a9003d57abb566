"""What waits, told without reading all of it: counts up to a bound, exact oldest ages, plans that use the indexes."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

import ledger.standing
from ledger import migrate
from ledger.schema import PICKABLE_ROWS, attempts, deliveries, documents, events
from ledger.session import Ledger
from routing.names import CLASSES
from tests.documents import MORNING

DOMAINS = ("orders", "shipments", "returns")


@pytest.fixture
def opened(ledger_url: str) -> Iterator[Ledger]:
    made = Ledger(ledger_url)
    migrate.upgrade(made)
    yield made
    made.close()


def fill(opened: Ledger, rows: list[tuple[str, str, str, str, datetime]]) -> None:
    """Deliveries by target, domain, class, state and time of acceptance."""
    with opened.write() as session:
        session.execute(
            documents.insert().values(
                id=1, kind="order", source="s", key="k", order_key="k", version=1, status="open", updated_at=MORNING
            )
        )
        for number, (target, domain, cls, state, at) in enumerate(rows):
            session.execute(
                deliveries.insert().values(
                    document_id=1,
                    version=1,
                    target=target,
                    operation="order.create",
                    business_key=f"k{number}",
                    entity="s/k",
                    domain=domain,
                    calls=1,
                    references={},
                    correlation_id="c",
                    state=state,
                    uncertain=False,
                    attempts=0,
                    lost_claims=0,
                    accepted_at=at,
                    created_at=at,
                    **{"class": cls},
                )
            )


def test_what_waits_is_counted_by_domain_class_and_state_with_the_oldest(opened: Ledger) -> None:
    old = MORNING - timedelta(hours=2)
    fill(
        opened,
        [
            ("erp", "orders", "high", "queued", MORNING),
            ("erp", "orders", "high", "queued", old),
            ("erp", "orders", "low", "retrying", MORNING),
            ("erp", "returns", "low", "done", old),
            ("erp", "returns", "low", "claimed", old),
            ("other", "orders", "high", "queued", old),
        ],
    )

    with opened.read() as session:
        cells = ledger.standing.of_target(session, "erp", DOMAINS, CLASSES)
        beside = ledger.standing.remembered(session)

    assert [(c.lane, c.domain, c.cls, c.state, c.count, c.oldest_at) for c in cells] == [
        ("deliver.erp", "orders", "high", "queued", 2, old),
        ("deliver.erp", "orders", "low", "retrying", 1, MORNING),
    ]
    assert [(c.lane, c.domain, c.state, c.count) for c in beside] == [("deliver.erp", "returns", "claimed", 1)]


def test_counting_ends_at_its_bound_and_the_age_stays_exact(opened: Ledger) -> None:
    fill(opened, [("erp", "orders", "low", "queued", MORNING + timedelta(seconds=n)) for n in range(30, -1, -1)])

    with opened.read() as session:
        (cell,) = ledger.standing.of_target(session, "erp", DOMAINS, CLASSES, most=10)

    assert (cell.count, cell.oldest_at) == (10, MORNING)


def test_events_are_counted_by_domain_and_class(opened: Ledger) -> None:
    with opened.write() as session:
        for number, (domain, cls, state) in enumerate(
            [
                ("orders", "high", "accepted"),
                ("orders", "high", "done"),
                ("returns", "low", "accepted"),
                ("orders", "low", "waiting"),
            ]
        ):
            session.execute(
                events.insert().values(
                    source="s",
                    event_key=f"e{number}",
                    topic="t",
                    domain=domain,
                    headers={},
                    body=b"",
                    correlation_id="c",
                    received_at=MORNING,
                    state=state,
                    **{"class": cls},
                )
            )

    with opened.read() as session:
        cells = ledger.standing.of_events(session, DOMAINS, CLASSES)
        beside = ledger.standing.remembered(session)

    assert [(c.lane, c.cls, c.count) for c in cells] == [("orders", "high", 1), ("returns", "low", 1)]
    assert [(c.lane, c.cls, c.state) for c in beside] == [("orders", "low", "waiting")]


def test_the_oldest_and_the_count_are_read_from_the_index_of_the_lane(opened: Ledger) -> None:
    fill(opened, [("erp", "orders", cls, "queued", MORNING) for cls in CLASSES for _ in range(200)])
    one = f"target = 'erp' and domain = 'orders' and class = 'high' and state = 'queued' and {PICKABLE_ROWS}"
    with opened.write() as session:
        postgres = session.dialect.name == "postgresql"
        if postgres:
            session.execute(text("set local enable_seqscan = off"))
        session.execute(text("analyze deliveries"))
        explain = "explain " if postgres else "explain query plan "
        plans = [
            " ".join(str(row) for row in session.execute(text(f"{explain}{query}")))
            for query in (
                f"select min(accepted_at) from deliveries where {one}",
                f"select count(*) from (select id from deliveries where {one} limit 10) as few",
            )
        ]

    assert all("ix_deliveries_lane" in plan for plan in plans), plans


def test_a_pace_is_told_by_target_from_the_latest_attempts(opened: Ledger) -> None:
    fill(opened, [("erp", "orders", "high", "done", MORNING), ("other", "orders", "high", "done", MORNING)])
    with opened.write() as session:
        ids = [row[0] for row in session.execute(text("select id from deliveries order by id"))]
        told = [(ids[0], "Done", 5), (ids[0], "Done", 40), (ids[1], "Unavailable", 5), (ids[1], "AlreadyDone", 3)]
        for delivery, outcome, ago_s in told:
            at = MORNING - timedelta(seconds=ago_s)
            session.execute(
                attempts.insert().values(delivery_id=delivery, started_at=at, ended_at=at, outcome=outcome, detail="")
            )

    with opened.read() as session:
        paces = ledger.standing.paces(session, MORNING - timedelta(seconds=30))

    assert sorted((pace.target, pace.done) for pace in paces) == [("erp", 1), ("other", 1)]
