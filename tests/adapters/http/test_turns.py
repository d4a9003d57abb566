"""Several requests under way on one thread: never more than may be, none waits for another, and each has its own end."""

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial

import pytest

from adapters.http.answers import Answer, Lost
from adapters.http.client import Client
from adapters.http.target import Target
from adapters.http.turns import rest, side_by_side, undivided
from telemetry.bus import bind, correlation_id
from tests.adapters.http.conftest import OK, Peer, Server

DEADLINE_S = 10.0


class Desk:
    """Answers nobody before ``together`` requests are there; knows how many were there at once at most."""

    def __init__(self, together: int) -> None:
        self._together = together
        self._change = threading.Condition()
        self._inside = self._met = 0
        self.most = 0

    def talk(self, peer: Peer) -> None:
        while peer.read():
            with self._change:
                self._inside += 1
                self._met += 1
                self.most = max(self.most, self._inside)
                self._change.notify_all()
                self._change.wait_for(lambda: self._met >= self._together, DEADLINE_S)
                self._inside -= 1
            peer.say(OK)


def client_of(server: Server, talk: Callable[[Peer], None], **more: float) -> Client:
    server.talks = [talk]
    return Client(Target("books", server.url, **more))  # type: ignore[arg-type]


def get(client: Client, path: str = "/a") -> object:
    return client.send(client.prepare("GET", path, (), (), b""), b"", idempotent=True)


def test_as_many_requests_as_may_be_are_under_way_and_never_more(server: Server) -> None:
    desk = Desk(together=4)
    client, answers = client_of(server, desk.talk), list[object]()

    side_by_side([lambda: answers.append(get(client))] * 12, 4)

    assert [type(answer) for answer in answers] == [Answer] * 12
    assert desk.most == 4
    assert server.connections == 4


def test_one_after_another_where_only_one_may_be_under_way(server: Server) -> None:
    desk = Desk(together=1)
    client, answers = client_of(server, desk.talk), list[object]()

    side_by_side([lambda: answers.append(get(client))] * 3, 1)

    assert (desk.most, len(answers), server.connections) == (1, 3, 1)


def test_a_silent_target_ends_the_one_it_keeps_waiting_and_the_others_have_their_answers(server: Server) -> None:
    def talk(peer: Peer) -> None:
        while asked := peer.read():
            if b"/silent" in asked:
                peer.wait_for_end()
            else:
                peer.say(OK)

    client, outcomes = client_of(server, talk, answer_timeout_s=0.3), dict[str, object]()

    def ask(path: str) -> None:
        outcomes[path] = get(client, path)

    side_by_side([partial(ask, path) for path in ("/silent", "/a", "/b")], 3)

    lost = outcomes["/silent"]
    assert isinstance(lost, Lost)
    assert lost.silent
    assert isinstance(outcomes["/a"], Answer)
    assert isinstance(outcomes["/b"], Answer)


def test_what_one_raises_is_raised_after_those_under_way_have_ended_and_begins_no_more(server: Server) -> None:
    client, ended = client_of(server, Desk(together=1).talk), list[str]()

    def fails() -> None:
        raise LookupError("its own")

    def works(name: str) -> None:
        get(client)
        ended.append(name)

    with pytest.raises(LookupError, match="its own"):
        side_by_side([partial(works, "beside"), fails, partial(works, "later")], 2)

    assert ended == ["beside"]


def test_each_keeps_its_own_context(server: Server) -> None:
    client, seen = client_of(server, Desk(together=2).talk), dict[str, str | None]()

    def work(name: str) -> None:
        with bind(correlation_id=name):
            get(client)
            seen[name] = correlation_id()

    side_by_side([partial(work, "first"), partial(work, "second")], 2)

    assert seen == {"first": "first", "second": "second"}
    assert correlation_id() is None


def test_what_one_leaves_in_its_context_is_not_there_for_the_next_one(server: Server) -> None:
    seen = list[str | None]()
    left_open = ContextVar[str | None]("left_open", default=None)
    desk = Desk(together=1)
    client = client_of(server, desk.talk)

    def work(name: str) -> None:
        seen.append(left_open.get())
        left_open.set(name)
        get(client)

    side_by_side([partial(work, str(number)) for number in range(6)], 2)

    assert seen == [None] * 6
    assert left_open.get() is None


def test_a_lock_held_over_a_request_stops_nobody_for_ever(server: Server) -> None:
    client, lock, logins = client_of(server, Desk(together=1).talk), threading.Lock(), list[str]()

    def work(name: str) -> None:
        assert lock.acquire(timeout=DEADLINE_S)
        try:
            with undivided():
                get(client, "/login")
            logins.append(name)
        finally:
            lock.release()
        get(client)

    side_by_side([partial(work, "first"), partial(work, "second")], 2)

    assert logins == ["first", "second"]


def test_a_rest_gives_the_others_their_turn_and_ends_when_the_worker_stops() -> None:
    stop, order = threading.Event(), list[str]()

    def resting(name: str, wait_s: float) -> None:
        order.append(f"{name} {rest(wait_s, stop)}")

    side_by_side([partial(resting, "long", 0.2), partial(resting, "short", 0.01)], 2)
    began = time.monotonic()
    side_by_side([partial(resting, "stopped", DEADLINE_S), stop.set], 2)

    assert order == ["short False", "long False", "stopped True"]
    assert time.monotonic() - began < DEADLINE_S
