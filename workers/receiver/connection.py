"""Runs one connection: requests are read as they come, answered one after the other, each within its bounds.

All of it happens on the event loop's thread. A server beside the loop, on threads of its own, has to take the interpreter from
the loop and give it back several times a request, which was a quarter of what a request cost.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from workers.receiver import answers
from workers.receiver.answers import Answer, Header
from workers.receiver.request import Request

MOST_FIELDS = 100
MOST_IN_LINE = 16
"""Requests a sender may have sent before the first of them is answered."""
LINGER_S = 2.0
"""A sender that is refused while it sends is read for so long: a closed door would cost it the answer."""
NEVER = float("inf")

Respond = Callable[[Request], Awaitable[Answer | None]]
"""Gives the answer to a request; None when there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What any connection may take, before it is known who it is. ``header_time_s`` also bounds how long one stands idle."""

    most_connections: int
    header_time_s: float = 10.0
    header_bytes: int = 65_536


class House(Protocol):
    """What a connection belongs to."""

    bounds: Bounds
    respond: Respond
    loop: asyncio.AbstractEventLoop
    closing: bool

    def forget(self, connection: "Connection") -> None:
        """The connection has ended."""
        ...


class Connection(asyncio.Protocol):
    """One sender's connection. ``due`` is the loop's time at which it is given up."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._parser = HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._fields: list[Header] = []
        self._field_bytes = 0
        self._head_bytes = 0
        self._in_head = False
        self._rest: int | None = None
        self._reading: Request | None = None
        self._answering: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._line: deque[Request] = deque()
        self._held = False
        self._writable = True
        self._deaf = False
        self._ended = False
        self._leaving = False
        self.due = NEVER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._give_time()

    def connection_lost(self, exc: Exception | None) -> None:  # the base class names it
        self._deaf = self._leaving = True
        self._transport = None
        self._stop_reading()
        self._house.forget(self)

    def eof_received(self) -> bool:
        """Stay for what is being answered: a sender may end its half once it has said everything."""
        self._ended = True
        if self._reading is not None:
            self._reading.leave()
        return self._answering is not None

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._rest is not None:
            self._read_rest(data)
            return
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as ended:
            self._read_rest(data[ended.args[0] :])
            return
        except HttpParserError:
            self._refuse(answers.HEAD_TOO_LARGE if self._over_size() else answers.NOT_HTTP)
            return
        if self._in_head:
            # What is read of a head without an end the parser keeps.
            self._head_bytes += len(data)
            if self._over_size():
                self._refuse(answers.HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        self._url, self._fields = b"", []
        self._field_bytes = self._head_bytes = 0
        self._in_head = True
        self._give_time()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer says nothing that we read
        self._field_bytes += len(name) + len(value)
        self._fields.append((name.decode("latin-1").lower(), value.decode("latin-1")))
        if self._over_size():
            raise ValueError("the head is too large")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self.due = NEVER
        path = self._url.partition(b"?")[0].decode("latin-1")
        method = self._parser.get_method().decode("latin-1")
        keep_alive = self._parser.should_keep_alive()
        if self._parser.should_upgrade():
            keep_alive, self._rest = False, _length(self._fields)
        request = Request(method, path, self._fields, keep_alive=keep_alive, go_on=self._go_on)
        self._reading = request
        self._line.append(request)
        if self._answering is None:
            self._answer_next()
        elif len(self._line) > MOST_IN_LINE:
            raise ValueError("too many requests in line")
        else:
            self._hold()

    def on_body(self, part: bytes) -> None:
        if self._reading is not None:
            self._reading.feed(part)

    def on_message_complete(self) -> None:
        if self._reading is not None and not self._rest:
            self._reading.end()
            self._reading = None

    def pause_writing(self) -> None:
        self._writable = False
        self._give_time()

    def resume_writing(self) -> None:
        self._writable = True
        self._give_time()
        self._answer_next()

    def expire(self) -> None:
        """Its time is over: a head that drips, a sender that does not read, or one that only stands there."""
        if self._in_head and self._writable and not self._leaving:
            self._refuse(answers.TOO_SLOW)
        elif self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """End it now; what was written is still sent."""
        if self._transport is not None:
            self._transport.close()

    def _read_rest(self, data: bytes) -> None:
        """The body of a request that wishes for another protocol: the wish is passed over (RFC 9110, 7.8), as is what follows,
        but to the parser the head is the end of HTTP.
        """
        left = self._rest or 0
        if self._reading is None or len(data) < left:
            self._rest = left - len(data)
            self.on_body(data)
        else:
            self._rest = 0
            self.on_body(data[:left])
            self.on_message_complete()
            self._deaf = True

    def _answer_next(self) -> None:
        if self._answering is None and self._writable and self._line:
            self._answering = self._line.popleft()
            self.due = NEVER
            self._task = self._house.loop.create_task(self._respond(self._answering))

    async def _respond(self, request: Request) -> None:
        try:
            answer = await self._house.respond(request)
        except Exception:
            self._settle(request, answers.BROKEN)
            raise
        self._settle(request, answer)

    def _settle(self, request: Request, answer: Answer | None) -> None:
        self._answering = None
        if self._leaving or self._transport is None:
            return
        if answer is None:
            self._transport.abort()
            return
        last = answer.last or self._ended or self._house.closing or not (request.keep_alive and request.whole)
        self._transport.write(answer.written(last=last, head_only=request.method == "HEAD"))
        if last:
            self._leave(at_once=request.whole)
            return
        self._give_time()
        self._answer_next()
        self._let_on()

    def _refuse(self, answer: Answer) -> None:
        """Answer what cannot be read as a request; nothing that came with it is looked at any more."""
        self._deaf = True
        if self._answering is not None and self._answering.whole:
            # What came before it is answered first.
            self._ended = True
            self._stop_reading()
        elif self._transport is not None:
            self._transport.write(answer.written(last=True, head_only=False))
            self._leave(at_once=False)

    def _leave(self, *, at_once: bool) -> None:
        self._deaf = self._leaving = True
        self._stop_reading()
        if self._transport is None or self._transport.is_closing():
            return
        if at_once or self._ended:
            self._transport.close()
            return
        self.due = self._house.loop.time() + LINGER_S
        self._transport.write_eof()
        self._let_on()

    def _stop_reading(self) -> None:
        self._in_head = False
        self._line.clear()
        if self._reading is not None:
            self._reading.leave()
            self._reading = None

    def _hold(self) -> None:
        if self._transport is not None and not self._held:
            self._held = True
            self._transport.pause_reading()

    def _let_on(self) -> None:
        if self._transport is not None and self._held and not self._line:
            self._held = False
            self._transport.resume_reading()

    def _give_time(self) -> None:
        self.due = self._house.loop.time() + self._house.bounds.header_time_s

    def _go_on(self) -> None:
        if self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _over_size(self) -> bool:
        most = self._house.bounds.header_bytes
        return self._field_bytes > most or self._head_bytes > most or len(self._fields) > MOST_FIELDS


def _length(fields: list[Header]) -> int:
    """Length of the body that these headers tell, 0 without. Raises ValueError for one in chunks."""
    told = dict(fields)
    if "transfer-encoding" in told:
        raise ValueError("a body in chunks, and another protocol wished for")
    return int(told.get("content-length", "0"))
