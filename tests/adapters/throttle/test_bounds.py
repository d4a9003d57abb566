"""Every bound holds together with the others: windows, budgets, points, single operations, a ramp, places kept."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from adapters.throttle.base import Ask, Budget, Execution, Granted, Learn, Limit, Points, Report, Window
from tests.adapters.throttle.asking import Make, denied, granted, ok, take_all, throttled
from tests.adapters.throttle.clock import Clock


def test_a_window_never_sees_more_than_its_calls_and_gives_back_nearly_all_of_it(make: Make, clock: Clock) -> None:
    throttle = make(Limit(windows=(Window(60, 10.0),)), clock)
    began, moments = clock.now_s, list[float]()

    while clock.now_s < began + 40:
        answer = throttle.acquire()
        if not hasattr(answer, "lease"):
            assert denied(answer).reason == "window"
            clock.pass_(denied(answer).wait_s)
        else:
            throttle.release(granted(answer))
            moments.append(clock.now_s)
            clock.pass_(0.01)

    for first, moment in enumerate(moments):
        assert sum(moment <= later < moment + 10.0 for later in moments[first:]) <= 60
    assert len(moments) >= 0.97 * 60 * 4


def test_the_wait_a_window_tells_is_enough_and_not_much_more(make: Make, clock: Clock) -> None:
    throttle = make(Limit(windows=(Window(5, 100.0),)), clock)
    assert take_all(throttle, Ask()) == 5

    refusal = denied(throttle.acquire())

    assert 99 <= refusal.wait_s <= 102
    clock.pass_(refusal.wait_s)
    granted(throttle.acquire())


def test_several_windows_hold_at_once(make: Make, clock: Clock) -> None:
    throttle = make(Limit(windows=(Window(3, 1.0), Window(4, 60.0))), clock)

    assert take_all(throttle, Ask()) == 3
    clock.pass_(2)
    assert take_all(throttle, Ask()) == 1
    assert denied(throttle.acquire()).wait_s > 50


def test_calls_given_back_unspent_leave_the_window(make: Make, clock: Clock) -> None:
    throttle = make(Limit(burst=4, windows=(Window(4, 60.0),)), clock)
    permit = granted(throttle.acquire(Ask(4)))

    throttle.release(permit, unspent=3)

    assert granted(throttle.acquire(Ask(3))).calls == 3
    denied(throttle.acquire())


def test_the_targets_own_time_is_counted_by_what_answers_took_whatever_their_verdict(make: Make, clock: Clock) -> None:
    throttle = make(Limit(execution=(Execution(2.0, 60.0),), learn=None, breaker=None), clock)
    for verdict in ("ok", "failed", "lost"):
        permit = granted(throttle.acquire())
        throttle.report(Report("order.create", 0.6, verdict))
        throttle.release(permit)

    clock.pass_(1)
    # Another one would take 0.6 s as well, and 0.2 s are left.
    refusal = denied(throttle.acquire())

    assert refusal.reason == "execution"
    assert 58 <= refusal.wait_s <= 62
    assert throttle.status().execution_left_s[0] == pytest.approx(0.2)
    clock.pass_(refusal.wait_s)
    granted(throttle.acquire())


def test_in_no_span_does_the_target_work_longer_than_it_allows_and_nearly_all_of_it_is_used(make: Make, clock: Clock) -> None:
    throttle = make(Limit(concurrency=20, execution=(Execution(40.0, 10.0),), learn=Learn(slow_ratio=None), breaker=None), clock)
    under_way, ended = list[tuple[float, Granted]](), list[float]()
    began = clock.now_s

    while clock.now_s < began + 65:
        while under_way and under_way[0][0] <= clock.now_s:
            _, permit = under_way.pop(0)
            throttle.report(Report("order.create", 0.4, "ok"))
            throttle.release(permit)
            ended.append(clock.now_s)
        answer = throttle.acquire()
        if isinstance(answer, Granted):
            under_way.append((clock.now_s + 0.4, answer))
        clock.pass_(0.05)

    # Before the first answer nobody knows how long one takes: what was begun until then is over the limit at most once.
    known = [moment for moment in ended if moment > began + 3]
    for moment in known:
        assert sum(moment <= later < moment + 10.0 for later in known) * 0.4 <= 40.0
    assert len(ended) * 0.4 >= 0.9 * 4.0 * 65


def test_a_target_so_slow_that_one_answer_is_over_the_limit_is_still_asked_in_the_end(make: Make, clock: Clock) -> None:
    throttle = make(Limit(execution=(Execution(1.0, 5.0),), learn=None, breaker=None), clock)
    permit = granted(throttle.acquire())
    throttle.report(Report("", 30.0, "ok"))
    throttle.release(permit)

    clock.pass_(denied(throttle.acquire()).wait_s + 0.001)

    granted(throttle.acquire())


def test_a_daily_budget_is_refused_until_its_reset_in_its_own_zone(make: Make, clock: Clock) -> None:
    zone = ZoneInfo("America/Los_Angeles")
    clock.now_s = datetime(2026, 11, 27, 23, 0, tzinfo=zone).timestamp()
    throttle = make(Limit(budgets=(Budget(3, "00:30", "America/Los_Angeles"),)), clock)

    assert take_all(throttle, Ask()) == 3
    refusal = denied(throttle.acquire())

    assert refusal.reason == "budget"
    assert refusal.wait_s == pytest.approx(90 * 60, abs=1)
    clock.pass_(refusal.wait_s)
    assert take_all(throttle, Ask()) == 3


def test_points_are_spent_by_the_call_and_restored_by_the_second(make: Make, clock: Clock) -> None:
    throttle = make(Limit(points=Points(100, 10.0, per_call=40)), clock)

    assert take_all(throttle, Ask()) == 2
    refusal = denied(throttle.acquire())

    assert refusal.reason == "points"
    assert refusal.wait_s == pytest.approx(2.0, abs=1e-3)
    clock.pass_(refusal.wait_s)
    granted(throttle.acquire())


def test_an_operation_at_its_own_limit_leaves_the_rest_of_the_lane_going(make: Make, clock: Clock) -> None:
    limit = Limit(rate_per_s=100, burst=20, operations={"stock.read": Limit(rate_per_s=1, burst=2, concurrency=1)})
    throttle = make(limit, clock)
    held = granted(throttle.acquire(Ask(operation="stock.read")))

    full = denied(throttle.acquire(Ask(operation="stock.read")))
    throttle.release(held)
    granted(throttle.acquire(Ask(operation="stock.read")))
    clock.pass_(0.5)
    throttle.pause(0.0, "")

    assert (full.reason, full.operation) == ("concurrency", "stock.read")
    granted(throttle.acquire(Ask(operation="order.create")))


def test_an_operation_out_of_tokens_says_so_by_name(make: Make, clock: Clock) -> None:
    throttle = make(Limit(operations={"stock.read": Limit(rate_per_s=1, burst=2)}), clock)

    assert take_all(throttle, Ask(operation="stock.read")) == 2
    refusal = denied(throttle.acquire(Ask(operation="stock.read")))

    assert (refusal.reason, refusal.operation) == ("rate", "stock.read")
    assert refusal.wait_s == pytest.approx(1.0, abs=1e-3)


def test_all_or_nothing_a_call_refused_by_one_bound_is_counted_by_none(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=1, burst=4, windows=(Window(4, 60.0),), concurrency=1), clock)
    held = granted(throttle.acquire())

    for _ in range(20):
        denied(throttle.acquire())
    throttle.release(held)

    assert take_all(throttle, Ask()) == 3


def test_a_ramp_scales_rate_and_concurrency(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=100, burst=1, concurrency=10), clock)
    ramp = Ask(scale=0.2)
    held = [granted(throttle.acquire(ramp))]

    assert denied(throttle.acquire(ramp)).wait_s == pytest.approx(1 / 20, abs=1e-4)
    clock.pass_(0.05)
    held.append(granted(throttle.acquire(ramp)))
    clock.pass_(1)

    assert denied(throttle.acquire(ramp)).reason == "concurrency"
    granted(throttle.acquire())
    assert len(held) == 2


def test_a_holder_that_needs_one_more_call_is_served_before_those_that_begin(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=10, burst=1), clock)
    holder = granted(throttle.acquire())
    denied(throttle.extend(holder))

    clock.pass_(0.1001)
    beginner = denied(throttle.acquire())

    assert beginner.wait_s == pytest.approx(0.1, abs=1e-3)
    assert granted(throttle.extend(holder)).calls == 2
    clock.pass_(0.1001)
    granted(throttle.acquire())


def test_holders_that_wait_are_served_in_turn(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=10, burst=2), clock)
    first, second = granted(throttle.acquire()), granted(throttle.acquire())
    denied(throttle.extend(first))

    assert denied(throttle.extend(second)).wait_s == pytest.approx(0.2, abs=1e-3)
    clock.pass_(0.1)
    denied(throttle.extend(second))
    granted(throttle.extend(first))


def test_a_place_is_given_up_with_its_lease(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=10, burst=1), clock)
    holder = granted(throttle.acquire())
    denied(throttle.extend(holder))

    throttle.release(holder)
    clock.pass_(0.1)

    granted(throttle.acquire())


def test_calls_granted_ahead_keep_the_bucket_from_filling_behind_them(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=10, burst=8), clock)
    throttle.sent(granted(throttle.acquire(Ask(4))))
    clock.pass_(2)

    # Three of the four may still be unsent: the target would see them on top of a full bucket.
    assert take_all(throttle, Ask()) == 5


def test_calls_that_have_not_left_keep_the_bucket_from_filling_behind_them(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=50, burst=10), clock)
    held = [granted(throttle.acquire()) for _ in range(6)]
    for permit in held[:2]:
        throttle.sent(permit)
    clock.pass_(0.3)

    for permit in held[1:]:
        throttle.release(permit)

    # Four calls had not come to the target while the bucket filled: with eight more they would be more than its own holds.
    assert take_all(throttle, Ask()) == 4


def test_calls_sent_one_after_another_are_ahead_no_longer(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=10, burst=8), clock)
    permit = granted(throttle.acquire(Ask(4)))
    for _ in range(3):
        throttle.sent(permit)
    clock.pass_(2)

    assert take_all(throttle, Ask()) == 7


def test_another_limit_acts_on_the_next_call_and_forgets_nothing(make: Make, clock: Clock) -> None:
    throttle = make(Limit(concurrency=1), clock)
    granted(throttle.acquire())
    denied(throttle.acquire())

    throttle.adjust(Limit(concurrency=2))

    granted(throttle.acquire())
    denied(throttle.acquire())


def test_where_nothing_bounds_how_many_go_at_once_a_bound_put_in_force_for_a_while_holds_and_goes_again(
    make: Make, clock: Clock
) -> None:
    throttle = make(Limit(rate_per_s=100, burst=20), clock)
    granted(throttle.acquire())
    clock.pass_(300)

    throttle.adjust(Limit(rate_per_s=100, burst=20, concurrency=1))
    canary = granted(throttle.acquire(Ask(1, scale=0.1)))
    assert denied(throttle.acquire(Ask(1, scale=0.1))).reason == "concurrency"
    throttle.release(canary)
    throttle.release(granted(throttle.acquire(Ask(1, scale=0.1))))
    throttle.adjust(Limit(rate_per_s=100, burst=20))
    clock.pass_(10)

    assert len([granted(throttle.acquire()) for _ in range(5)]) == 5


def test_the_lane_shows_its_limit_what_is_in_use_and_what_it_saw(make: Make, clock: Clock) -> None:
    limit = Limit(rate_per_s=10, burst=5, concurrency=4, windows=(Window(100, 60.0),), budgets=(Budget(50),))
    throttle = make(limit, clock)
    for _ in range(3):
        granted(throttle.acquire())
        throttle.report(ok())
    throttle.report(throttled(retry_after_s=30))
    clock.pass_(1.5)
    denied(throttle.acquire())

    status = throttle.status()

    assert status.limit == limit
    assert status.permits == 3
    assert status.working_per_s is not None
    assert status.working_per_s < 10
    assert (status.windows_left, status.budgets_left) == ((97,), (47,))
    assert status.paused_s == pytest.approx(28.5, abs=0.1)
    assert status.paused_why == "the target refused"
    assert (status.answered_10s, status.throttled_10s) == (4, 1)
    assert (status.breaker, status.breakers) == ("closed", {})
    assert [(one.granted, one.answered, one.throttled) for one in throttle.samples(3600)] == [(3, 4, 1)]


def test_a_fixed_limit_does_not_learn(make: Make, clock: Clock) -> None:
    throttle = make(Limit(rate_per_s=10, burst=5, learn=None), clock)

    throttle.report(throttled())

    assert throttle.status().working_per_s == 10
    assert denied(throttle.acquire()).reason.startswith("paused")


def test_a_start_is_where_the_working_limit_begins(make: Make, clock: Clock) -> None:
    throttle = make(Limit(concurrency=8, learn=Learn(start_concurrency=2)), clock)

    granted(throttle.acquire())
    granted(throttle.acquire())

    assert denied(throttle.acquire()).reason == "concurrency"
