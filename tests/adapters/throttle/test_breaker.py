"""A target that does not work is asked no more, then by one probe at a time, for the account and for each operation."""

import pytest

from adapters.throttle.base import Ask, Breaker, Limit, Report
from tests.adapters.throttle.asking import Make, denied, failed, granted, ok, throttled
from tests.adapters.throttle.clock import Clock

RULES = Breaker(failures=3, ratio=0.5, least=10, open_s=2.0, longest_open_s=5.0)
LIMIT = Limit(breaker=RULES)


def test_failures_in_a_row_close_the_account_for_a_while(make: Make, clock: Clock) -> None:
    throttle = make(LIMIT, clock)
    for _ in range(3):
        throttle.report(failed())

    refusal = denied(throttle.acquire())

    assert (refusal.reason, refusal.operation) == ("breaker", "")
    assert refusal.wait_s == pytest.approx(2.0, abs=1e-3)
    assert throttle.status().breaker == "open"


@pytest.mark.parametrize("verdict", ["failed", "lost"])
def test_one_success_between_failures_keeps_it_closed(make: Make, clock: Clock, verdict: str) -> None:
    throttle = make(LIMIT, clock)

    for _ in range(4):
        throttle.report(Report("", 0.1, verdict))  # type: ignore[arg-type]  # the verdicts are a closed set
        throttle.report(ok())
        throttle.report(Report("", 0.1, verdict))  # type: ignore[arg-type]  # the verdicts are a closed set
        clock.pass_(0.3)
        granted(throttle.acquire())


def test_a_throttle_answer_never_opens_it(make: Make, clock: Clock) -> None:
    throttle = make(LIMIT, clock)

    for _ in range(10):
        throttle.report(throttled())

    assert throttle.status().breaker == "closed"


def test_a_half_open_breaker_lets_one_probe_through_at_a_time(make: Make, clock: Clock) -> None:
    throttle = make(LIMIT, clock)
    for _ in range(3):
        throttle.report(failed())
    clock.pass_(2.01)

    probe = granted(throttle.acquire())

    assert probe.probe
    assert throttle.status().breaker == "probing"
    assert denied(throttle.acquire()).reason == "breaker"
    # The probe may take the second request its posting needs.
    granted(throttle.extend(probe))


def test_a_probe_that_works_closes_it(make: Make, clock: Clock) -> None:
    throttle = make(LIMIT, clock)
    for _ in range(3):
        throttle.report(failed())
    clock.pass_(2.01)
    granted(throttle.acquire())

    throttle.report(ok())
    clock.pass_(0.3)

    assert not granted(throttle.acquire()).probe
    assert throttle.status().breaker == "closed"


def test_each_probe_that_fails_doubles_the_time_to_a_bound(make: Make, clock: Clock) -> None:
    throttle = make(LIMIT, clock)
    for _ in range(3):
        throttle.report(failed())
    waits = []
    for _ in range(4):
        waits.append(round(denied(throttle.acquire()).wait_s, 2))
        clock.pass_(waits[-1] + 0.01)
        probe = granted(throttle.acquire())
        throttle.report(failed())
        throttle.release(probe)

    assert waits == [2.0, 4.0, 5.0, 5.0]


def test_a_probe_that_sent_nothing_leaves_its_place_to_the_next(make: Make, clock: Clock) -> None:
    throttle = make(LIMIT, clock)
    for _ in range(3):
        throttle.report(failed())
    clock.pass_(2.01)

    throttle.release(granted(throttle.acquire()), unspent=1)

    assert granted(throttle.acquire()).probe


def test_a_probe_whose_holder_died_leaves_its_place_when_its_lease_ends(make: Make, clock: Clock) -> None:
    throttle = make(LIMIT, clock)
    for _ in range(3):
        throttle.report(failed())
    clock.pass_(2.01)
    granted(throttle.acquire())
    denied(throttle.acquire())

    clock.pass_(5.1)

    assert granted(throttle.acquire()).probe


def test_answers_to_requests_sent_before_it_opened_change_nothing(make: Make, clock: Clock) -> None:
    throttle = make(LIMIT, clock)
    for _ in range(3):
        throttle.report(failed())

    throttle.report(ok())
    throttle.report(failed())

    assert denied(throttle.acquire()).wait_s == pytest.approx(2.0, abs=1e-3)


def test_one_operation_may_fail_while_the_others_go_on(make: Make, clock: Clock) -> None:
    throttle = make(LIMIT, clock)
    for _ in range(3):
        throttle.report(failed("order.create"))
        throttle.report(ok(operation="stock.read"))
        clock.pass_(0.3)
        granted(throttle.acquire(Ask(operation="stock.read")))

    refusal = denied(throttle.acquire(Ask(operation="order.create")))

    assert (refusal.reason, refusal.operation) == ("breaker", "order.create")
    granted(throttle.acquire(Ask(operation="stock.read")))
    assert throttle.status().breakers["order.create"] == "open"


def test_half_of_an_operations_requests_failing_opens_its_breaker(make: Make, clock: Clock) -> None:
    throttle = make(LIMIT, clock)
    for _ in range(5):
        throttle.report(failed("order.create"))
        throttle.report(ok(operation="order.create"))
        clock.pass_(0.3)
        throttle.acquire(Ask(operation="stock.read"))
    throttle.report(failed("order.create"))

    assert denied(throttle.acquire(Ask(operation="order.create"))).operation == "order.create"
    granted(throttle.acquire(Ask(operation="stock.read")))


def test_answers_that_take_too_long_count_as_failures(make: Make, clock: Clock) -> None:
    throttle = make(Limit(breaker=Breaker(failures=3, slow_s=10.0)), clock)

    for _ in range(3):
        throttle.report(ok(latency_s=10.5))

    assert denied(throttle.acquire()).reason == "breaker"


def test_without_a_breaker_nothing_is_closed(make: Make, clock: Clock) -> None:
    throttle = make(Limit(breaker=None), clock)

    for _ in range(50):
        throttle.report(failed())

    granted(throttle.acquire())
