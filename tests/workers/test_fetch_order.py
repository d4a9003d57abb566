"""Live: the order and the rate in which a standing backlog is picked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Rabbit, wait_until
from tests.workers.fetching import LANE, TARGET, Field, Workers, workers_on

STRICT = {LANE: {"strict": True}}


@pytest.fixture
def workers(rabbit: Rabbit, tmp_path: Path) -> Iterator[Workers]:
    with workers_on(Field(rabbit), tmp_path) as started:
        yield started


def test_express_postings_go_first_through_a_throttle_of_50_per_second_and_the_rate_holds(workers: Workers) -> None:
    workers.field.send(f"{LANE}.normal", range(1, 301))
    workers.field.send(f"{LANE}.high", range(1001, 1021))
    workers.plan(STRICT)

    worker = workers.start(concurrency=8, limits={TARGET: {"rate_per_s": 50, "burst": 10}}, service_s=0.02)
    ran = worker.wait_ran(320)

    normals_before_the_last_high = [one for one in ran if one.row < 1000 and one.at < max(r.at for r in ran if r.row > 1000)]
    # Messages of the three queues come in one after the other when the worker starts: the first few may find no express one.
    assert len(normals_before_the_last_high) <= 8
    times = sorted(one.at for one in ran)[20:]
    rate = (len(times) - 1) / (times[-1] - times[0])
    assert 0.97 <= rate / 50 <= 1.01
    assert all(one.permitted for one in ran)
