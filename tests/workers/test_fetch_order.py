"""Live: the order and the rate in which a standing backlog is picked."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Rabbit, wait_until
from tests.workers.fetching import LANE, ORDERS, TARGET, Field, Workers, workers_on

STRICT = {LANE: {"strict": True}}


@pytest.fixture
def workers(rabbit: Rabbit, tmp_path: Path) -> Iterator[Workers]:
    with workers_on(Field(rabbit), tmp_path) as started:
        yield started


def test_express_postings_go_first_through_a_throttle_of_50_per_second_and_the_rate_holds(workers: Workers) -> None:
    workers.field.send(f"{ORDERS}.normal", range(1, 301))
    workers.field.send(f"{ORDERS}.high", range(1001, 1021))
    workers.plan(STRICT)

    worker = workers.start(concurrency=8, limits={TARGET: {"rate_per_s": 50, "burst": 10}}, service_s=0.02)
    ran = worker.wait_ran(320)

    normals_before_the_last_high = [one for one in ran if one.row < 1000 and one.at < max(r.at for r in ran if r.row > 1000)]
    # Messages of the three queues come in one after the other when the worker starts: the first few may find no express one.
    assert len(normals_before_the_last_high) <= 8
    times = sorted(one.at for one in ran)[20:]
    rate = (len(times) - 1) / (times[-1] - times[0])
    # A busy machine holds a worker up now and then; the limiter's own tests count its calls exactly.
    assert 0.9 <= rate / 50 <= 1.05
    assert all(one.permitted for one in ran)


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_weights_changed_at_run_time_reorder_the_standing_backlog_within_two_seconds(workers: Workers, pool: str) -> None:
    workers.field.send("orders.normal", range(1, 400))
    workers.field.send("orders.low", range(1001, 1400))
    workers.plan({"orders": {"high": 1, "normal": 20, "low": 1}})
    worker = workers.start(pool=pool, families=["orders"], concurrency=1, service_s=0.02)
    before = worker.wait_ran(60)[-40:]

    changed_at = time.time()
    workers.plan({"orders": {"high": 1, "normal": 1, "low": 20}})
    wait_until(lambda: sum(one.at > changed_at + 2 for one in worker.ran) >= 40, what="40 tasks after two seconds")

    after = [one for one in worker.ran if one.at > changed_at + 2][:40]
    assert sum(one.row > 1000 for one in before) <= 4
    assert sum(one.row > 1000 for one in after) >= 36


def test_every_class_gets_its_proportion_and_low_keeps_its_floor_under_a_flood_of_high(workers: Workers) -> None:
    for cls, first in (("high", 1), ("normal", 1001), ("low", 2001)):
        workers.field.send(f"{ORDERS}.{cls}", range(first, first + 300))
    workers.plan({LANE: {"high": 8, "normal": 3, "low": 1}})

    worker = workers.start(concurrency=2, service_s=0.005)
    ran = worker.wait_ran(300)[20:260]

    served = Counter(one.queue.rpartition(".")[2] for one in ran)
    assert served["high"] == pytest.approx(160, abs=6)
    assert served["normal"] == pytest.approx(60, abs=6)
    assert served["low"] == pytest.approx(20, abs=4)


def test_a_family_without_a_permit_stops_no_other_family_on_the_same_worker(workers: Workers) -> None:
    workers.field.send(f"{ORDERS}.high", range(1, 50))
    workers.field.send("orders.low", range(1001, 1101))

    worker = workers.start(families=[LANE, "orders"], limits={TARGET: {"rate_per_s": 2, "burst": 1}})
    ran = worker.wait_ran(100, 30)

    assert sum(one.row < 1000 for one in ran[:100]) < 40


def test_a_paused_family_is_not_picked_and_goes_on_when_the_pause_ends(workers: Workers) -> None:
    workers.plan(paused=["orders"])
    workers.field.send("orders.high", range(1, 21))
    workers.field.send("returns.low", range(101, 121))

    worker = workers.start(families=["orders", "returns"])
    while_paused = [one.row for one in worker.wait_ran(20)]
    workers.plan()
    ran = [one.row for one in worker.wait_ran(40)]

    assert sorted(while_paused) == list(range(101, 121))
    assert sorted(ran[20:]) == list(range(1, 21))
