"""Stock on a running fleet: every event told twice, the receiving side down, an answer lost; sent once, newest last, counted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from adapters.wire.standard_webhooks import secret_bytes, signed_headers
from config.settings import load_secrets
from ledger import performance
from ledger.counts import SETTLING, Accuracy, accuracy
from tests.docs.pages import ROOT
from tests.fleet.running import TestFleet, a_fleet
from tests.live import Rabbit, wait_until
from workers.bootstrap import build_context, close_context, now
from workers.business_figures import business_of
from workers.console.desk import Desk
from workers.console.pages.overview import Tile, picture
from workers.sandbox.journal import Entry, entries
from workers.sandbox.judge import ExpectedEffect, judge
from workers.sandbox.serve import webhook_log

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(300)]

QUICK = """
[waits]
first_retry_s = 0.5
longest_retry_s = 1

[sources.stores-counts]
channel = "open"
secrets = ["OPEN"]
speaks_for = "stores"
"""
COUNTED = datetime.now(UTC) - timedelta(minutes=1)
OLD, NEW, NEWEST = (COUNTED + timedelta(seconds=s) for s in (0, 10, 20))


@pytest.fixture
def fleet(tmp_path: Path, rabbit: Rabbit, redis_url: str, sqlite_url: str) -> Iterator[TestFleet]:
    text = (ROOT / "config" / "with-stock.toml").read_text() + QUICK
    with a_fleet(tmp_path, text, broker_url=rabbit.url, redis_url=redis_url, ledger_url=sqlite_url) as running:
        yield running


class Teller:
    """A merchandising system that tells stock to the open channel, each event twice."""

    def __init__(self, fleet: TestFleet) -> None:
        self._fleet = fleet
        self._receiver = fleet.running.urls["receiver"]
        self._key = secret_bytes((fleet.running.folder / "secrets" / "OPEN").read_text())
        self._sent = 0

    def tell(self, kind: str, as_of: datetime, source: str = "open", **data: Any) -> None:
        """One event, two times under one id, as senders do that did not hear the first answer."""
        self._sent += 1
        envelope = {"type": f"{kind}.upserted", "timestamp": as_of.isoformat(), "data": data | {"as_of": as_of.isoformat()}}
        body = json.dumps(envelope).encode()
        for _ in range(2):
            headers = signed_headers((self._key,), f"event-{self._sent}", int(now().timestamp()), body)
            with urlopen(Request(f"{self._receiver}/in/{source}", body, dict(headers)), timeout=30) as answer:
                assert answer.status == 200

    def position(self, sku: str, available: int, as_of: datetime) -> None:
        self.tell("stock", as_of, sku=sku, location="berlin", available=available)

    def count(self, sku: str, available: int) -> None:
        """What the receiving side shows, when all that it answered has settled."""
        as_of = now() + SETTLING + timedelta(seconds=1)
        self.tell("count", as_of, "stores-counts", sku=sku, location="berlin", available=available)

    def all_is_read(self) -> None:
        """Wait until every event was prepared."""
        unread = "select count(*) from events where state not in ('done', 'stale')"
        wait_until(lambda: self._fleet.rows(unread) == [(0,)], 60)


def control(fleet: TestFleet, method: str, path: str, body: object = None) -> None:
    """Speak to the receiving side's control interface."""
    data = None if body is None else json.dumps(body).encode()
    url = f"{fleet.running.urls['sandbox']}/webhooks/sandbox/{path}"
    with urlopen(Request(url, data, method=method), timeout=5) as answer:
        assert answer.status < 300


def taken_in(fleet: TestFleet) -> list[Entry]:
    return [one for one in entries(webhook_log(fleet.running.folder / "sandbox-erp.jsonl")) if one.committed]


def pending(fleet: TestFleet) -> dict[str, float]:
    """What the relay tells of pending reservations."""
    told = business_of(fleet.ledger, fleet.running.settings.fleet, now())
    return {
        reading.metric: reading.value
        for reading in told
        if reading.metric == "millrace_reservations_pending"
        and reading.labels == {"channel": "open", "target": "stores", "class": "high"}
    }


def tile(fleet: TestFleet) -> Tile:
    """What the console's overview shows of them."""
    context = build_context(fleet.running.settings, load_secrets(fleet.running.environment))
    desk = Desk(context, fleet.running.settings)
    try:
        return next(one for one in picture(desk).tiles if one.title == "Reservations pending")
    finally:
        desk.close()
        close_context(context)


def test_stock_is_published_once_and_the_newest_last_whatever_is_repeated_lost_or_down(fleet: TestFleet) -> None:
    teller = Teller(fleet)
    control(fleet, "POST", "faults", {"kind": "outage"})
    for sku in ("A", "B", "C"):
        teller.position(sku, 9, OLD)
    line = {"sku": "A", "quantity": 1, "location": "berlin"}
    teller.tell("reservation", OLD, key="V-1", order_key="1001", lines=[line])
    wait_until(lambda: fleet.rows("select state from deliveries where operation = 'reservation.create'") == [("retrying",)], 60)

    waiting = tile(fleet)
    assert pending(fleet) == {"millrace_reservations_pending": 1.0}
    assert (waiting.figure, waiting.tone, waiting.link) == ("1", "warn", "/lanes/deliver.stores")

    teller.position("B", 5, NEW)
    teller.position("A", 7, NEWEST)
    # Two processes read what is told: the older count is sent when the newer one is known.
    teller.all_is_read()
    teller.position("A", 8, NEW)
    teller.all_is_read()
    control(fleet, "DELETE", "faults")
    control(fleet, "POST", "faults", {"kind": "lost_answer", "operation": "stock.publish", "next": 1})
    fleet.wait_for_states({"done": 4})

    told = {one.external_id: one for one in taken_in(fleet)}
    assert {key: one.quantity for key, one in told.items()} == {
        "open/A@berlin": "7", "open/B@berlin": "5", "open/C@berlin": "9", "open/V-1": None,
    }  # fmt: skip
    expected = [
        ExpectedEffect(str(one.record), str(one.external_id), version)
        for one, version in ((told["open/A@berlin"], "2"), (told["open/B@berlin"], "2"), (told["open/C@berlin"], "1"))
    ]
    verdict = judge(
        webhook_log(fleet.running.folder / "sandbox-erp.jsonl"), [*expected, ExpectedEffect("reservation", "open/V-1", "1")]
    )
    assert verdict.clean, verdict
    assert (verdict.committed, verdict.replayed) == (4, 1)
    assert pending(fleet) == {}
    assert (tile(fleet).figure, tile(fleet).tone) == ("0", "good")
    with fleet.ledger.read() as session:
        assert performance.posting_latency(session, now() - timedelta(minutes=5), "stock.publish").count == 3

    for sku, believed in (("A", 7), ("B", 9), ("D", 1)):
        teller.count(sku, believed)
    teller.all_is_read()
    with fleet.ledger.read() as session:
        stores = Accuracy("stores", equal=1, different=1, unpublished=1, over=4)
        assert accuracy(session, ["stores"], now() - timedelta(minutes=5)) == [stores]
