"""Whatever is asked in whatever order, no throttle grants more than its limit."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.throttle.base import Ask, Granted, Limit, Throttle
from tests.adapters.throttle.clock import Clock, local_throttle, redis_throttle

Step = tuple[str, float, int]

limits = st.builds(
    Limit,
    rate_per_s=st.floats(0.5, 500, allow_nan=False),
    burst=st.integers(1, 20),
    concurrency=st.integers(1, 6),
)
steps = st.lists(
    st.tuples(st.sampled_from(["take", "take", "more", "give", "rest"]), st.floats(0, 0.7), st.integers(1, 6)),
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
