"""Whole states that are told while others are being sent: on both databases none goes back, and the newest is the last."""

import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

import ledger.deliveries
import ledger.events
from ledger.deliveries import Settlement
from ledger.events import NewEvent
from tasks.prepare import prepare
from tests.documents import a_position
from tests.live import wait_until
from tests.tasks.world import World, a_stock_fleet, a_world

SKUS, COUNTS, PREPARING, SENDING = 6, 20, 3, 3


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url, items=False, fleet=a_stock_fleet()) as made:
        yield made


def accepted(world: World) -> list[int]:
    told = [(f"SKU-{n}", count) for count in range(COUNTS) for n in range(SKUS)]
    new = [
        NewEvent("shopify", f"{sku}-{count}", "told", "stock", "normal", {},
                 a_position(sku, available=count, told_at=count).model_dump_json().encode(), "c", world.clock.now())
        for sku, count in told
    ]  # fmt: skip
    with world.ledger.write() as session:
        return [receipt.id for receipt in ledger.events.accept(session, new)]


def send_some(world: World, sent: list[tuple[str, int]]) -> int:
    """Claim what there is, note what would be sent, settle it; returns how many."""
    now = world.clock.now()
    ids = [int(str(row[0])) for row in world.rows("select id from deliveries where state in ('ready', 'queued')")]
    with world.ledger.write() as session:
        until = now + timedelta(seconds=60)
        claimed, _ = ledger.deliveries.claim(session, ids, uuid.uuid4().hex, now, now, until)
    sent += [(row.business_key, row.version) for row in claimed]
    done = [Settlement(row.id, row.claim, "done", "Done", "", now, remote_id="r", attempts=1) for row in claimed]
    with world.ledger.write() as session:
        ledger.deliveries.settle(session, done, now)
    return len(claimed)


def test_positions_prepared_and_sent_side_by_side_never_go_back_and_end_with_the_newest(world: World) -> None:
    ids = accepted(world)
    random.Random(7).shuffle(ids)
    bundles = [ids[start : start + 4] for start in range(0, len(ids), 4)]
    sent: list[tuple[str, int]] = []
    told_out = False

    def send() -> None:
        while not told_out or send_some(world, sent):
            send_some(world, sent)

    with ThreadPoolExecutor(PREPARING + SENDING) as crowd:
        senders = [crowd.submit(send) for _ in range(SENDING)]
        list(crowd.map(lambda bundle: prepare(world.context, bundle), bundles))
        told_out = True
        for sender in senders:
            sender.result()

    versions = {str(key): version for key, version in world.rows("select key, version from documents")}
    by_sku: dict[str, list[int]] = {}
    for business_key, version in sent:
        by_sku.setdefault(business_key.rpartition("/")[2], []).append(version)
    assert all(order == sorted(set(order)) for order in by_sku.values()), by_sku
    assert {sku: order[-1] for sku, order in by_sku.items()} == versions
    assert world.rows("select count(*) from deliveries where state <> 'done'") == [(0,)]


def test_a_place_that_is_being_claimed_is_waited_for_and_then_left_to_its_worker(postgres_url: str) -> None:
    with a_world(postgres_url, items=False, fleet=a_stock_fleet()) as world, ThreadPoolExecutor(1) as crowd:
        world.prepare(*world.tell(a_position(told_at=0)))
        [newer] = world.tell(a_position(available=1, told_at=1))
        now = world.clock.now()

        with world.ledger.write() as session:
            [claimed], _ = ledger.deliveries.claim(session, [1], "w", now, now, now + timedelta(seconds=60))
            preparing = crowd.submit(world.prepare, newer)
            waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            wait_until(lambda: world.rows(waits) == [(1,)], 20, "the preparing that waits for the claim")
        preparing.result(20)

        assert claimed.version == 1
        assert world.rows("select version, state, claim from deliveries order by id") == [
            (1, "claimed", "w"),
            (2, "waiting", None),
        ]
