"""Lanes of a running fleet: a window holds without an attempt, over a worker's death, and opens by canary and ramp; operators'
changes act on what stands."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ledger.schema import attempts, window_runs
from tests.fleet.running import TestFleet, let_workers_hear
from tests.fleet.sandbox_fleet import LANE, a_sandbox_fleet
from tests.fleet.shopify import an_order
from tests.live import Rabbit, wait_until
from tests.workers.command_line import Ended

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.timeout(300)]

CANARY = 3


class Operator:
    """Somebody at the command line of the fleet."""

    def __init__(self, fleet: TestFleet) -> None:
        self.fleet = fleet

    def lanes(self, *words: str) -> Ended:
        return self.fleet.command("lanes", *words)

    def show(self) -> Any:
        return self.lanes("show", LANE, "--json").json

    def send(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            assert self.fleet.shop.send("orders/create", an_order(number)) == 200

    def attempts(self) -> list[tuple[datetime, datetime, str]]:
        """Start, end and outcome of every attempt, by start."""
        c = attempts.c
        with self.fleet.ledger.read() as session:
            found = session.execute(select(c.started_at, c.ended_at, c.outcome).order_by(c.started_at, c.id))
            return [(row.started_at, row.ended_at, row.outcome) for row in found]


@pytest.fixture
def operator(tmp_path: Path, rabbit: Rabbit, redis_url: str, postgres_url: str) -> Iterator[Operator]:
    urls = {"broker_url": rabbit.url, "redis_url": redis_url, "ledger_url": postgres_url}
    with a_sandbox_fleet(tmp_path, **urls) as running:
        yield Operator(running)


def test_a_window_holds_without_an_attempt_over_a_workers_death_and_opens_by_canary_and_ramp(operator: Operator) -> None:
    words = ("--start", "now", "--for", "1h", "--drain", "0s", "--canary", str(CANARY), "--ramp", "3s", "--why", "release")
    number = operator.lanes("windows", "add", LANE, *words, "--yes", "--json").json["window"]
    wait_until(lambda: operator.show()["state"] == "held", 10)
    let_workers_hear()

    operator.send(1, 12)
    wait_until(lambda: operator.show()["waiting"] == 12, 60)
    operator.fleet.kill("worker-deliver-1")
    operator.fleet.start_again("worker-deliver-1", "worker", "deliver", "--name", "deliver-again")
    operator.send(13, 14)
    wait_until(lambda: operator.show()["waiting"] == 14, 60)
    tried_while_held = operator.attempts()
    operator.lanes("windows", "canary", str(number), "--why", "back early")
    operator.fleet.wait_for_states({"done": 14}, 120)

    with operator.fleet.ledger.read() as session:
        (run,) = session.execute(select(window_runs)).all()
    tried = operator.attempts()
    assert tried_while_held == []
    assert [outcome for *_, outcome in tried] == ["Done"] * 14
    assert tried[0][0] >= run.canary_at
    assert all(before[1] <= after[0] + timedelta(milliseconds=1) for before, after in pairwise(tried[:CANARY]))
    assert run.opened_at is not None
    assert run.accepted >= CANARY
    assert sum(started < run.opened_at for started, *_ in tried) < 14
    wait_until(lambda: operator.show()["state"] == "open", 20)


def test_pause_limit_and_resume_act_on_the_standing_backlog_of_a_running_worker(operator: Operator) -> None:
    operator.lanes("pause", LANE, "--why", "look first", "--by", "ann")
    let_workers_hear()
    operator.send(1, 30)
    wait_until(lambda: operator.show()["waiting"] == 30, 60)
    paused = operator.show()
    tried_while_paused = operator.attempts()

    operator.lanes("set", LANE, "--rate", "10", "--burst", "1", "--why", "gently", "--yes")
    operator.lanes("resume", LANE, "--why", "seen")
    operator.fleet.wait_for_states({"done": 30}, 120)

    ended = operator.show()
    tried = operator.attempts()
    assert (paused["state"], paused["why"], tried_while_paused) == ("paused", "look first (ann)", [])
    # 30 deliveries at 10 a second; the fleet file's limit of 40 with its burst would take less than a second.
    assert (tried[-1][1] - tried[0][0]).total_seconds() > 2.0
    assert [one["action"] for one in ended["actions"]] == ["lane.resume", "lane.set", "lane.pause"]
    assert ended["limiter"]["answered_60s"] > 0
    assert ended["limiter"]["throttled_60s"] == 0
    assert (ended["limit"]["rate_per_s"], ended["waiting"], ended["limiter"]["permits"]) == (10.0, 0, 0)


def test_a_running_lane_is_drawn_from_its_seconds(operator: Operator, tmp_path: Path) -> None:
    operator.send(1, 20)
    operator.fleet.wait_for_states({"done": 20}, 120)
    let_workers_hear()

    picture, drawing = tmp_path / "lanes.png", tmp_path / "lanes.svg"
    told = operator.lanes("plot", LANE, "--out", str(picture), "--json").json
    operator.lanes("plot", LANE, "--since", "5m", "--out", str(drawing))

    assert told["seconds"] >= 1
    assert picture.read_bytes().startswith(b"\x89PNG")
    drawn = drawing.read_text()
    assert [word for word in ("granted", "answered", "working limit", "limit 40/s", LANE) if word not in drawn] == []
