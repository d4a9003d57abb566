"""What an ERP's bucket would have let through, what was used and what was refused, are reckoned from its log alone."""

import pytest

from bench import allowance
from bench.erp_log import Change, Request
from bench.limits import Bucket, Limits

TEN = Limits(service_s=0.1, rate_per_s=10.0, burst=5, at_once=10)
FIVE = Limits(service_s=0.1, rate_per_s=5.0, burst=2, at_once=10)


def let_in(*moments_s: float, key: str = "K", status: int = 200) -> list[Request]:
    return [Request(at_s, at_s + 0.1, status, "PUT", key) for at_s in moments_s]


def test_a_bucket_is_full_at_first_and_fills_by_time_up_to_its_burst() -> None:
    bucket = Bucket(TEN, 0.0)

    taken = [bucket.take(0.0) for _ in range(6)]

    assert taken == [True] * 5 + [False]
    assert not bucket.take(0.05)
    assert bucket.take(0.1)
    assert bucket.tokens(100.0) == 5.0


def test_a_bucket_settles_at_the_old_rate_when_its_limits_change() -> None:
    bucket = Bucket(TEN, 0.0)
    for _ in range(5):
        bucket.take(0.0)

    bucket.change(FIVE, 0.1)

    assert bucket.tokens(0.1) == pytest.approx(1.0)
    assert bucket.tokens(0.2) == pytest.approx(1.5)
    assert bucket.tokens(9.0) == 2.0


def test_the_allowance_is_the_burst_that_was_there_and_all_that_was_earned() -> None:
    changes = [Change(0.0, TEN)]

    assert allowance.allowed([], changes, 10.0, 12.0) == pytest.approx(5 + 20)


def test_tokens_spent_before_the_time_looked_at_are_no_allowance_of_it() -> None:
    earlier = let_in(9.9, 9.9, 9.9, 9.9)

    assert allowance.tokens_at(earlier, [Change(0.0, TEN)], 10.0) == pytest.approx(2.0)
    assert allowance.allowed(earlier, [Change(0.0, TEN)], 10.0, 12.0) == pytest.approx(2 + 20)


def test_what_another_user_takes_is_no_allowance_of_ours() -> None:
    changes = [Change(0.0, TEN), Change(11.0, FIVE), Change(12.0, TEN)]

    assert allowance.allowed([], changes, 10.0, 13.0) == pytest.approx(5 + 10 + 5 + 10)


def test_a_rate_that_the_calls_at_once_cannot_carry_counts_as_far_as_they_can() -> None:
    narrow = Limits(service_s=0.5, rate_per_s=10.0, burst=1, at_once=2)

    assert allowance.allowed([], [Change(0.0, narrow)], 10.0, 12.0) == pytest.approx(1 + 2 * 4)


def test_an_erp_without_a_limit_has_no_allowance_to_use() -> None:
    with pytest.raises(ValueError, match="no limit"):
        allowance.allowed([], [Change(0.0, Limits())], 0.0, 1.0)


def test_used_counts_look_ups_as_well_and_refusals_not() -> None:
    requests = [*let_in(10.1, 10.2), Request(10.3, 10.4, 404, "GET", "K"), *let_in(10.4, status=429)]

    assert allowance.used(requests, [Change(0.0, TEN)], 10.0, 11.0) == pytest.approx(3 / 15)
    assert allowance.refused(requests, 10.0, 11.0) == pytest.approx(1 / 4)
    assert allowance.refused(requests, 20.0, 21.0) == 0.0


def test_a_backlog_stands_from_its_first_order_until_few_are_left() -> None:
    requests = [*let_in(1.0, key="warm"), *let_in(2.0, key="A"), *let_in(3.0, key="B"), *let_in(4.0, key="C")]

    assert allowance.standing(requests, {"A", "B", "C"}, 1) == (2.0, 3.0)
    assert allowance.standing(requests, {"A", "B", "C", "D", "E"}, 1) == (2.0, None)
    with pytest.raises(ValueError, match="no order"):
        allowance.standing(requests, {"Z"}, 1)


def test_a_curve_has_the_limit_and_the_calls_of_every_second() -> None:
    requests = [*let_in(10.1, 10.9, 11.5), *let_in(11.6, status=429)]

    assert allowance.curve(requests, [Change(0.0, TEN), Change(11.0, FIVE)], 10.0, 12.0) == ((0, 10, 2, 0), (1, 5, 1, 1))


def test_a_mix_has_turned_at_the_first_order_of_the_first_run_that_is_mostly_the_other_class() -> None:
    before = [(at_s / 10, "normal") for at_s in range(10)]
    after = [(1.0 + at_s / 10, "normal" if at_s == 3 else "low") for at_s in range(10)]

    assert allowance.turned_s(before + after, 0.5, "low", 0.9, run=10) == pytest.approx(0.5)
    assert allowance.turned_s(before + after, 0.5, "low", 1.0, run=6) == pytest.approx(0.9)
    assert allowance.turned_s(before, 0.5, "low", 0.9, run=5) is None


def test_the_longest_stand_counts_the_time_to_the_first_and_from_the_last() -> None:
    assert allowance.longest_gap_s([1.0, 2.0], 0.5, 9.0) == 7.0
    assert allowance.longest_gap_s([], 1.0, 4.0) == 3.0


def test_a_quantile_is_a_value_that_was_seen() -> None:
    waits = [0.2, 0.1, 0.4, 0.3]

    assert allowance.quantile(waits, 0.5) == 0.3
    assert allowance.quantile(waits, 1.0) == 0.4
    assert allowance.quantile([], 0.5) == 0.0
