"""A Caller spends one call per request that leaves, and gives the rest back."""

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from adapters.http.answers import Answer, NotSent
from adapters.http.caller import Caller, Observation
from adapters.http.client import Client
from adapters.http.target import Target
from adapters.throttle.base import Ask, Denied, Granted, Hints, Limit, OutOfReachError, Report
from adapters.throttle.local import LocalThrottle
from tests.adapters.http.conftest import OK, Peer, Server


def serve(server: Server, reply: bytes = OK) -> Client:
    def talk(peer: Peer) -> None:
        while peer.read():
            peer.say(reply)

    server.talks = [talk]
    return Client(Target("books", server.url))


def permit_of(throttle: LocalThrottle, calls: int) -> Granted:
    permit = throttle.acquire(Ask(calls))
    assert isinstance(permit, Granted)
    return permit


def test_unspent_calls_go_back_when_the_work_is_done(server: Server) -> None:
    throttle = LocalThrottle(Limit(rate_per_s=0.001, burst=5, concurrency=1))

    with Caller(serve(server), throttle, permit_of(throttle, 5)) as caller:
        caller.send("GET", "/a", operation="order.find")
        caller.send("POST", "/a", operation="order.post", body=b"{}")
        assert caller.unspent == 3

    assert permit_of(throttle, 3).calls == 3


def test_calls_beyond_the_permit_are_waited_for(server: Server) -> None:
    throttle = LocalThrottle(Limit(rate_per_s=20, burst=1))
    client, began = serve(server), time.monotonic()

    with Caller(client, throttle, permit_of(throttle, 1)) as caller:
        outcomes = [caller.send("GET", "/a", operation="order.find") for _ in range(4)]

    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert time.monotonic() - began >= 0.149


def test_a_call_that_is_not_free_in_time_is_not_sent(server: Server) -> None:
    throttle = LocalThrottle(Limit(rate_per_s=0.1, burst=1))
    caller = Caller(serve(server), throttle, permit_of(throttle, 1), wait_max_s=0.2)
    caller.send("GET", "/a", operation="order.find")
    began = time.monotonic()

    outcome = caller.send("POST", "/a", operation="order.post", body=b"{}")

    assert isinstance(outcome, NotSent)
    assert outcome.wait_s is not None
    assert outcome.wait_s > 9
    assert time.monotonic() - began < 5
    assert len(server.requests) == 1


def test_a_stopping_worker_waits_for_no_call(server: Server) -> None:
    throttle, stop = LocalThrottle(Limit(rate_per_s=0.2, burst=1)), threading.Event()
    caller = Caller(serve(server), throttle, permit_of(throttle, 1), wait_max_s=30, stop=stop)
    caller.send("GET", "/a", operation="order.find")
    stop.set()

    outcome = caller.send("GET", "/a", operation="order.find")

    assert isinstance(outcome, NotSent)
    assert outcome.reason == "the worker is stopping"


def test_a_request_that_did_not_leave_costs_no_call(server: Server) -> None:
    client = serve(server)
    server.stop()
    throttle = LocalThrottle(Limit(rate_per_s=0.001, burst=2))
    caller = Caller(client, throttle, permit_of(throttle, 2))

    assert isinstance(caller.send("POST", "/a", operation="order.post", body=b"{}"), NotSent)

    assert caller.unspent == 2


def test_closing_twice_gives_nothing_twice(server: Server) -> None:
    throttle = LocalThrottle(Limit(rate_per_s=0.001, burst=4))
    caller = Caller(serve(server), throttle, permit_of(throttle, 2))

    caller.close()
    caller.close()

    assert permit_of(throttle, 4).calls == 4
    assert isinstance(throttle.acquire(), Denied)


class Unreachable(LocalThrottle):
    """A shared throttle whose state was lost after the permit was given."""

    def extend(self, permit: Granted, calls: int = 1) -> Granted | Denied:
        raise OutOfReachError("throttle of books: Redis does not answer")

    def release(self, permit: Granted, unspent: int = 0) -> None:
        raise OutOfReachError("throttle of books: Redis does not answer")


def test_a_throttle_out_of_reach_sends_nothing_and_hides_no_outcome(server: Server) -> None:
    throttle = Unreachable(Limit(burst=5))

    with Caller(serve(server), throttle, permit_of(throttle, 1)) as caller:
        first = caller.send("POST", "/a", operation="order.post", body=b"{}")
        second = caller.send("GET", "/a", operation="order.find")

    assert isinstance(first, Answer)
    assert isinstance(second, NotSent)
    assert "Redis" in second.reason


def test_the_observer_sees_every_exchange_and_nothing_of_its_content(server: Server) -> None:
    seen: list[Observation] = []
    client = serve(server, b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n")
    throttle = LocalThrottle(Limit(burst=3))
    caller = Caller(client, throttle, permit_of(throttle, 3), observe=seen.append)

    caller.send("POST", "/secret/path", operation="order.post", body=b"customer@example.com")

    assert [(s.target, s.operation, s.method, s.status_class, s.throttled) for s in seen] == [
        ("books", "order.post", "POST", "4xx", True)
    ]
    assert "secret" not in repr(seen)
    assert "customer" not in repr(seen)


def test_an_observer_that_fails_hides_no_answer(server: Server) -> None:
    def broken(_: Observation) -> None:
        raise RuntimeError("full disk")

    throttle = LocalThrottle(Limit())
    caller = Caller(serve(server), throttle, permit_of(throttle, 1), observe=broken)

    assert isinstance(caller.send("POST", "/a", operation="order.post", body=b"{}"), Answer)


class Listening(LocalThrottle):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(Limit())
        self.seen: list[Report] = []

    def report(self, seen: Report) -> None:
        self.seen.append(seen)


def answer(status: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "content-length: 0", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize(
    ("reply", "verdict", "retry_after_s"),
    [
        (OK, "ok", None),
        (answer("404 Not Found"), "ok", None),
        (answer("429 Too Many Requests"), "throttled", None),
        (answer("429 Too Many Requests", "retry-after: 2.5"), "throttled", 2.5),
        (answer("429 Too Many Requests", "retry-after: 99999999"), "throttled", 99_999_999),
        (answer("429 Too Many Requests", "x-rate-limit-time-reset-ms: 15000"), "throttled", 15),
        (answer("503 Service Unavailable", "retry-after: 5"), "throttled", 5),
        (answer("503 Service Unavailable"), "failed", None),
        (answer("500 Internal Server Error"), "failed", None),
    ],
)
def test_every_exchange_is_told_to_the_limiter(server: Server, reply: bytes, verdict: str, retry_after_s: float | None) -> None:
    throttle = Listening()
    permit = throttle.acquire(Ask(operation="order.create"))
    assert isinstance(permit, Granted)

    with Caller(serve(server, reply), throttle, permit) as caller:
        caller.send("POST", "/a", operation="salesOrder.put", body=b"{}")

    assert [(one.operation, one.verdict, one.retry_after_s) for one in throttle.seen] == [
        ("order.create", verdict, retry_after_s)
    ]


def test_a_time_to_wait_given_as_a_date_is_told_in_seconds(server: Server) -> None:
    throttle = Listening()
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)

    reply = answer("429 Too Many Requests", f"retry-after: {date}")
    with Caller(serve(server, reply), throttle, permit_of(throttle, 1)) as caller:
        caller.send("GET", "/a", operation="order.find")

    assert throttle.seen[0].retry_after_s is not None
    assert 30 < throttle.seen[0].retry_after_s <= 40


def test_a_target_that_cannot_be_reached_is_told_as_failed_and_a_permit_that_did_not_come_is_not_told(server: Server) -> None:
    throttle = Listening()
    nobody = Client(Target("books", "http://127.0.0.1:1"))

    with Caller(nobody, throttle, permit_of(throttle, 1)) as caller:
        caller.send("GET", "/a", operation="order.find")
    stop = threading.Event()
    stop.set()
    dry = LocalThrottle(Limit(rate_per_s=0.001))
    with Caller(serve(server), dry, permit_of(dry, 1), stop=stop) as caller:
        caller.send("GET", "/a", operation="order.find")
        caller.send("GET", "/a", operation="order.find")

    assert [one.verdict for one in throttle.seen] == ["failed"]
    assert dry.status().breaker == "closed"


def test_an_answers_own_figures_are_told(server: Server) -> None:
    throttle = Listening()

    with Caller(
        serve(server, answer("200 OK", "x-shopify-shop-api-call-limit: 39/40")), throttle, permit_of(throttle, 1)
    ) as caller:
        caller.send("GET", "/a", operation="order.find")

    assert throttle.seen[0].hints == Hints(remaining=1, limit=40)


def test_a_caller_knows_whether_its_last_answer_was_reported_as_a_refusal(server: Server) -> None:
    throttle, replies = LocalThrottle(Limit()), [b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", OK]

    def talk(peer: Peer) -> None:
        for reply in replies:
            peer.read()
            peer.say(reply)

    server.talks = [talk]
    caller = Caller(Client(Target("books", server.url)), throttle, permit_of(throttle, 2))
    told = []
    for _ in replies:
        caller.send("GET", "/a", operation="order.find")
        told.append(caller.throttled)

    assert told == [True, False]
