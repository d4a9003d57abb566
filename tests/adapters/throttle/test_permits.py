"""Every throttle keeps the same promises, whether its state is in Redis or in memory."""

import pytest

from adapters.throttle.base import Ask, Limit, Report
from tests.adapters.throttle.asking import Make, denied, granted
from tests.adapters.throttle.clock import Clock


def test_the_burst_is_granted_at_once_and_the_next_call_waits_exactly_one_interval(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=10, burst=3), clock)

    for _ in range(3):
        granted(throttle.acquire())
    refusal = denied(throttle.acquire())

    assert refusal.reason == "rate"
    assert refusal.wait_s == pytest.approx(0.1, abs=1e-5)
    clock.pass_(refusal.wait_s - 0.001)
    denied(throttle.acquire())
    clock.pass_(0.001)
    granted(throttle.acquire())


def test_a_bundle_gets_all_its_calls_or_none(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=10, burst=5), clock)
    granted(throttle.acquire(Ask(3)))

    refusal = denied(throttle.acquire(Ask(4)))

    assert refusal.wait_s == pytest.approx(0.2, abs=1e-5)
    assert granted(throttle.acquire(Ask(2))).calls == 2


def test_more_calls_than_the_burst_are_capped(make: Make, clock: Clock) -> None:
    assert granted(make(Limit(rate_per_s=10, burst=5), clock).acquire(Ask(50))).calls == 5


def test_asking_for_no_call_is_a_fault_of_the_caller(make: Make, clock: Clock) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make(Limit(rate_per_s=10), clock).acquire(Ask(0))


def test_leases_bound_the_concurrency_and_come_back_by_release(make: Make, clock: Clock) -> None:
    throttle = make(Limit(concurrency=2), clock)
    first = granted(throttle.acquire())
    granted(throttle.acquire())

    refusal = denied(throttle.acquire())
    throttle.release(first)

    assert refusal.reason == "concurrency"
    assert refusal.wait_s > 0
    granted(throttle.acquire())
    denied(throttle.acquire())


def test_releasing_twice_gives_nothing_twice(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=0.001, burst=4, concurrency=2), clock)
    permit = granted(throttle.acquire(Ask(4)))

    throttle.release(permit, unspent=2)
    throttle.release(permit, unspent=2)

    assert granted(throttle.acquire(Ask(2))).calls == 2
    assert denied(throttle.acquire(Ask(1))).reason == "rate"


def test_unspent_calls_never_lift_the_bucket_above_its_burst(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=10, burst=4), clock)
    permit = granted(throttle.acquire(Ask(4)))
    clock.pass_(0.4)

    throttle.release(permit, unspent=4)

    granted(throttle.acquire(Ask(4)))
    denied(throttle.acquire(Ask(1)))


def test_nobody_gives_back_more_than_was_granted(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=0.001, burst=10), clock)
    granted(throttle.acquire(Ask(9)))
    one = granted(throttle.acquire(Ask(1)))

    throttle.release(one, unspent=10)

    denied(throttle.acquire(Ask(2)))
    granted(throttle.acquire(Ask(1)))


def test_a_lease_that_nobody_renews_comes_back_by_itself(make: Make, clock: Clock) -> None:
    throttle = make(Limit(concurrency=1), clock)
    granted(throttle.acquire())

    clock.pass_(4.9)
    denied(throttle.acquire())
    clock.pass_(0.2)

    granted(throttle.acquire())


def test_extending_adds_calls_and_keeps_the_lease_alive(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=10, burst=4, concurrency=1), clock)
    permit = granted(throttle.acquire(Ask(1)))
    clock.pass_(4)

    permit = granted(throttle.extend(permit, 2))
    clock.pass_(4)

    assert permit.calls == 3
    assert denied(throttle.acquire()).reason == "concurrency"


def test_a_lease_that_ran_out_is_taken_anew_only_where_there_is_room(make: Make, clock: Clock) -> None:
    throttle = make(Limit(concurrency=1), clock)
    old = granted(throttle.acquire())
    clock.pass_(6)
    new = granted(throttle.acquire())

    assert denied(throttle.extend(old)).reason == "concurrency"
    throttle.release(new)
    granted(throttle.extend(old))


def test_a_pause_closes_the_account_and_a_shorter_one_never_opens_it_early(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=100, burst=10), clock)

    throttle.pause(30, "Retry-After")
    throttle.pause(1, "again")
    refusal = denied(throttle.acquire())

    assert refusal.reason == "paused: Retry-After"
    assert refusal.wait_s == pytest.approx(30, abs=1e-3)
    clock.pass_(29.9)
    denied(throttle.acquire())
    clock.pass_(0.2)
    granted(throttle.acquire())


def test_a_clock_that_steps_back_stops_nothing_and_grants_no_more_than_the_burst(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=10, burst=2), clock)
    granted(throttle.acquire(Ask(2)))

    clock.pass_(-3600)

    assert denied(throttle.acquire()).wait_s <= 0.1 + 1e-5
    clock.pass_(0.1)
    granted(throttle.acquire())
    clock.pass_(3600)
    granted(throttle.acquire(Ask(2)))
    denied(throttle.acquire())


def test_without_any_limit_everything_is_granted_until_a_pause(make: Make, clock: Clock) -> None:
    throttle = make(Limit(), clock)

    for _ in range(50):
        granted(throttle.acquire())
    throttle.pause(5, "maintenance")

    denied(throttle.acquire())


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_per_s": 0},
        {"rate_per_s": -1},
        {"rate_per_s": float("nan")},
        {"burst": 0},
        {"concurrency": 0},
        {"safe_share": 0},
    ],
)
def test_a_limit_that_could_never_grant_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give"):
        Limit(**wrong)  # type: ignore[arg-type]  # one field at a time, by name


def test_the_safe_share_is_never_less_than_one_call_at_a_time() -> None:
    assert Limit(50, 10, 5, 0.25).alone() == Limit(12.5, 2, 1, 0.25)
    assert Limit(None, 1, 1, 0.01).alone() == Limit(None, 1, 1, 0.01)


def test_calls_go_side_by_side_under_one_permit_only_where_nothing_bounds_them(make: Make, clock: Clock) -> None:
    ask = Ask(8, at_once=8)

    free = granted(make(Limit(), clock).acquire(ask))
    bounded = [granted(make(limit, clock).acquire(ask)) for limit in (Limit(rate_per_s=1000, burst=100), Limit(concurrency=9))]

    assert (free.calls, free.at_once) == (8, 8)
    assert [permit.at_once for permit in bounded] == [1, 1]


def test_a_refusal_takes_back_that_calls_go_side_by_side(make: Make, clock: Clock) -> None:
    throttle = make(Limit(), clock)
    before = granted(throttle.acquire(Ask(8, at_once=8)))
    throttle.release(before)

    throttle.report(Report("order.create", 0.1, "throttled"))
    clock.pass_(5.0)
    after = granted(throttle.acquire(Ask(8, at_once=8)))

    assert (before.at_once, after.at_once) == (8, 1)
