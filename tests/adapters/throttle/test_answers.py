"""What the answers say acts on the whole lane: refusals, times to wait, the target's own figures."""

import pytest

from adapters.throttle.base import Ask, Hints, Learn, Limit, Points, Report, Window
from tests.adapters.throttle.asking import Make, denied, granted, ok, take_all, throttled
from tests.adapters.throttle.clock import Clock


def told(hints: Hints, operation: str = "") -> Report:
    return Report(operation, 0.01, "throttled", 0.0, hints)


def test_a_refusal_costs_a_fast_lane_only_a_few_tokens_time(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=50, burst=10), clock)

    throttle.report(throttled())

    pause = denied(throttle.acquire())
    assert pause.reason == "paused: the target refused"
    assert 2 / 50 <= pause.wait_s <= 15 / 50


def test_refusals_without_any_success_between_them_pause_ever_longer(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=50, burst=10, learn=Learn(floor_per_s=20)), clock)
    waits = []
    for _ in range(10):
        throttle.report(throttled())
        waits.append(denied(throttle.acquire()).wait_s)
        clock.pass_(waits[-1] + 0.3)

    assert waits == sorted(waits)
    assert waits[-1] > 20 * waits[0]
    assert waits[-1] <= 60


def test_a_success_ends_the_growth_of_the_pause(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=50, burst=10), clock)
    waits = []
    for answers in ([throttled()], [throttled()], [throttled()], [throttled()], [throttled()], [ok(), throttled()]):
        for answer in answers:
            throttle.report(answer)
        waits.append(denied(throttle.acquire()).wait_s)
        clock.pass_(waits[-1] + 0.3)

    assert waits[-1] < waits[-2] / 4


def test_the_time_the_target_names_is_kept_by_everybody(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=50, burst=10), clock)

    throttle.report(throttled(retry_after_s=17.0))

    assert denied(throttle.acquire()).wait_s == pytest.approx(17.0, abs=1e-3)


def test_an_absurd_time_is_bounded(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=50, burst=10), clock)

    throttle.report(throttled(retry_after_s=1e9))

    assert denied(throttle.acquire()).wait_s == pytest.approx(3600, abs=1e-3)


def test_it_lowers_once_for_refusals_that_come_together_and_never_below_the_floor(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=50, burst=10, learn=Learn(floor_per_s=10)), clock)

    for _ in range(5):
        throttle.report(throttled())
    together = throttle.status().working_per_s
    for _ in range(20):
        clock.pass_(0.26)
        throttle.report(throttled())

    assert together is not None
    assert together >= 0.3 * 50
    assert throttle.status().working_per_s == 10


def test_it_comes_back_to_the_limit_and_never_above(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=50, burst=10), clock)
    throttle.report(throttled())
    seen = []
    for _ in range(100):
        clock.pass_(0.1)
        throttle.acquire()
        seen.append(throttle.status().working_per_s or 0.0)

    assert seen == sorted(seen)
    assert seen[0] < 50
    assert seen[-1] == 50


def test_rising_latency_lowers_the_calls_at_once(make: Make, clock: Clock) -> None:
    throttle = make(Limit(concurrency=10, learn=Learn(slow_ratio=2.0)), clock)
    held = [granted(throttle.acquire()) for _ in range(10)]

    for latency_s in (0.1, 0.5, 0.5):
        for _ in range(13):
            throttle.report(ok(latency_s))
            clock.pass_(0.1)
            throttle.extend(held[0])

    working = throttle.status().working_concurrency
    assert working is not None
    assert 1 <= working < 10


def test_a_bucket_that_the_target_knows_emptier_is_emptied_here(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=0.01, burst=10), clock)

    throttle.report(Report("", 0.01, "failed", None, Hints(remaining=3, limit=10)))

    assert take_all(throttle, Ask()) == 3


def test_a_target_that_says_more_than_is_configured_is_not_believed(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=0.01, burst=4, windows=(Window(3, 30.0),)), clock)

    throttle.report(Report("", 0.01, "failed", None, Hints(remaining=900, limit=1000, reset_s=1.0, rate_per_s=500.0)))

    assert take_all(throttle, Ask()) == 3


def test_a_window_that_others_used_is_counted_so(make: Make, clock: Clock) -> None:
    throttle = make(Limit(windows=(Window(150, 30.0),)), clock)

    throttle.report(Report("", 0.01, "failed", None, Hints(remaining=20, limit=150, reset_s=12.0)))

    assert take_all(throttle, Ask()) == 20


def test_a_quota_used_up_closes_the_lane_until_its_reset(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=100, burst=10), clock)

    throttle.report(Report("", 0.01, "failed", None, Hints(remaining=0, reset_s=9.0)))

    refusal = denied(throttle.acquire())
    assert refusal.reason == "paused: the target's quota is used up"
    assert refusal.wait_s == pytest.approx(9.0, abs=1e-3)


def test_the_rate_an_operation_is_granted_is_kept(make: Make, clock: Clock) -> None:
    throttle = make(Limit(operations={"getOrder": Limit(rate_per_s=2.0, burst=2)}), clock)

    throttle.report(Report("getOrder", 0.01, "failed", None, Hints(rate_per_s=0.5)))
    assert take_all(throttle, Ask(operation="getOrder")) == 2

    assert denied(throttle.acquire(Ask(operation="getOrder"))).wait_s == pytest.approx(2.0, abs=1e-3)


def test_points_follow_the_target_in_both_directions_but_never_above_the_capacity(make: Make, clock: Clock) -> None:
    throttle = make(Limit(points=Points(1000, 0.001, per_call=100)), clock)

    throttle.report(Report("", 0.01, "failed", None, Hints(points_left=250)))
    assert take_all(throttle, Ask()) == 2
    throttle.report(Report("", 0.01, "failed", None, Hints(points_left=90_000)))

    assert take_all(throttle, Ask()) == 10
