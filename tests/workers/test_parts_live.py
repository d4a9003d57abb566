"""Live: messages of many rows are handed out in parts and answered once, whatever becomes of a part or of the worker."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from routing import names
from tests.live import Rabbit, wait_until
from tests.workers.fetching import LANE, LIMIT, ORDERS, TARGET, Field, Workers, workers_on

QUEUE = f"{ORDERS}.normal"
FAILS, KILLS, DONE = 1_000_001, 2_000_001, 4_000_000
UNLIMITED: dict[str, dict[str, int]] = {TARGET: {}}


@pytest.fixture
def workers(rabbit: Rabbit, tmp_path: Path) -> Iterator[Workers]:
    with workers_on(Field(rabbit), tmp_path) as started:
        yield started


def _nothing_left(field: Field, queue: str = QUEUE) -> None:
    wait_until(lambda: field.unacked(queue) == 0 and field.depth(queue) == 0, 30, "nothing left")


def test_every_row_of_large_messages_runs_once_under_a_permit_of_its_part(workers: Workers) -> None:
    field = workers.field
    field.send(QUEUE, range(1, 501), each=50)

    worker = workers.start(concurrency=4, limits=UNLIMITED, service_s=0.01)
    ran = worker.wait_ran(500, 60)

    _nothing_left(field)
    assert sorted(one.row for one in ran) == list(range(1, 501))
    assert all(one.permitted for one in ran)
    wait_until(lambda: worker.permits["out"] == 0, 10, "permits back")
    # More than a permit a message, fewer than one a row: the parts follow what a row takes.
    assert 10 < worker.permits["granted"] < 300


def test_a_tight_rate_hands_rows_out_one_by_one(workers: Workers) -> None:
    workers.field.send(QUEUE, range(1, 51), each=50)

    worker = workers.start(concurrency=8, limits={TARGET: {"rate_per_s": 50, "burst": 10}})
    worker.wait_ran(50)

    assert worker.permits["granted"] == 50


def test_what_came_back_done_is_passed_over_in_few_parts_however_tight_the_rate(workers: Workers) -> None:
    workers.field.send(QUEUE, range(DONE, DONE + 60), each=60)

    worker = workers.start(limits={TARGET: {"rate_per_s": 50, "burst": 10}})
    worker.wait_ran(60)

    assert Counter(ran.row for ran in worker.ran) == dict.fromkeys(range(DONE, DONE + 60), 1)
    assert worker.permits["granted"] <= 20


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_the_worst_part_says_what_becomes_of_the_message_once_the_others_ran(workers: Workers, pool: str) -> None:
    field = workers.field
    queue, lane = {"threads": (QUEUE, LANE), "prefork": ("orders.normal", "orders")}[pool]
    field.send(queue, [FAILS, *range(1, 20)], each=20)

    worker = workers.start(pool=pool, families=[lane], concurrency=2)
    wait_until(lambda: field.depth(names.dead(lane)) == 1, 30, "dead-lettered")

    assert {one.row for one in worker.ran} == {FAILS, *range(1, 20)}
    assert field.dead(lane) == [(FAILS, "rejected")]
    _nothing_left(field, queue)


def test_a_partly_run_message_goes_back_when_its_running_parts_have_ended(workers: Workers) -> None:
    field = workers.field
    field.send(QUEUE, [3_001_500, *range(1, 50)], each=50)
    worker = workers.start(concurrency=1)
    worker.wait_ran(1)

    worker.process.terminate()

    assert worker.process.wait(20) == 0
    assert {one.row for one in worker.ran} == {3_001_500}
    wait_until(lambda: field.depth(QUEUE) == 1, 30, "handed back")
    again = workers.start(concurrency=4)
    wait_until(lambda: {one.row for one in again.ran} >= set(range(1, 50)), 30, "every row run")
    _nothing_left(field)


def test_a_cancelled_consumer_gives_a_partly_run_message_back_with_its_rest(workers: Workers) -> None:
    field = workers.field
    worker = workers.start(concurrency=1)
    field.send(QUEUE, [3_001_000, *range(1, 20)], each=20)
    worker.wait_ran(1)

    field.ask("cancel_consumer", worker, queue=QUEUE)
    wait_until(lambda: field.depth(QUEUE) == 1, 10, "handed back when the running part has ended")

    assert {one.row for one in worker.ran} == {3_001_000}
    field.ask("add_consumer", worker, queue=QUEUE)
    wait_until(lambda: {one.row for one in worker.ran} >= set(range(1, 20)), 30, "every row run")
    _nothing_left(field)


def test_lost_connections_lose_no_row_of_a_partly_run_message(workers: Workers) -> None:
    field = workers.field
    field.send(QUEUE, range(1, 301), each=50)
    worker = workers.start(concurrency=4, limits=UNLIMITED, service_s=0.02)

    for round_ in range(1, 4):
        worker.wait_ran(round_ * 40)
        wait_until(field.break_connections, 10, "a connection to break")
    wait_until(lambda: {one.row for one in worker.ran} >= set(range(1, 301)), 60, "every row run")

    _nothing_left(field)
    assert field.dead(LANE) == []
    assert worker.process.poll() is None


def test_a_killed_worker_gives_back_whole_messages_and_no_row_is_lost(workers: Workers) -> None:
    field = workers.field
    field.send(QUEUE, range(1, 201), each=50)
    first = workers.start(concurrency=4, service_s=0.02)
    first.wait_ran(30)

    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait(10)
    second = workers.start(concurrency=4)

    wait_until(lambda: {one.row for one in second.ran} == set(range(1, 201)), 30, "every row run")
    _nothing_left(field)


def test_a_row_that_kills_every_worker_is_dead_lettered_without_the_rows_of_its_message(workers: Workers) -> None:
    field = workers.field
    rows = [*range(1, 9), KILLS, *range(9, 30)]
    field.send(QUEUE, rows, each=30)

    for _ in range(4 * LIMIT + 4):
        worker = workers.start(ready=False, concurrency=2, bundle=4)
        killed = wait_until(lambda: worker.process.poll() or field.depth(names.dead(LANE)), 40, "killed, or the end")  # noqa: B023
        if killed > 0:
            break
    wait_until(lambda: {one.row for one in worker.ran} >= set(rows), 30, "the others run")

    _nothing_left(field)
    # A worker that dies as it has published the rows one by one leaves them twice: its answer for the whole is lost with it.
    assert set(field.dead(LANE)) == {(KILLS, "delivery_limit")}
    assert Counter(one.row for one in worker.ran)[KILLS] <= 4 * LIMIT


def test_messages_of_one_row_go_out_together_and_each_is_answered(workers: Workers) -> None:
    field = workers.field
    field.send(QUEUE, range(1, 401))

    worker = workers.start(concurrency=4, limits=UNLIMITED, service_s=0.002)
    ran = worker.wait_ran(400, 60)

    _nothing_left(field)
    assert sorted(one.row for one in ran) == list(range(1, 401))
    assert all(one.permitted for one in ran)
    wait_until(lambda: worker.permits["out"] == 0, 10, "permits back")
    assert worker.permits["granted"] < 200


def test_one_bad_message_among_many_is_the_only_one_that_is_dead_lettered(workers: Workers) -> None:
    field = workers.field
    field.send(QUEUE, [*range(1, 40), FAILS, *range(40, 80)])

    worker = workers.start(concurrency=2, limits=UNLIMITED)
    wait_until(lambda: {one.row for one in worker.ran} >= {FAILS, *range(1, 80)}, 30, "every row run")

    wait_until(lambda: field.depth(names.dead(LANE)) == 1, 20, "the bad one dead-lettered")
    assert field.dead(LANE) == [(FAILS, "rejected")]
    _nothing_left(field)
