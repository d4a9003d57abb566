"""Runs the reading of one body: no byte over the cap, no second over the deadline."""

import asyncio

from workers.receiver import answers
from workers.receiver.answers import Answer, Receive


class SenderLeftError(Exception):
    """The sender closed the connection before the body was whole: there is nobody to answer."""


def refused_by_headers(headers: list[tuple[str, str]], most_bytes: int) -> Answer | None:
    """What the headers alone forbid: an encoded body (a small one may unpack to a huge one), or one that says it is too long."""
    for name, value in headers:
        if name == "content-encoding" and value.strip().lower() not in ("", "identity"):
            return answers.ENCODED
        if name == "content-length" and (not value.isdecimal() or int(value[:20]) > most_bytes):
            return answers.TOO_LARGE
    return None


async def read_body(receive: Receive, most_bytes: int, within_s: float) -> bytes | Answer:
    """The whole body, or the answer to give instead. Raises SenderLeftError."""
    try:
        # The server bounds the time of the headers only: a body that drips would hold its connection for ever.
        async with asyncio.timeout(within_s):
            return await _read(receive, most_bytes)
    except TimeoutError:
        return answers.TOO_SLOW


async def _read(receive: Receive, most_bytes: int) -> bytes | Answer:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise SenderLeftError
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most_bytes:
            return answers.TOO_LARGE
        if not message.get("more_body", False):
            return b"".join((*parts, part)) if parts else part
        parts.append(part)
