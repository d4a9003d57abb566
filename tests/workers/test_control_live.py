"""Live: remote control acts on what is fetched, on both kinds of pool, and refuses what is outside the topology."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import Rabbit, wait_until
from tests.workers.fetching import LANE, ORDERS, Field, WorkerProcess, Workers, workers_on

QUEUES = {"threads": f"{ORDERS}.normal", "prefork": "orders.normal"}
FAMILIES = {"threads": LANE, "prefork": "orders"}


@pytest.fixture
def workers(rabbit: Rabbit, tmp_path: Path) -> Iterator[Workers]:
    with workers_on(Field(rabbit), tmp_path) as started:
        yield started


def _running(field: Field, worker: WorkerProcess) -> int:
    return len(field.ask("active", worker))


def _size(field: Field, worker: WorkerProcess) -> Any:
    return field.ask("stats", worker)["pool"]["max-concurrency"]


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_grow_and_shrink_change_how_much_runs_and_how_much_is_fetched(workers: Workers, pool: str) -> None:
    field = workers.field
    field.send(QUEUES[pool], [3_020_000 + n for n in range(40)])
    worker = workers.start(pool=pool, families=[FAMILIES[pool]], concurrency=2)
    worker.wait_ran(2)
    fetched = field.ask("stats", worker)["prefetch_count"]

    grown = field.ask("pool_grow", worker, n=6)
    worker.wait_ran(8)

    assert "ok" in grown
    assert wait_until(lambda: _running(field, worker) == 8)
    assert field.ask("stats", worker)["prefetch_count"] > fetched
    # The consumer made anew has the new prefetch beside what the old one still has running.
    wait_until(lambda: field.unacked(QUEUES[pool]) >= field.ask("stats", worker)["prefetch_count"], 20, "more is fetched")


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_after_shrinking_fewer_run_and_every_message_still_runs_once(workers: Workers, pool: str) -> None:
    field = workers.field
    worker = workers.start(pool=pool, families=[FAMILIES[pool]], concurrency=6, service_s=0.05)
    # prefork shrinks only by processes that are idle, so it is shrunk before the load
    shrunk = field.ask("pool_shrink", worker, n=4)
    field.send(QUEUES[pool], range(1, 101))

    running = [_running(field, worker) for _ in range(5) if worker.wait_ran(20)]
    ran = worker.wait_ran(100)

    assert "ok" in shrunk
    assert max(running) <= 2
    assert sorted(one.row for one in ran) == list(range(1, 101))


def test_threads_shrink_under_load_without_losing_a_task(workers: Workers) -> None:
    field = workers.field
    field.send(f"{ORDERS}.normal", range(1, 201))
    worker = workers.start(concurrency=8, service_s=0.05)
    worker.wait_ran(30)

    answer = field.ask("pool_shrink", worker, n=7)
    wait_until(lambda: _running(field, worker) <= 1, 10, "one at a time")
    ran = worker.wait_ran(200)

    assert "ok" in answer
    assert sorted(one.row for one in ran) == list(range(1, 201))


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_consumer_is_added_for_a_queue_of_the_topology_only(workers: Workers, pool: str) -> None:
    field = workers.field
    worker = workers.start(pool=pool, families=[FAMILIES[pool]])
    field.send("returns.low", [7])

    refused = [field.ask("add_consumer", worker, queue=name) for name in ("nowhere", "dead.orders", "delay.1", "unrouted", "")]
    field.ask("add_consumer", worker, queue="returns.low", exchange="x", exchange_type="topic", routing_key="y")
    ran = worker.wait_ran(1)

    assert all("no work queue of the topology" in answer["error"] for answer in refused)
    assert ran[0].row == 7
    assert "returns.low" in {one["name"] for one in field.ask("active_queues", worker)}
    assert worker.process.poll() is None


def test_deliveries_are_not_added_where_no_permit_can_be_had(workers: Workers) -> None:
    processes = workers.start(pool="prefork", families=["orders"])

    answer = workers.field.ask("add_consumer", processes, queue=f"{ORDERS}.high")

    assert "a worker on threads" in answer["error"]


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_cancelled_consumer_hands_its_messages_back_at_once_and_the_list_of_queues_is_true(workers: Workers, pool: str) -> None:
    field, queue = workers.field, QUEUES[pool]
    worker = workers.start(pool=pool, families=[FAMILIES[pool]], concurrency=1)
    field.send(queue, [3_002_000, *range(1, 6)])
    worker.wait_ran(1)
    before = {one["name"] for one in field.ask("active_queues", worker)}

    answer = field.ask("cancel_consumer", worker, queue=queue)
    wait_until(lambda: field.depth(queue) == 5, 30, "handed back")
    names = {one["name"] for one in field.ask("active_queues", worker)}
    field.ask("add_consumer", worker, queue=queue)
    ran = worker.wait_ran(6)

    assert "ok" in answer
    assert names == before - {queue}
    assert queue in before
    assert [one.row for one in ran[1:]] == [1, 2, 3, 4, 5]


def test_autoscale_is_answered_with_what_to_do_instead(workers: Workers) -> None:
    worker = workers.start()

    answer = workers.field.ask("autoscale", worker, max=10, min=1)

    assert "pool_grow and pool_shrink" in answer["error"]


def test_the_last_thread_cannot_be_taken_away(workers: Workers) -> None:
    worker = workers.start(concurrency=2)

    answer = workers.field.ask("pool_shrink", worker, n=2)

    assert "at least 1 must stay" in answer["error"]
    assert _size(workers.field, worker) == 2


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_remote_shutdown_finishes_what_runs_and_hands_back_what_waits(workers: Workers, pool: str) -> None:
    field, queue = workers.field, QUEUES[pool]
    worker = workers.start(pool=pool, families=[FAMILIES[pool]], concurrency=2)
    field.send(queue, [3_001_500, 3_001_501, *range(1, 5)])
    worker.wait_ran(2)

    field.control.shutdown(destination=[worker.name])

    wait_until(lambda: field.depth(queue) == 4, 1.4, "handed back while the others still run")
    assert worker.process.poll() is None
    assert worker.process.wait(20) == 0
    assert field.depth(queue) == 4
    assert len(worker.ran) == 2


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_the_end_is_bounded_by_what_the_worker_was_told(workers: Workers, pool: str) -> None:
    field, queue = workers.field, QUEUES[pool]
    worker = workers.start(pool=pool, families=[FAMILIES[pool]], concurrency=1, stop_wait_s=1)
    field.send(queue, [3_060_000])
    worker.wait_ran(1)

    worker.process.terminate()

    worker.process.wait(20)
    wait_until(lambda: field.depth(queue) == 1, 30, "the message is back")
