"""Lanes seen with a real Redis and a real broker: limiter, messages, rows, pace; and what is shown when they are away."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.throttle.base import Ask, Granted, Limit, Report
from adapters.throttle.redis import RedisThrottle, connect
from routing.publish import BrokerPublisher
from tests.documents import an_order
from tests.live import Rabbit, wait_until
from tests.tasks.world import TARGET, World, a_world
from tests.telemetry.test_lanes import shown
from tests.workers.command_line import AWAY, millrace
from workers.bootstrap import now
from workers.lane_metrics import backlog_of, lanes_of
from workers.lanes import Lookout
from workers.scaling import as_json, pool_signals
from workers.waiting import Waiting

LANE = f"deliver.{TARGET}"
LIMIT = Limit(50, 10, 10)


@pytest.fixture
def world(postgres_url: str) -> Iterator[World]:
    with a_world(postgres_url) as made:
        made.clock.at = now() - timedelta(seconds=20)
        made.prepare(*made.tell(an_order("1001"), an_order("1002"), an_order("1003")))
        yield made


@pytest.fixture
def throttle(redis_url: str) -> RedisThrottle:
    """The limiter as a worker has it."""
    return RedisThrottle(connect(redis_url), TARGET, LIMIT)


def test_the_limiter_of_the_fleet_is_seen_from_outside_of_it(world: World, throttle: RedisThrottle, redis_url: str) -> None:
    permits = [throttle.acquire(Ask(1)) for _ in range(3)]
    for verdict in ("ok", "ok", "throttled"):
        throttle.report(Report("order.create", 0.1, verdict))
    lookout = Lookout(world.context.fleet, world.ledger, redis_url=redis_url)

    def seen() -> bool:
        (view,) = lookout.look([LANE], now())
        return view.status is not None and view.status.answered_60s == 3

    wait_until(seen, 10)
    (view,) = lookout.look([LANE], now())
    lines = shown(lanes_of(lookout, [LANE]))
    lookout.close()

    assert view.status is not None
    assert all(isinstance(permit, Granted) for permit in permits)
    assert (view.status.permits, view.status.throttled_60s) == (3, 1)
    assert f'millrace_lane_permits{{target="{TARGET}"}} 3.0' in lines
    assert f'millrace_lane_limit_per_second{{target="{TARGET}"}} 50.0' in lines


def test_the_scale_signal_asks_for_what_waits_and_for_no_more_than_the_target_can_feed(
    world: World, throttle: RedisThrottle, redis_url: str
) -> None:
    throttle.acquire(Ask(1))
    throttle.report(Report("order.create", 2.0, "ok"))
    lookout = Lookout(world.context.fleet, world.ledger, redis_url=redis_url)
    wait_until(lambda: lookout.look([LANE], now())[0].status.latency_s, 10)  # type: ignore[union-attr]  # it is there

    fleet = world.context.fleet
    soon, now_or_never = ({one.pool: one for one in pool_signals(fleet, lookout, within_s)} for within_s in (60, 0.01))
    lookout.close()

    (lane,) = soon["deliver"].lanes
    (hurried,) = now_or_never["deliver"].lanes
    assert (lane.rows, lane.demand.bound, soon["deliver"].workers) == (3, "load", 1)
    assert lane.oldest_s >= 20
    # Three rows in a hundredth of a second: the target takes ten at once for three seconds each, whatever the number of workers.
    assert (hurried.demand.bound, hurried.demand.slots) == ("concurrency", 10)
    assert as_json(list(soon.values()))["pools"]["deliver"]["lanes"][LANE]["rows"] == 3  # type: ignore[index]  # as built


def test_rows_and_messages_stand_side_by_side(world: World, rabbit: Rabbit, redis_url: str) -> None:
    from kombu import Connection

    from config.topology import load_topology
    from routing.declare import declare
    from routing.topology import build_topology

    with Connection(rabbit.url) as connection:
        declare(connection, build_topology(load_topology(), [TARGET]))
    publisher = BrokerPublisher(rabbit.url)
    letter = next(one for _, one in world.tray._letters if one.queue.startswith(LANE))
    publisher.publish([replace(letter, rung_s=None)])
    publisher.close()
    lookout = Lookout(world.context.fleet, world.ledger, redis_url=redis_url, broker_url=rabbit.url)

    def waiting() -> tuple[Waiting, ...]:
        (view,) = lookout.look([LANE], now())
        return view.waiting if any(one.messages for one in view.waiting) else ()

    found = wait_until(waiting, 10)
    lookout.close()

    assert sum(one.rows for one in found) == 3
    assert sum(one.messages or 0 for one in found) == 1
    assert lookout.away == []


def test_the_pace_is_that_of_the_last_half_minute(world: World) -> None:
    world.work()
    at = world.clock.now() + timedelta(seconds=1)

    (view,) = Lookout(world.context.fleet, world.ledger).look([LANE], at)

    assert view.done_per_s == pytest.approx(3 / 30)
    assert (view.rows, view.drain_s) == (0, 0.0)


def test_the_backlog_of_the_metrics_names_families_and_states(world: World) -> None:
    samples = list(backlog_of(world.ledger, world.context.fleet.families))

    assert {(one.family.removesuffix(".orders"), one.cls, one.waiting) for one in samples} == {(LANE, "normal", 3)}
    assert all(one.oldest_age_s is not None and 15 < one.oldest_age_s < 120 for one in samples)


def test_what_is_away_is_said_and_the_rest_is_shown(world: World, postgres_url: str) -> None:
    told = millrace("lanes", "list", "--json", LEDGER_URL=postgres_url, BROKER_URL=AWAY, REDIS_URL="redis://127.0.0.1:1/0").json

    lanes = {lane["lane"]: lane for lane in told["lanes"]}
    assert lanes[LANE]["waiting"] == 3
    assert lanes[LANE]["limiter"] is None
    assert ["Redis" in word or "broker" in word for word in told["away"]] == [True, True]


def test_a_lane_nobody_asked_for_a_permit_has_nothing_to_draw(
    world: World, postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    out = tmp_path / "lanes.svg"

    none = millrace("lanes", "plot", LANE, "--out", str(out), LEDGER_URL=postgres_url, REDIS_URL=redis_url)

    assert (none.code, out.exists()) == (3, False)
    assert "nothing to draw" in none.err
