"""Runs one request: what its head says, and its body as it comes in: no byte over the cap, no second over the deadline."""

import asyncio
from collections.abc import Callable

from workers.receiver import answers
from workers.receiver.answers import Answer, Header


class SenderLeftError(Exception):
    """The sender closed the connection before the body was whole: there is nobody to answer."""


class Request:
    """A request whose head is whole. Header names are lower-case, doubled headers kept. Belongs to one event loop."""

    __slots__ = ("_changed", "_go_on", "_left", "_most", "_parts", "_size", "headers", "keep_alive", "method", "path", "whole")

    def __init__(
        self, method: str, path: str, headers: list[Header], *, keep_alive: bool, go_on: Callable[[], None] = lambda: None
    ) -> None:
        """``go_on`` tells a sender that waits for it (RFC 9110, ``100-continue``) to send the body."""
        self.method = method
        self.path = path
        self.headers = headers
        self.keep_alive = keep_alive
        self.whole = False
        self._go_on = go_on
        self._parts: list[bytes] = []
        self._size = 0
        self._most: int | None = None
        self._left = False
        self._changed: asyncio.Future[None] | None = None

    async def body(self, most_bytes: int, within_s: float) -> bytes | Answer:
        """The whole body, or the answer to give instead. Raises SenderLeftError."""
        if not self.whole:
            try:
                async with asyncio.timeout(within_s):
                    await self._until_settled(most_bytes)
            except TimeoutError:
                return answers.TOO_SLOW
        if self._size > most_bytes:
            return answers.TOO_LARGE
        if not self.whole:
            raise SenderLeftError
        return b"".join(self._parts)

    def feed(self, part: bytes) -> None:
        """Take a part of the body; of a body over the cap nothing is kept."""
        self._size += len(part)
        if self._most is not None and self._size > self._most:
            self._parts.clear()
            self._wake()
        else:
            self._parts.append(part)

    def end(self) -> None:
        """The body is whole."""
        self.whole = True
        self._wake()

    def leave(self) -> None:
        """The sender is gone."""
        self._left = True
        self._wake()

    async def _until_settled(self, most_bytes: int) -> None:
        self._most = most_bytes
        if any(name == "expect" and value.lower() == "100-continue" for name, value in self.headers):
            self._go_on()
        while not self.whole and not self._left and self._size <= most_bytes:
            self._changed = asyncio.get_running_loop().create_future()
            await self._changed

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)


def refused_by_headers(headers: list[Header], most_bytes: int) -> Answer | None:
    """What the headers alone forbid: an encoded body (a small one may unpack to a huge one), or one that says it is too long."""
    for name, value in headers:
        if name == "content-encoding" and value.strip().lower() not in ("", "identity"):
            return answers.ENCODED
        if name == "content-length" and (not value.isdecimal() or int(value[:20]) > most_bytes):
            return answers.TOO_LARGE
    return None
