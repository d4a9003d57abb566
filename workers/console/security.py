"""Runs what holds for every answer of the console: known hosts, bounded bodies, headers that browsers obey."""

import asyncio
import contextlib
import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 1_000_000
_MOST_LEFT_BYTES = 8_000_000
_LEFT_S = 5.0
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class BodyTooLargeError(Exception):
    """A request whose body goes above the bound; answered by 413."""


class Guard:
    """The outermost part of the application."""

    def __init__(self, inner: ASGIApp, hosts: Iterable[str]) -> None:
        """``hosts`` are answered beside the loopback's names; a name that is not listed gets 400."""
        self._inner = inner
        self._hosts = LOOPBACK | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Only HTTP is spoken."""
        if scope["type"] != "http":
            return None
        dressed = _dressed(scope, send, self._secure(scope))
        if self._host(scope) not in self._hosts:
            answer = PlainTextResponse("this host name is not one of the console's: set MILLRACE_CONSOLE_HOSTS\n", 400)
        elif _announced(scope) > MOST_BODY_BYTES:
            await _take_the_rest(receive)
            answer = _TOO_LARGE
        else:
            return await self._inside(scope, receive, dressed)
        return await answer(scope, receive, dressed)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette answers 500 and raises all the same, for servers that log; ours has logged.
        with contextlib.suppress(Exception):
            await self._inner(scope, _bounded(receive), send)

    def _host(self, scope: Scope) -> str | None:
        told = Headers(scope=scope).getlist("host")
        return _name_of(told[0]) if len(told) == 1 else None

    def _secure(self, scope: Scope) -> bool:
        return is_secure(Headers(scope=scope).get("host", ""))


_TOO_LARGE = PlainTextResponse("the body is too large\n", 413)


def is_secure(host: str) -> bool:
    """Whether a host header names a place that is reached by TLS only: every one that is not this machine's loopback."""
    return _name_of(host) not in LOOPBACK


def is_loopback(address: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    try:
        return address in LOOPBACK or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _name_of(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname if "@" not in host and "/" not in host else None
    except ValueError:
        return None


def _announced(scope: Scope) -> int:
    told = Headers(scope=scope).get("content-length", "0")
    return int(told) if told.isdecimal() and len(told) < 16 else MOST_BODY_BYTES + 1


def _bounded(receive: Receive) -> Receive:
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MOST_BODY_BYTES:
            if message.get("more_body"):
                await _take_the_rest(receive)
            raise BodyTooLargeError
        return message

    return bounded


async def _take_the_rest(receive: Receive) -> None:
    """Reads on, within bounds: one who is still sending would see the connection break and never read the answer."""
    left, more = _MOST_LEFT_BYTES, True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LEFT_S):
            while more and left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                more = bool(message.get("more_body"))


def _dressed(scope: Scope, send: Send, secure: bool) -> Send:
    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if secure:
                headers["Strict-Transport-Security"] = "max-age=31536000"
            if not scope["path"].startswith("/static/"):
                headers["Cache-Control"] = "no-store"
        await send(message)

    return dressed
