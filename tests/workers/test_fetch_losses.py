"""Live: connections, processes and whole workers are lost, and no message with them."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Rabbit, wait_until
from tests.workers.fetching import LANE, LIMIT, ORDERS, TARGET, Field, Workers, workers_on

QUEUES = {"threads": f"{ORDERS}.normal", "prefork": "orders.normal"}
FAMILIES = {"threads": LANE, "prefork": "orders"}
KILLER = 2_000_001


@pytest.fixture
def workers(rabbit: Rabbit, tmp_path: Path) -> Iterator[Workers]:
    with workers_on(Field(rabbit), tmp_path) as started:
        yield started


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_five_lost_connections_lose_nothing_and_the_worker_goes_on(workers: Workers, pool: str) -> None:
    field, family = workers.field, FAMILIES[pool]
    field.send(QUEUES[pool], range(1, 601))
    worker = workers.start(pool=pool, families=[family], concurrency=4, service_s=0.02)

    for round_ in range(1, 6):
        worker.wait_ran(round_ * 80)
        wait_until(field.break_connections, 10, "a connection to break")
    wait_until(lambda: {one.row for one in worker.ran} >= set(range(1, 601)), 60, "every row run")

    wait_until(lambda: field.unacked(QUEUES[pool]) == 0, 20, "all acknowledged")
    assert field.depth(QUEUES[pool]) == 0
    assert field.dead(family) == []
    # What ran or finished when a connection went runs once more; the rest runs once.
    assert len(worker.ran) <= 600 + 5 * 3 * 4
    assert worker.process.poll() is None
    field.send(QUEUES[pool], [601])
    wait_until(lambda: worker.ran[-1].row == 601)


def test_a_process_that_is_killed_gives_its_message_back_until_the_delivery_limit(workers: Workers) -> None:
    field = workers.field
    field.send("orders.normal", [KILLER, *range(1, 41)])

    worker = workers.start(pool="prefork", families=["orders"], concurrency=2)
    wait_until(lambda: field.depth("dead.orders") == 1, 60, "the killer dead-lettered")
    wait_until(lambda: {one.row for one in worker.ran} >= set(range(1, 41)), 30, "the others run")

    runs = Counter(one.row for one in worker.ran)
    assert runs.pop(KILLER) == LIMIT + 1
    assert set(runs.values()) == {1}
    assert field.dead("orders") == [(KILLER, "delivery_limit")]
    assert worker.process.poll() is None


def test_a_message_that_kills_every_worker_is_dead_lettered_alone(workers: Workers) -> None:
    field = workers.field
    rows = [*range(1, 9), KILLER, *range(9, 30)]
    field.send(f"{ORDERS}.normal", rows)

    for _ in range(LIMIT + 1):
        worker = workers.start(ready=False, concurrency=4, service_s=0.01)
        worker.process.wait(30)
    worker = workers.start(concurrency=4)
    wait_until(lambda: {one.row for one in worker.ran} >= set(rows), 30, "the others run")

    wait_until(lambda: field.depth(f"dead.{LANE}") == 1, 20, "the killer dead-lettered")
    assert field.dead(LANE) == [(KILLER, "delivery_limit")]
    assert Counter(one.row for one in worker.ran)[KILLER] == LIMIT + 1
    wait_until(lambda: field.unacked(f"{ORDERS}.normal") == 0 and field.depth(f"{ORDERS}.normal") == 0, 20, "nothing left")


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_worker_killed_outright_loses_nothing(workers: Workers, pool: str) -> None:
    field, queue = workers.field, QUEUES[pool]
    field.send(queue, range(1, 101))
    first = workers.start(pool=pool, families=[FAMILIES[pool]], concurrency=4, service_s=0.05)
    first.wait_ran(20)

    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait(10)
    second = workers.start(pool=pool, families=[FAMILIES[pool]], concurrency=4)
    wait_until(lambda: {one.row for one in second.ran} == set(range(1, 101)), 30, "every row run")

    wait_until(lambda: field.unacked(queue) == 0 and field.depth(queue) == 0, 20, "nothing left")


def test_permits_are_given_back_for_every_fate_of_a_message(workers: Workers) -> None:
    field = workers.field
    limits = {TARGET: {"rate_per_s": 2000, "burst": 100, "concurrency": 8}}
    worker = workers.start(concurrency=8, limits=limits)
    field.control.revoke("revoked-one", destination=[worker.name])
    wait_until(lambda: "revoked-one" in field.ask("revoked", worker))
    for first in range(1, 101):
        field.send(f"{ORDERS}.high", [first, first + 100, first + 200])
        field.send(f"{ORDERS}.low", [1_000_000 + first])
        field.send(f"{ORDERS}.normal", [5], id="revoked-one")
    field.send(f"{ORDERS}.normal", [400 + n for n in range(20)], expires="2001-01-01T00:00:00+00:00")

    worker.wait_ran(400, 60)
    wait_until(lambda: field.depth(f"dead.{LANE}") >= 100, 30)
    queues = [f"{ORDERS}.{cls}" for cls in ("high", "normal", "low")]
    wait_until(lambda: sum(field.unacked(queue) + field.depth(queue) for queue in queues) == 0, 60, "all done")
    wait_until(lambda: worker.permits["out"] == 0, 10, "all back")

    # Expired and failing messages run one by one or a few together; each permit that was taken came back.
    assert worker.permits["granted"] == worker.permits["returned"] > 100


def test_a_stopped_worker_hands_back_at_once_and_keeps_the_order(workers: Workers) -> None:
    field = workers.field
    worker = workers.start(concurrency=1)
    field.send(f"{ORDERS}.normal", [3_003_000, *range(1, 13)])
    worker.wait_ran(1)
    wait_until(lambda: field.ask("stats", worker)["buffered"] == 4)

    worker.process.terminate()
    wait_until(lambda: field.depth(f"{ORDERS}.normal") == 12, 2.5, "handed back while the first still runs")
    assert worker.process.wait(20) == 0
    again = workers.start(concurrency=1)
    ran = again.wait_ran(13)

    assert [one.row for one in ran[1:]] == list(range(1, 13))


def test_restarts_alone_never_dead_letter_what_was_only_buffered(workers: Workers) -> None:
    field = workers.field
    field.send(f"{ORDERS}.normal", range(1, 4))

    for _ in range(LIMIT + 3):
        worker = workers.start(limits={TARGET: {"rate_per_s": 0.001, "burst": 1}})
        held = wait_until(lambda: [n for n in [field.ask("stats", worker)["buffered"]] if n >= 3], 30, "three buffered")  # noqa: B023
        assert held == [3]
        assert worker.stop() == 0

    assert field.dead(LANE) == []
    last = workers.start()
    assert sorted(one.row for one in last.wait_ran(3)) == [1, 2, 3]
