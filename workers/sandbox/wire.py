"""Sending answers over ASGI: whole, slowly, cut short, or not at all."""

import asyncio
import contextlib
import ctypes
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from workers.sandbox.problems import Answer

# ASGI's own types: message dictionaries of any values.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_MAX_BODY = 8 * 1024 * 1024


class TooLargeError(Exception):
    """The body is larger than the sandbox reads."""


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises TooLargeError above 8 MiB."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _MAX_BODY:
            raise TooLargeError
    return body


async def respond(send: Send, answer: Answer) -> None:
    """Send an answer."""
    headers = list(answer.headers)
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def drip(send: Send, answer: Answer, pause_s: float) -> None:
    """Send an answer byte by byte with a pause before each; one without a body waits once before its head."""
    if answer.status == 204:
        await asyncio.sleep(pause_s)
        await respond(send, answer)
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    for n in range(len(answer.body)):
        await asyncio.sleep(pause_s)
        await send({"type": "http.response.body", "body": answer.body[n : n + 1], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def sever(scope: Scope, *, reset: bool) -> bool:
    """Close the client's connection under the server's feet, by FIN or by RST; False if it was gone already.

    ASGI has no word for this, so the connection is found among the process's own sockets by its peer address.
    """
    host, port = scope["client"]
    for entry in list(Path("/dev/fd").iterdir()):
        found = _as_socket(int(entry.name))
        if found is None:
            continue
        with found:
            if _peer(found) == (host, str(port)):
                _end(found, reset=reset)
                return True
    return False


def _as_socket(number: int) -> socket.socket | None:
    try:
        copy = os.dup(number)
    except OSError:
        return None
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return None


def _peer(found: socket.socket) -> tuple[str, str] | None:
    try:
        name = found.getpeername()
    except OSError:
        return None
    return (str(name[0]), str(name[1])) if isinstance(name, tuple) and len(name) >= 2 else None


def _end(found: socket.socket, *, reset: bool) -> None:
    # Linux drops a connection with a RST when it is connected to "no address"; shutdown() alone would send a FIN.
    if reset and ctypes.CDLL(None).connect(found.fileno(), bytes(16), 16) == 0:
        return
    with contextlib.suppress(OSError):
        found.shutdown(socket.SHUT_RDWR)
