"""The shared throttle on a real Redis: many processes, killed holders, a server that goes away."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.throttle.base import Ask, Breaker, Budget, Denied, Execution, Granted, Limit, OutOfReachError, Report, Window
from adapters.throttle.fallback import FallbackThrottle, Notice
from adapters.throttle.keeper import Keeper
from adapters.throttle.redis import LEASE_LIFE_S, RedisThrottle, connect
from adapters.throttle.terms import own_burst
from telemetry.events import Name
from tests.adapters.throttle.conftest import PrivateRedis
from tests.adapters.throttle.hammer import LIMIT, PROBE_S

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[3]


def hammer(server: PrivateRedis, verb: str, seconds: float) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "tests.adapters.throttle.hammer", server.url, verb, str(seconds)]
    return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def hammer_together(server: PrivateRedis, verb: str, seconds: float) -> "list[subprocess.Popen[str]]":
    """Four processes that begin at the same moment: now."""
    workers = [hammer(server, verb, seconds) for _ in range(4)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return workers


def until(condition: Callable[[], bool], within_s: float) -> float:
    began, rest = time.monotonic(), threading.Event()
    while not condition():
        assert time.monotonic() - began < within_s, f"not within {within_s} s"
        rest.wait(0.01)
    return time.monotonic() - began


def grants_of(workers: "list[subprocess.Popen[str]]") -> list[float]:
    return sorted(moment for worker in workers for moment in json.loads(worker.communicate(timeout=30)[0]))


def most_above_the_rate(grants: list[float]) -> float:
    """Largest excess over rate * t of any window: a bucket's burst, if the limit held."""
    lowest, most = float("inf"), 0.0
    for count, moment in enumerate(grants):
        drift = count - 200 * (moment - grants[0])
        lowest = min(lowest, drift)
        most = max(most, drift - lowest + 1)
    return most


def test_four_processes_together_get_the_whole_limit_and_not_one_call_more(private_redis: PrivateRedis) -> None:
    grants = grants_of(hammer_together(private_redis, "run", 2.0))

    allowed = LIMIT.burst + 200 * (grants[-1] - grants[0])
    assert 0.9 * (own_burst(200, LIMIT.burst) + 200 * 2.0) <= len(grants)
    # A grant is stamped by its worker a moment after Redis made it.
    assert len(grants) <= allowed + 200 * 0.02


def test_a_lost_redis_never_lets_the_fleet_above_its_rate(private_redis: PrivateRedis) -> None:
    workers = hammer_together(private_redis, "outlive", 4.0)
    began = time.time()

    until(lambda: time.time() > began + 1, 30)
    private_redis.kill()
    until(lambda: time.time() > began + 2, 30)
    private_redis.start()
    grants = grants_of(workers)

    assert most_above_the_rate(grants) <= LIMIT.burst + 200 * 0.02
    without = [moment for moment in grants if began + 1.2 < moment < began + 2]
    after = [moment for moment in grants if moment > began + 2 + 4 * PROBE_S]
    # Loosely: how much of its share a worker uses here is the machine's doing.
    assert len(without) >= 0.5 * 200 * 0.8
    assert len(after) >= 0.5 * 200 * (2 - 4 * PROBE_S)


def test_the_leases_of_a_killed_process_come_back_within_seconds(private_redis: PrivateRedis) -> None:
    holder = hammer(private_redis, "hold", 0)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "holding\n"
    throttle = RedisThrottle(connect(private_redis.url), "books", LIMIT)
    outlived = time.monotonic() + LEASE_LIFE_S + 1
    until(lambda: time.monotonic() > outlived, 30)
    refusal = throttle.acquire()
    assert isinstance(refusal, Denied)
    assert refusal.reason == "concurrency"

    holder.kill()
    holder.communicate()

    took_s = until(lambda: isinstance(throttle.acquire(), Granted), 30)
    # Within its life, and what a busy machine adds: seconds, where a lease that nobody brings back would take minutes.
    assert took_s <= 3 * LEASE_LIFE_S


def test_a_live_holder_keeps_its_lease_and_a_released_one_is_never_brought_back(private_redis: PrivateRedis) -> None:
    limit, rest = Limit(concurrency=1), threading.Event()
    mine, other = (
        RedisThrottle(connect(private_redis.url), "books", limit, lease_life_s=0.5, keeper=Keeper(every_s=0.02)) for _ in range(2)
    )
    for _ in range(3):
        permit = mine.acquire()
        assert isinstance(permit, Granted)
        rest.wait(0.8)
        assert isinstance(other.acquire(), Denied)

        mine.release(permit)

        permit = other.acquire()
        assert isinstance(permit, Granted)
        other.release(permit)


def test_a_lease_nobody_released_ends_although_its_process_lives(private_redis: PrivateRedis) -> None:
    throttle = RedisThrottle(
        connect(private_redis.url),
        "books",
        Limit(concurrency=1),
        lease_life_s=0.4,
        hold_max_s=0.5,
        keeper=Keeper(every_s=0.1),
    )
    assert isinstance(throttle.acquire(), Granted)

    took_s = until(lambda: isinstance(throttle.acquire(), Granted), 3)

    assert took_s >= 0.5


def test_a_script_that_redis_forgot_is_loaded_again(private_redis: PrivateRedis) -> None:
    client = connect(private_redis.url)
    throttle = RedisThrottle(client, "books", LIMIT)
    assert isinstance(throttle.acquire(), Granted)

    client.script_flush()

    assert isinstance(throttle.acquire(), Granted)


def test_emptying_redis_grants_nothing_until_the_holders_have_signed_in_again(private_redis: PrivateRedis) -> None:
    limit = Limit(rate_per_s=1000, burst=10, concurrency=2)
    throttle = RedisThrottle(connect(private_redis.url), "books", limit, lease_life_s=1.0, keeper=Keeper(every_s=0.2))
    permits = [throttle.acquire(), throttle.acquire()]

    private_redis.flush()
    reasons: set[str] = set()

    def full_again() -> bool:
        answer = throttle.acquire()
        assert isinstance(answer, Denied)
        reasons.add(answer.reason)
        return answer.reason == "concurrency"

    until(full_again, 3)
    assert any(reason.startswith("paused: the shared state was emptied") for reason in reasons)
    assert all(isinstance(permit, Granted) for permit in permits)


def test_a_redis_that_hangs_costs_a_bounded_time(private_redis: PrivateRedis) -> None:
    throttle = RedisThrottle(connect(private_redis.url, wait_s=0.2), "books", LIMIT)
    assert isinstance(throttle.acquire(), Granted)

    private_redis.freeze()
    began = time.monotonic()
    with pytest.raises(OutOfReachError, match="does not answer"):
        throttle.acquire()
    with pytest.raises(OutOfReachError):
        throttle.acquire()

    assert time.monotonic() - began < 5


def test_redis_lost_leaves_the_safe_share_and_redis_back_ends_it_once_each(private_redis: PrivateRedis) -> None:
    limit = Limit(rate_per_s=100, burst=8, concurrency=4, safe_share=0.25)
    shared = RedisThrottle(connect(private_redis.url), "books", limit, keeper=Keeper(every_s=0.2))
    notices: list[Notice] = []
    throttle = FallbackThrottle(shared, limit, account="books", notify=notices.append, probe_s=0.2)
    before = throttle.acquire(Ask(8))
    assert isinstance(before, Granted)

    private_redis.kill()
    answers = [throttle.acquire() for _ in range(20)]
    assert throttle.lost
    # The one lease still held is the whole safe share of four: nothing more until it comes back.
    assert not any(isinstance(answer, Granted) for answer in answers)
    throttle.release(before, unspent=3)
    until(lambda: isinstance(throttle.acquire(), Granted), 1)
    assert not isinstance(throttle.acquire(), Granted)

    private_redis.start()
    until(lambda: not throttle.lost, 5)
    after = throttle.acquire()
    assert isinstance(after, Denied)
    assert after.reason.startswith("paused: settling")
    until(lambda: isinstance(throttle.acquire(), Granted), 3)
    assert [notice.event for notice in notices] == [Name.LANE_THROTTLE_FALLBACK, Name.LANE_THROTTLE_RECOVERED]


def test_the_safe_share_grants_its_part_of_the_rate_and_no_more(private_redis: PrivateRedis) -> None:
    limit = Limit(rate_per_s=400, burst=8, concurrency=None, safe_share=0.25)
    throttle = FallbackThrottle(
        RedisThrottle(connect(private_redis.url), "books", limit),
        limit,
        account="books",
        notify=lambda _: None,
        probe_s=5,
    )
    private_redis.kill()
    rest, count, began = threading.Event(), 0, time.monotonic()

    while time.monotonic() - began < 1.0:
        answer = throttle.acquire()
        if isinstance(answer, Granted):
            count += 1
            throttle.release(answer)
        else:
            rest.wait(answer.wait_s)

    assert 50 <= count <= 102


def test_a_pause_set_while_redis_is_away_reaches_the_fleet_when_it_is_back(private_redis: PrivateRedis) -> None:
    limit = Limit(rate_per_s=100, burst=8)
    client = connect(private_redis.url)
    throttle = FallbackThrottle(RedisThrottle(client, "books", limit), limit, account="books", notify=lambda _: None, probe_s=0.1)
    private_redis.kill()
    throttle.acquire()

    throttle.pause(60, "Retry-After 60")
    private_redis.start()
    until(lambda: not throttle.lost, 5)

    other = RedisThrottle(client, "books", limit).acquire()
    assert isinstance(other, Denied)
    assert other.wait_s > 50
    assert other.reason == "paused: Retry-After 60"


def test_a_lane_that_nothing_bounds_costs_redis_nothing_and_still_hears_a_pause(private_redis: PrivateRedis) -> None:
    mine, other = (RedisThrottle(connect(private_redis.url), "books", Limit()) for _ in range(2))
    admin = connect(private_redis.url)
    assert isinstance(mine.acquire(), Granted)
    calls_before = int(admin.info("commandstats")["cmdstat_evalsha"]["calls"])

    began = time.monotonic()
    for _ in range(2_000):
        permit = mine.acquire()
        assert isinstance(permit, Granted)
        mine.report(Report("order.create", 0.02, "ok"))
        mine.release(permit)
    lasted_s = time.monotonic() - began

    calls = int(admin.info("commandstats")["cmdstat_evalsha"]["calls"]) - calls_before
    # A look every quarter of a second, by the asking thread and by the one in the background.
    assert calls <= 2 * (lasted_s / 0.25 + 2)
    other.pause(60, "Retry-After 60")
    took_s = until(lambda: isinstance(mine.acquire(), Denied), 30)
    assert took_s < 10
    until(lambda: mine.status().answered_60s == 2_000, 30)


def test_what_one_worker_learns_holds_for_all(private_redis: PrivateRedis) -> None:
    limit = Limit(rate_per_s=50, burst=10, concurrency=10)
    mine, other = (RedisThrottle(connect(private_redis.url), "books", limit) for _ in range(2))

    mine.report(Report("", 0.01, "throttled", 30.0))

    refusal = other.acquire()
    assert isinstance(refusal, Denied)
    assert refusal.wait_s > 25
    assert (other.status().working_per_s or 50) < 50


def test_a_probe_is_one_for_the_whole_fleet(private_redis: PrivateRedis) -> None:
    limit = Limit(breaker=Breaker(failures=2, open_s=0.2))
    throttles = [RedisThrottle(connect(private_redis.url), "books", limit) for _ in range(3)]
    for _ in range(2):
        throttles[0].report(Report("", 0.01, "failed"))
    until(lambda: throttles[1].status().breaker == "probing", 2)

    answers = [throttle.acquire() for throttle in throttles for _ in range(3)]

    assert [answer.probe for answer in answers if isinstance(answer, Granted)] == [True]


def test_emptying_redis_gives_no_second_budget_and_no_second_window(private_redis: PrivateRedis) -> None:
    limit = Limit(budgets=(Budget(10),), windows=(Window(8, 600.0),), execution=(Execution(9.0, 600.0),))
    throttle = RedisThrottle(connect(private_redis.url), "books", limit, lease_life_s=0.4, keeper=Keeper(every_s=0.1))
    for _ in range(6):
        permit = throttle.acquire()
        assert isinstance(permit, Granted)
        throttle.report(Report("", 0.5, "ok"))
        throttle.release(permit)

    private_redis.flush()
    until(lambda: isinstance(throttle.acquire(), Granted), 3)

    status = throttle.status()
    assert status.budgets_left == (3,)
    assert status.windows_left == (1,)
    assert status.execution_left_s == (6.0,)


def test_the_safe_share_of_a_budget_is_its_part_and_is_counted_in_when_redis_is_back(private_redis: PrivateRedis) -> None:
    limit = Limit(budgets=(Budget(40),), safe_share=0.25)
    shared = RedisThrottle(connect(private_redis.url), "books", limit)
    throttle = FallbackThrottle(shared, limit, account="books", notify=lambda _: None, probe_s=0.1)
    for _ in range(20):
        assert isinstance(throttle.acquire(), Granted)

    private_redis.kill()
    alone = sum(isinstance(throttle.acquire(), Granted) for _ in range(30))
    private_redis.start()
    until(lambda: not throttle.lost, 5)
    until(lambda: isinstance(throttle.acquire(), Granted), 3)

    # Half of the day is spent, so half of this worker's quarter is left.
    assert alone == 5
    assert throttle.status().budgets_left == (40 - 20 - 5 - 1,)


def test_an_absurd_time_to_wait_is_told_once(private_redis: PrivateRedis) -> None:
    limit, notices = Limit(rate_per_s=100, burst=8), list[Notice]()
    shared = RedisThrottle(connect(private_redis.url), "books", limit)
    throttle = FallbackThrottle(shared, limit, account="books", notify=notices.append)

    for _ in range(3):
        throttle.report(Report("", 0.01, "throttled", 1e9))

    assert [notice.event for notice in notices] == [Name.LANE_THROTTLE_CLAMPED]
    refusal = throttle.acquire()
    assert isinstance(refusal, Denied)
    assert 3500 < refusal.wait_s <= 3600


def test_the_last_second_of_traffic_is_seen_after_it_has_passed(private_redis: PrivateRedis) -> None:
    limit = Limit(rate_per_s=50, burst=10)
    RedisThrottle(connect(private_redis.url), "books", limit).report(Report("", 0.01, "throttled", 30.0))
    onlooker = RedisThrottle(connect(private_redis.url), "books", limit)
    began = time.time()

    seen = onlooker.status().throttled_60s
    until(lambda: int(time.time()) > int(began) + 1, 5)
    later = onlooker.status()

    assert (seen, later.throttled_60s, later.answered_60s) == (1, 1, 1)
    assert [(one.answered, one.throttled) for one in onlooker.samples(60)] == [(1, 1)]


def test_a_measured_rate_is_tried_up_to_the_limit_however_redis_rounds_its_numbers(redis_url: str) -> None:
    client, refused = connect(redis_url), Report("", 0.003, "throttled", None)
    lanes = {80 + 7.3 * n: RedisThrottle(client, f"tried-{n}", Limit(rate_per_s=80 + 7.3 * n, burst=10)) for n in range(12)}
    granted = dict.fromkeys(lanes, 0)

    def each_has(calls: int) -> bool:
        for rate, lane in lanes.items():
            granted[rate] += isinstance(lane.acquire(), Granted)
        return min(granted.values()) >= calls

    def whole() -> bool:
        each_has(0)
        return all(lane.status().working_per_s == rate for rate, lane in lanes.items())

    for lane in lanes.values():
        lane.report(refused)
    until(lambda: each_has(20), 10)
    for lane in lanes.values():
        lane.report(refused)
    measured = [lane.status().working_per_s or 0.0 for lane in lanes.values()]

    assert all(0 < rate < 80 for rate in measured)
    until(whole, 20)
