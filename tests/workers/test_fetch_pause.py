"""Live: a family closed for long gives its messages back and is consumed again; the clock is the test's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.throttle.base import ONE_CALL, Ask, Denied, Granted, Limit, Throttle
from adapters.throttle.local import LocalThrottle
from tests.live import Rabbit, wait_until
from tests.workers.fetching import LANE, ORDERS, TARGET, Field
from workers.fetch.delivered import Part
from workers.fetch.fetcher import PAUSE_HOLD_S, Fetcher, Hands
from workers.fetch.intake import Intake
from workers.fetch.parts import Parts
from workers.fetch.permits import PermitBook
from workers.fetch.plan import FetchPlan

QUEUE = f"{ORDERS}.normal"


class Bench:
    """A fetcher on a real connection, driven by hand."""

    def __init__(self, field: Field, throttle: Throttle, queue: str = QUEUE, *, in_process: bool = True) -> None:
        self.now_s = 1000.0
        self.picked: list[Part] = []
        self.connection = field.connection.clone()
        self.permits = PermitBook({TARGET: throttle})
        hands = Hands(lambda: 2, lambda: 0, lambda: None, lambda _wait_s: None, in_process, lambda: self.now_s)
        self.fetcher = Fetcher([queue], self.permits, Parts({}), hands)
        self.connect()

    def connect(self) -> None:
        self.connection.connect()
        intake = Intake(self.connection, {"deliver", "orders.prepare"}, clock=lambda: self.now_s, arrived=lambda: None)
        self.fetcher.begin(intake, self.picked.append)

    def read(self, count: int) -> None:
        while self.fetcher.buffered < count:
            self.connection.drain_events(timeout=5)


@pytest.fixture
def field(rabbit: Rabbit) -> Iterator[Field]:
    made = Field(rabbit)
    made.send(QUEUE, [1, 2, 3])
    yield made
    made.connection.release()


def test_a_pause_of_more_than_a_minute_hands_back_and_its_end_fetches_again(field: Field) -> None:
    bench = Bench(field, LocalThrottle(Limit()))
    bench.read(3)

    bench.fetcher.follow(FetchPlan(paused=frozenset({LANE})))
    bench.now_s += PAUSE_HOLD_S - 1
    bench.fetcher.tend()
    held = bench.fetcher.buffered
    bench.now_s += 2
    bench.fetcher.tend()

    assert (held, bench.fetcher.buffered, bench.fetcher.consumed) == (3, 0, ())
    wait_until(lambda: field.depth(QUEUE) == 3)
    bench.fetcher.follow(FetchPlan())
    bench.read(3)
    bench.fetcher.pick()
    assert [_row(message) for message in bench.picked] == [1, 2]
    bench.connection.release()


def test_a_target_closed_for_long_holds_nothing_here_until_its_time(field: Field) -> None:
    throttle = LocalThrottle(Limit())
    throttle.pause(3600, "Retry-After")
    bench = Bench(field, throttle)
    bench.read(3)

    bench.fetcher.pick()
    bench.fetcher.tend()

    assert bench.picked == []
    assert bench.permits.held == 0
    assert not bench.fetcher.consumed
    wait_until(lambda: field.depth(QUEUE) == 3)
    bench.now_s += 3601
    bench.fetcher.tend()
    bench.read(3)
    bench.connection.release()


def test_a_message_given_back_again_and_again_is_published_anew_before_its_limit(field: Field) -> None:
    bench = Bench(field, LocalThrottle(Limit()))

    for _ in range(9):
        bench.read(3)
        bench.fetcher.drop(QUEUE)
        wait_until(lambda: field.depth(QUEUE) == 3)
        bench.fetcher.add(QUEUE)
    bench.read(3)

    assert field.dead(LANE) == []
    bench.connection.release()


@pytest.mark.parametrize(("in_process", "picked"), [(False, [1, 2, 1, 2]), (True, [1, 2])])
def test_what_processes_ran_when_the_connection_went_keeps_no_place(field: Field, in_process: bool, picked: list[int]) -> None:
    field.send("orders.normal", [1, 2, 3])
    bench = Bench(field, LocalThrottle(Limit()), "orders.normal", in_process=in_process)
    bench.read(3)
    bench.fetcher.pick()

    bench.connection.close()
    bench.fetcher.end(connected=False)
    bench.connect()
    bench.read(3)
    bench.fetcher.pick()

    # Threads run on beside what is fetched anew, so their places are taken until they end.
    assert [_row(part) for part in bench.picked] == picked
    bench.connection.release()


class OneOperationClosed(LocalThrottle):
    """A limiter whose breaker is open for the creation of orders only."""

    def acquire(self, ask: Ask = ONE_CALL) -> Granted | Denied:
        if ask.operation == "order.create":
            return Denied(30.0, "breaker: order.create", ask.operation)
        return super().acquire(ask)


def test_a_refusal_for_one_operation_lets_the_others_of_the_lane_go_on(field: Field) -> None:
    bench = Bench(field, OneOperationClosed(Limit()))
    field.send(QUEUE.replace("normal", "low"), [7], operation="order.cancel")
    bench.fetcher.add(QUEUE.replace("normal", "low"))
    bench.read(4)

    bench.fetcher.pick()

    assert [_row(part) for part in bench.picked] == [7]
    bench.connection.release()


def _row(message: Part) -> Any:
    return json.loads(message.body or "")[0][0][0]
