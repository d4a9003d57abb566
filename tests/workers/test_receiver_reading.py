"""However a sender's bytes are cut into pieces, and whatever they are, a connection answers the same, and ends in order."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.receiver.answers import Answer
from workers.receiver.connection import MOST_IN_LINE, Bounds, Connection, Respond
from workers.receiver.request import Request, SenderLeftError

DATE = re.compile(rb"date: [^\r]*\r\n")
MOST_BYTES = 300

GOES_ON = (
    b"POST /in/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /in/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
)
LAST = (
    b"POST /in/long HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n" + b"x" * 400,
    b"GET /old HTTP/1.0\r\n\r\n",
    b"POST /in/up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
    b"",
)
NONSENSE = (
    b"nonsense\r\n\r\n",
    b"POST /in/c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
)


@dataclass(slots=True)
class Wire:
    """A transport that keeps what is written. What comes in is told at once, also to one who asked not to be told."""

    told: bytearray = field(default_factory=bytearray)
    paused: bool = False
    ended: bool = False
    over: bool = False

    def write(self, data: bytes) -> None:
        """Keep it, unless the connection is over."""
        if not self.over and not self.ended:
            self.told += data

    def write_eof(self) -> None:
        """Nothing more is written."""
        self.ended = True

    def pause_reading(self) -> None:
        """The sender waits."""
        self.paused = True

    def resume_reading(self) -> None:
        """The sender goes on."""
        self.paused = False

    def is_closing(self) -> bool:
        """Whether it is over."""
        return self.over

    def close(self) -> None:
        """It is over."""
        self.over = True

    def abort(self) -> None:
        """It is over at once."""
        self.over = True


class House:
    """What a connection belongs to; it answers with what it read."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.bounds = Bounds(1)
        self.closing = False
        self.answered = 0
        self.faults: list[BaseException] = []
        self.respond: Respond = self._echo

    async def _echo(self, request: Request) -> Answer | None:
        """Read the body and say it again."""
        try:
            body = await request.body(MOST_BYTES, 60)
        except SenderLeftError:
            return None
        self.answered += 1
        if isinstance(body, Answer):
            return body
        said = f"{request.method} {request.path} ".encode() + body
        return Answer(200, (), said)

    def forget(self, connection: Connection) -> None:
        """The connection has ended."""


async def _say(pieces: Sequence[bytes]) -> tuple[bytes, int]:
    """What a connection writes when these pieces come in, and how many requests were answered."""
    loop = asyncio.get_running_loop()
    house, wire = House(loop), Wire()
    loop.set_exception_handler(lambda _, told: house.faults.append(told.get("exception") or RuntimeError(told["message"])))
    connection = Connection(house)
    connection.connection_made(cast("asyncio.Transport", wire))
    for piece in pieces:
        await _settled(wire)
        if wire.over:
            break
        connection.data_received(piece)
    await _settled(wire)
    if not wire.over:
        connection.eof_received()
        await _settled(wire)
    connection.connection_lost(None)
    await _settled(wire)
    assert house.faults == []
    return DATE.sub(b"", bytes(wire.told)), house.answered


async def _settled(wire: Wire) -> None:
    """Let the loop run until nothing more comes of what was said."""
    quiet = 0
    while quiet < 5:
        before = len(wire.told), wire.paused, wire.over
        await asyncio.sleep(0)
        quiet = quiet + 1 if before == (len(wire.told), wire.paused, wire.over) else 0


def _cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(stream) + 1) for place in places}), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges) if end > start]


def said(pieces: Sequence[bytes]) -> tuple[bytes, int]:
    """The same, on a loop of its own."""
    return asyncio.run(_say(pieces))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(GOES_ON), max_size=MOST_IN_LINE // 2),
    st.sampled_from(LAST),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_the_same_bytes_get_the_same_answers_in_whatever_pieces_they_come(
    requests: list[bytes], last: bytes, places: list[int]
) -> None:
    stream = b"".join([*requests, last])

    told, answered = said(_cut(stream, places))

    one_by_one = [piece for request in [*requests, last] for piece in _cut(request, [])]
    assert (told, answered) == said(one_by_one)
    assert told.count(b"HTTP/1.1 200 OK") == len(requests) + (last in LAST[1:3])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from((*GOES_ON, *LAST, *NONSENSE)), st.binary(max_size=40)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=6),
    st.lists(st.integers(0, 10_000), max_size=8),
)
def test_whatever_is_sent_raises_nothing_and_is_answered_by_whole_answers(
    parts: list[bytes], changed: list[tuple[int, int]], places: list[int]
) -> None:
    stream = bytearray(b"".join(parts))
    for place, value in changed:
        if stream:
            stream[place % len(stream)] = value

    told, _ = said(_cut(bytes(stream), places))

    while told:
        head, _, rest = told.partition(b"\r\n\r\n")
        assert re.match(rb"HTTP/1\.1 (100 Continue|200 OK|4\d\d [^\r]+|500 [^\r]+)", head), head
        size = re.search(rb"content-length: (\d+)", head)
        told = rest[int(size[1]) :] if size else rest
