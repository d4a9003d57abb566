"""Runs the reading of one body: no byte over the cap, no second over the deadline."""

import asyncio

from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError  # type: ignore[attr-defined]  # documented, not exported by name

from workers.receiver import answers
from workers.receiver.answers import Answer, Header


class SenderLeftError(Exception):
    """The sender closed the connection before the body was whole: there is nobody to answer."""


def refused_by_headers(headers: list[Header], most_bytes: int) -> Answer | None:
    """What the headers alone forbid: an encoded body (a small one may unpack to a huge one), or one that says it is too long."""
    for name, value in headers:
        if name == "content-encoding" and value.strip().lower() not in ("", "identity"):
            return answers.ENCODED
        if name == "content-length" and (not value.isdecimal() or int(value[:20]) > most_bytes):
            return answers.TOO_LARGE
    return None


async def read_body(protocol: HTTPProtocol, told_bytes: int | None, most_bytes: int, within_s: float) -> bytes | Answer:
    """The whole body, or the answer to give instead; ``told_bytes`` is the length the headers tell. Raises SenderLeftError."""
    try:
        # The server bounds the time of the headers only: a body that drips would hold its connection for ever.
        async with asyncio.timeout(within_s):
            body = await _read_up_to(protocol, most_bytes) if told_bytes is None else await protocol()
    except TimeoutError:
        return answers.TOO_SLOW
    except (ProtocolClosed, ProtocolError):
        raise SenderLeftError from None
    if told_bytes is not None and isinstance(body, bytes) and len(body) != told_bytes:
        raise SenderLeftError
    return body


async def _read_up_to(protocol: HTTPProtocol, most_bytes: int) -> bytes | Answer:
    parts: list[bytes] = []
    size = 0
    async for part in protocol:
        size += len(part)
        if size > most_bytes:
            return answers.TOO_LARGE
        parts.append(part)
    return b"".join(parts)
