"""The only way out: sends requests to one target over kept connections, refuses redirects, verifies certificates."""

import os
import ssl
import threading
import time

from adapters.http.answers import Answer, Exchange, Lost, NotSent
from adapters.http.plain import Request, write_request
from adapters.http.target import Target, request_line
from adapters.http.wire import Connection, Limits, connect

Pairs = tuple[tuple[str, str], ...]

# Asked of every target: a compressed answer could be larger than its cap says.
_ALWAYS = (("accept-encoding", "identity"), ("user-agent", "millrace"))


class Client:
    """One target's connections, shared by all threads. Follows no redirect, uses no proxy, keeps no cookie, reads no
    environment.

    A kept connection on which the target was found to have closed, or which took not one byte, is replaced once.
    Anything later is Lost, save for an ``idempotent`` request on a kept connection that got no byte of an answer: that
    is sent once more.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self._tls = ssl.create_default_context(cafile=target.ca_file) if target.tls else None
        self._prefix = target.prefix
        self._headers = _merged((("host", target.authority),), _ALWAYS, target.headers, (("host", target.authority),))
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._pid = os.getpid()
        self._closed = False

    def prepare(self, method: str, path: str, query: Pairs, headers: Pairs, body: bytes) -> Request:
        """A request ready to send. Raises ValueError, naming no secret, for what HTTP forbids (a line break in a
        header).
        """
        line = request_line(self._prefix, path, query)
        length = (("content-length", str(len(body))),) if body or method in ("POST", "PUT", "PATCH") else ()
        try:
            return write_request(method, line, _merged(self._headers, headers, length))
        except ValueError:
            raise ValueError(f"a request to {self.target.name} holds a character that HTTP forbids") from None

    def send(self, request: Request, body: bytes, *, idempotent: bool, timeout_s: float | None = None) -> Exchange:
        """Send it and read the answer within ``timeout_s`` (by default the target's). Never raises for what a network
        can do.
        """
        timeout = timeout_s or self.target.answer_timeout_s
        limits = Limits(time.monotonic() + timeout, timeout, self.target.max_body_bytes)
        kept = self._kept()
        if kept is not None:
            outcome = self._over(kept, request, body, limits)
            if isinstance(outcome, Answer) or not _may_repeat(outcome, idempotent, limits):
                return outcome
        fresh = connect(self.target, self._tls)
        if isinstance(fresh, NotSent):
            return fresh
        limits = Limits(time.monotonic() + timeout, timeout, self.target.max_body_bytes)
        return self._over(fresh, request, body, limits)

    def close(self) -> None:
        """Close the kept connections; those in use close when they are done."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _over(self, connection: Connection, request: Request, body: bytes, limits: Limits) -> Exchange:
        try:
            return connection.exchange(request, body, limits)
        finally:
            self._keep(connection)

    def _kept(self) -> Connection | None:
        # After a fork the connections are the parent's.
        if self._pid != os.getpid():
            self._pid, self._lock, self._idle = os.getpid(), threading.Lock(), []
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if time.monotonic() - connection.idle_since < self.target.keep_idle_s and connection.quiet():
                return connection
            connection.close()

    def _keep(self, connection: Connection) -> None:
        with self._lock:
            if connection.reusable and not self._closed and len(self._idle) < self.target.max_idle:
                self._idle.append(connection)
                return
        connection.close()


def _may_repeat(outcome: NotSent | Lost, idempotent: bool, limits: Limits) -> bool:
    if isinstance(outcome, NotSent):
        return True
    return idempotent and outcome.silent and time.monotonic() < limits.until


def _merged(*parts: Pairs | dict[str, str]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for part in parts:
        for name, value in part.items() if isinstance(part, dict) else part:
            merged[name.lower()] = value
    return merged
