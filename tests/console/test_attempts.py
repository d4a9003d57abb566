"""The limit on sign-ins: names from many addresses, everybody behind one proxy, short waits, right tries that cost nothing."""

from datetime import timedelta

import pytest

from tests.tasks.world import Clock
from workers.console.attempts import A_NAME, AN_ADDRESS, Attempts, Try


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock.now)


def test_a_name_is_counted_wherever_the_tries_come_from(attempts: Attempts) -> None:
    for number in range(A_NAME.count):
        attempts.failed(Try(f"10.0.0.{number}", "ann"))

    assert attempts.wait_s(Try("10.9.9.9", "ann")) == pytest.approx(60)
    assert attempts.wait_s(Try("10.9.9.9", "bob")) == 0


def test_nobody_waits_longer_than_a_minute_however_long_it_is_tried(attempts: Attempts, clock: Clock) -> None:
    longest = 0.0
    for _ in range(600):
        guess = Try("10.0.0.1", "ann")
        if attempts.wait_s(guess) == 0:
            attempts.failed(guess)
        longest = max(longest, attempts.wait_s(Try("10.0.0.2", "ann")))
        clock.move(1)
    clock.move(60)

    assert longest <= 60
    assert attempts.wait_s(Try("10.0.0.1", "ann")) == 0


def test_everybody_behind_a_proxy_signs_in_in_the_morning(attempts: Attempts) -> None:
    for number in range(10 * AN_ADDRESS.count):
        told = Try("10.0.0.1", f"person{number}")
        assert attempts.wait_s(told) == 0
        attempts.succeeded(told, attempts.failed(told))


def test_a_right_try_does_not_take_back_the_wrong_ones_of_others(attempts: Attempts, clock: Clock) -> None:
    for number in range(A_NAME.count - 1):
        attempts.failed(Try(f"10.0.0.{number}", "ann"))
    clock.move(1)
    own = Try("10.9.9.9", "ann")
    attempts.succeeded(own, attempts.failed(own))

    assert attempts.wait_s(own) == 0
    attempts.failed(Try("10.0.1.1", "ann"))
    assert attempts.wait_s(own) == pytest.approx(timedelta(seconds=59).total_seconds())


def test_a_known_browser_is_counted_by_itself(attempts: Attempts) -> None:
    for _ in range(A_NAME.count):
        attempts.failed(Try("10.0.0.1", "ann"))

    assert attempts.wait_s(Try("10.0.0.1", "ann", "mark")) == 0
    for _ in range(5):
        attempts.failed(Try("10.0.0.1", "ann", "mark"))
    assert attempts.wait_s(Try("10.0.0.1", "ann", "mark")) > 0
    assert attempts.wait_s(Try("10.0.0.1", "ann", "another")) == 0


def test_what_is_remembered_is_bounded(attempts: Attempts) -> None:
    for number in range(12_000):
        attempts.failed(Try(f"address {number}", f"name {number}"))

    assert len(attempts._failures) == 10_000
    assert attempts.wait_s(Try("address 11999", "name")) > 0
