"""Whatever is asked in whatever order, no throttle grants more than its limit."""

from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adapters.throttle.base import (
    Ask,
    Breaker,
    Budget,
    Denied,
    Execution,
    Granted,
    Hints,
    Learn,
    Limit,
    Points,
    Report,
    Throttle,
    Window,
)
from adapters.throttle.terms import terms_of
from tests.adapters.throttle.asking import AnyThrottle
from tests.adapters.throttle.clock import Clock, local_throttle, redis_throttle

Step = tuple[str, float, int]

limits = st.builds(
    Limit,
    rate_per_s=st.floats(0.5, 500, allow_nan=False),
    burst=st.integers(1, 20),
    concurrency=st.integers(1, 6),
)
steps = st.lists(
    st.tuples(st.sampled_from(["take", "take", "sent", "more", "give", "rest"]), st.floats(0, 0.7), st.integers(1, 6)),
    max_size=60,
)


class Run:
    """Plays steps and keeps what the outside would count: (time, net calls) and the leases in use."""

    def __init__(self, throttle: Throttle, clock: Clock) -> None:
        self.throttle, self.clock = throttle, clock
        self.log: list[tuple[float, int]] = []
        self.open: list[tuple[Granted, int]] = []
        self.most_open = 0

    def play(self, script: list[Step]) -> None:
        for verb, seconds, number in script:
            # Shorter than a lease's life in sum: expiry has tests of its own.
            self.clock.pass_(seconds / 20)
            if verb == "take":
                self._take(self.throttle.acquire(Ask(number)), 0)
            elif verb == "more" and self.open:
                permit, spent = self.open.pop()
                if not self._take(self.throttle.extend(permit, number), permit.calls):
                    self.open.append((permit, spent))
            elif verb == "sent" and self.open:
                self.throttle.sent(self.open[number % len(self.open)][0])
            elif verb == "give" and self.open:
                permit, _ = self.open.pop(0)
                unspent = number % (permit.calls + 1)
                self.throttle.release(permit, unspent)
                self.log.append((self.clock.now_s, -unspent))

    def _take(self, answer: object, already: int) -> bool:
        if not isinstance(answer, Granted):
            return False
        self.open.append((answer, 0))
        self.log.append((self.clock.now_s, answer.calls - already))
        self.most_open = max(self.most_open, len(self.open))
        return True


def keeps_its_limit(make: Callable[[Limit, Clock], Throttle], limit: Limit, script: list[Step]) -> None:
    assert limit.rate_per_s is not None
    assert limit.concurrency is not None
    clock = Clock()
    run = Run(make(limit, clock), clock)

    run.play(script)

    assert run.most_open <= limit.concurrency
    for first in range(len(run.log)):
        total = 0
        for at, calls in run.log[first:]:
            total += calls
            assert total <= limit.burst + limit.rate_per_s * (at - run.log[first][0]) + 1e-3


@settings(max_examples=150, deadline=None)
@given(limits, steps)
def test_in_memory_no_window_ever_sees_more_than_rate_and_burst(limit: Limit, script: list[Step]) -> None:
    keeps_its_limit(local_throttle, limit, script)


@settings(max_examples=40, deadline=None)
@given(limits, steps)
def test_in_redis_no_window_ever_sees_more_than_rate_and_burst(limit: Limit, script: list[Step]) -> None:
    keeps_its_limit(redis_throttle, limit, script)


@settings(max_examples=40, deadline=None)
@given(limits, steps)
def test_redis_and_memory_answer_the_same(limit: Limit, script: list[Step]) -> None:
    answers = []
    for make in (redis_throttle, local_throttle):
        clock = Clock()
        run = Run(make(limit, clock), clock)
        run.play(script)
        answers.append([(round(at, 4), calls) for at, calls in run.log])

    assert answers[0] == answers[1]


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 500), st.integers(1, 20), st.lists(st.integers(1, 5), min_size=1, max_size=30))
def test_waiting_exactly_as_told_always_ends_in_a_grant(rate: float, burst: int, asks: list[int]) -> None:
    clock = Clock(now_s=0.0)
    throttle = local_throttle(Limit(rate, burst), clock)

    for calls in asks:
        answer = throttle.acquire(Ask(calls))
        if not isinstance(answer, Granted):
            clock.pass_(answer.wait_s)
            answer = throttle.acquire(Ask(calls))
        assert isinstance(answer, Granted)
        throttle.release(answer)


PART_S = 0.06
"""A hundredth of the longest window below, and a little."""
OPERATIONS = ("", "order.create", "stock.read")
full_limits = st.builds(
    Limit,
    rate_per_s=st.one_of(st.none(), st.floats(1, 200)),
    burst=st.integers(1, 20),
    concurrency=st.one_of(st.none(), st.integers(1, 8)),
    windows=st.lists(st.builds(Window, st.integers(1, 30), st.floats(0.5, 5)), max_size=2).map(tuple),
    execution=st.lists(st.builds(Execution, st.floats(0.2, 3), st.floats(0.5, 5)), max_size=2).map(tuple),
    budgets=st.lists(st.builds(Budget, st.integers(5, 60)), max_size=1).map(tuple),
    points=st.one_of(st.none(), st.builds(Points, st.integers(50, 100), st.floats(5, 50), st.integers(1, 20))),
    operations=st.one_of(
        st.just({}), st.builds(lambda rate, room: {"stock.read": Limit(rate, 2, room)}, st.floats(1, 20), st.integers(1, 3))
    ),
    learn=st.one_of(st.none(), st.builds(Learn, start_per_s=st.one_of(st.none(), st.floats(2, 50)), slow_ratio=st.just(1.5))),
    breaker=st.one_of(st.none(), st.just(Breaker(failures=3, least=6, open_s=0.3))),
)
full_steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["take", "take", "take", "sent", "sent", "more", "give", "ok", "ok", "throttled", "failed", "hint", "pause"]
        ),
        st.floats(0, 0.5),
        st.integers(1, 6),
        st.sampled_from(OPERATIONS),
    ),
    max_size=50,
)


def told_by(throttle: AnyThrottle, clock: Clock, script: list[tuple[str, float, int, str]]) -> list[object]:
    """Everything a throttle answers to a script, to the ten-thousandth."""
    answers: list[object] = []
    held: list[Granted] = []
    # In Redis an account begins with the first call.
    throttle.pause(0.0, "")
    for verb, seconds, number, operation in script:
        clock.pass_(round(seconds, 3))
        if verb == "take":
            answer = throttle.acquire(Ask(number, operation, 1.0 if number < 5 else 0.5))
            answers.append(_plain(answer))
            held += [answer] if isinstance(answer, Granted) else []
        elif verb == "more" and held:
            more = throttle.extend(held[0], number)
            answers.append(_plain(more))
            held[0] = more if isinstance(more, Granted) else held[0]
        elif verb == "sent" and held:
            throttle.sent(held[number % len(held)])
        elif verb == "give" and held:
            throttle.release(held.pop(0), number % 3)
        elif verb == "pause":
            throttle.pause(seconds / 4, "a test")
        elif verb == "hint":
            hints = Hints(remaining=float(number), reset_s=seconds if number % 2 else None, points_left=number * 10.0)
            throttle.report(Report(operation, 0.05, "failed", None, hints))
        elif verb in {"ok", "failed"}:
            throttle.report(Report(operation, seconds, "ok" if verb == "ok" else "failed"))
            # Good news waits for the next call in the shared throttle: the look takes it along in both.
            throttle.pause(0.0, "")
        elif verb == "throttled":
            throttle.report(Report(operation, 0.05, "throttled", None if number < 4 else seconds))
    status = throttle.status()
    answers.append([round(status.working_per_s or 0, 3), status.working_concurrency, status.permits, status.breaker])
    answers.append([round(left_s, 3) for left_s in status.execution_left_s])
    answers.append([status.windows_left, status.budgets_left, status.answered_60s, status.throttled_60s])
    return answers


def _waits_apart(answer: object) -> object:
    return answer[:2] if isinstance(answer, tuple) and len(answer) == 3 else answer


def _wait_of(answer: object) -> float:
    return float(answer[2] or 0.0) if isinstance(answer, tuple) and len(answer) == 3 else 0.0


def _plain(answer: Granted | Denied) -> tuple[object, ...]:
    if isinstance(answer, Granted):
        return (answer.calls, answer.probe)
    # A lease that is out and a probe under way are waited for by hint.
    hinted = answer.reason in {"concurrency", "breaker"}
    return (answer.reason, answer.operation, None if hinted else round(answer.wait_s, 3))


@settings(max_examples=40, deadline=None)
@given(full_limits, full_steps)
def test_redis_and_memory_decide_alike_whatever_is_asked_and_answered(
    limit: Limit, script: list[tuple[str, float, int, str]]
) -> None:
    # A lane that nothing bounds is not asked for in Redis at all.
    assume(not terms_of(limit, 0.0).free)
    answers = []
    for make in (redis_throttle, local_throttle):
        clock = Clock()
        answers.append(told_by(make(limit, clock), clock, script))

    # The script's clock goes in steps of ten microseconds: a moment at the edge of a window's part falls to either side of it.
    for ours, twins in zip(*answers, strict=True):
        assert _waits_apart(ours) == _waits_apart(twins)
        assert _wait_of(ours) == pytest.approx(_wait_of(twins), abs=PART_S)
