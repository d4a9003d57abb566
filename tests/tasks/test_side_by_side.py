"""A part whose postings go side by side: each order once, each with its own outcome, and a refusal spares the target the rest."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from adapters.erps.base import Posting
from adapters.erps.memory import MemoryErp
from adapters.http.answers import Answer, Lost
from adapters.http.caller import Caller
from adapters.http.client import Client
from adapters.http.target import Target
from adapters.throttle.base import Granted
from canonical.outcome import Outcome, Throttled, Uncertain
from routing.letters import Letter
from tasks.step import Message, run
from tests.adapters.http.conftest import OK, Peer, Server
from tests.documents import an_order
from tests.tasks.world import TARGET, World, a_world

FULL = b"HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n"
WAIT_S = 10.0


@dataclass(slots=True)
class WiredErp(MemoryErp):
    """The ERP in memory behind one real request a posting: its effect is made when the answer has come."""

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        told = caller.send("PUT", f"/{posting.document.key}", operation=posting.operation, body=b"{}")
        if isinstance(told, Answer) and told.status == 429:
            return Throttled("too many", None)
        if isinstance(told, Lost):
            # Super needs its class named: slots make the dataclass another one.
            MemoryErp.post(self, posting, caller)
            return Uncertain(told.reason)
        return MemoryErp.post(self, posting, caller)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


class Counter:
    """The other side: answers once ``together`` orders are there, and counts how many were at once. The first of all answers
    is a refusal, of the request that came as number ``full``; the order ``silent`` gets none.
    """

    def __init__(self, together: int, full: int = 0, silent: str = "") -> None:
        self._together, self._full, self._silent = together, full, f"/{silent} ".encode()
        self._change = threading.Condition()
        self._refused = not full
        self._inside = self._met = 0
        self.most = 0

    def talk(self, peer: Peer) -> None:
        while asked := peer.read():
            with self._change:
                self._inside, self._met = self._inside + 1, self._met + 1
                number = self._met
                self.most = max(self.most, self._inside)
                self._change.notify_all()
                self._change.wait_for(lambda: self._met >= self._together, WAIT_S)
                if number == self._full:
                    peer.say(FULL)
                    self._refused, self._inside = True, self._inside - 1
                    self._change.notify_all()
                    continue
                self._change.wait_for(lambda: self._refused, WAIT_S)
                self._inside -= 1
            if self._silent in asked:
                peer.reset()
                return
            peer.say(OK)


@contextmanager
def a_wired_world(ledger_url: str, server: Server, counter: Counter) -> Iterator[World]:
    server.talks = [counter.talk]
    with a_world(ledger_url, erp=WiredErp()) as made:
        client = Client(Target(TARGET, server.url))
        yield replace(made, context=replace(made.context, clients={TARGET: client}))
        client.close()


def told(world: World, orders: int) -> Letter:
    """Orders 0, 1, ... in one message that is about to be worked on."""
    world.prepare(*world.tell(*(an_order(str(n)) for n in range(orders))))
    rows: list[int] = []
    while (letter := world.tray.take()) is not None:
        rows += letter.rows
    return Letter(f"deliver.{TARGET}.orders.normal", "deliver", tuple(sorted(rows)), "a part", orders, operation="order.create")


def deliver_part(world: World, letter: Letter, at_once: int) -> None:
    run(world.context, Message(letter.queue, letter.rows, letter.operation), Granted("free", len(letter.rows), at_once=at_once))


def states(world: World) -> dict[str, int]:
    counted = world.rows("select state, count(*) from deliveries group by state")
    return {str(state): int(str(n)) for state, n in counted}


@pytest.mark.parametrize("at_once", [1, 4])
def test_the_rows_of_a_part_are_posted_once_each_and_as_many_side_by_side_as_the_permit_says(
    ledger_url: str, server: Server, at_once: int
) -> None:
    counter = Counter(together=at_once)
    with a_wired_world(ledger_url, server, counter) as world:
        deliver_part(world, told(world, 12), at_once)

        assert counter.most == at_once
        assert states(world) == {"done": 12}
        assert world.rows("select count(*), count(distinct delivery_id) from attempts where outcome = 'Done'") == [(12, 12)]
        assert not world.erp.doubled


def test_a_refusal_ends_the_part_but_not_what_is_under_way_beside_it(ledger_url: str, server: Server) -> None:
    counter = Counter(together=3, full=2)
    with a_wired_world(ledger_url, server, counter) as world:
        deliver_part(world, told(world, 12), 3)

        assert states(world) == {"done": 2, "retrying": 10}
        assert world.rows("select count(*) from deliveries where attempts > 0 and state = 'retrying'") == [(0,)]
        assert len(world.erp.effects) == 2
        world.work()
        assert states(world) == {"done": 12}
        assert not world.erp.doubled


def test_a_lost_answer_is_in_doubt_alone_and_found_at_the_next_attempt(ledger_url: str, server: Server) -> None:
    counter = Counter(together=3, silent="1")
    with a_wired_world(ledger_url, server, counter) as world:
        deliver_part(world, told(world, 6), 3)

        assert world.rows("select state, uncertain, count(*) from deliveries group by 1, 2 order by 1") == [
            ("done", False, 5),
            ("retrying", True, 1),
        ]
        world.work()
        assert states(world) == {"done": 6}
        assert not world.erp.doubled
