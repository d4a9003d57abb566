"""Stands in for an ERP: answers after its service time, limited or not, and keeps an append-only log of what it accepted.

Speaks the little of a record API the contenders need: ``PUT .../eid:<key>`` or ``POST`` with the key in ``X-Order-Key`` or
``externalId`` answers 204 with a Location, ``GET .../eid:<key>`` finds, ``PUT /_limits`` changes the limits while it runs.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench import wire

FLUSH_S = 0.005


@dataclass(frozen=True, slots=True)
class Limits:
    """What the ERP allows: seconds one call takes, calls per second with a burst, calls at once. None: no such limit."""

    service_s: float = 0.020
    rate_per_s: float | None = None
    burst: int = 10
    at_once: int | None = None


class Erp:
    """The ERP's books: who was let in, what was accepted, all in one append-only file of ``<ns> <status> <key>`` lines."""

    def __init__(self, log: Path, limits: Limits) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lines: list[bytes] = []
        self._numbers: dict[str, int] = {}
        self._tokens = float(limits.burst)
        self._filled_at = time.monotonic()
        self.limits = limits
        self.inside = 0

    def admit(self) -> bool:
        """Let one call in, or refuse it: the token bucket and the calls at once, as the limits say."""
        if self.limits.at_once is not None and self.inside >= self.limits.at_once:
            return False
        if self.limits.rate_per_s is not None and not self._token():
            return False
        self.inside += 1
        return True

    def accept(self, key: str) -> int:
        """Write a posting down and return the ERP's number for it; a second posting under the key is written down too."""
        self.write(200, key)
        return self._numbers.setdefault(key, len(self._numbers) + 1)

    def find(self, key: str) -> int | None:
        return self._numbers.get(key)

    def write(self, status: int, key: str) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        self._lines.append(b"%d %d %s\n" % (time.monotonic_ns(), status, key.encode()))

    def flush(self) -> None:
        """Put the noted lines into the file: together, so that the witness costs little of the machine it shares."""
        os.write(self._log, b"".join(self._lines))
        self._lines.clear()

    def _token(self) -> bool:
        now = time.monotonic()
        earned = (now - self._filled_at) * (self.limits.rate_per_s or 0.0)
        self._tokens, self._filled_at = min(float(self.limits.burst), self._tokens + earned), now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Desk(asyncio.Protocol):
    """One kept-alive connection to the ERP; requests on it are answered in order."""

    def __init__(self, erp: Erp) -> None:
        self._erp = erp
        self._inbox = b""
        self._busy = False
        self._transport: asyncio.Transport | None = None
        self._later = asyncio.get_running_loop().call_later

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # the base class names it
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._inbox += data
        if not self._busy:
            self._serve()

    def _serve(self) -> None:
        cut = self._inbox.find(wire.END)
        if cut < 0:
            return
        head = self._inbox[: cut + 2]
        whole = cut + 4 + wire.content_length(head)
        if len(self._inbox) < whole:
            return
        body, self._inbox = self._inbox[cut + 4 : whole], self._inbox[whole:]
        method, path = head.split(b" ", 2)[:2]
        if path == b"/_limits":
            self._erp.limits = Limits(**json.loads(body))
            self._answer(b"204 No Content")
            return
        key = _key(path.decode(), head, body)
        if not self._erp.admit():
            self._erp.write(429, key)
            self._answer(b"429 Too Many Requests")
            return
        self._busy = True
        self._later(self._erp.limits.service_s, self._finish, method, path, key)

    def _finish(self, method: bytes, path: bytes, key: str) -> None:
        self._busy = False
        self._erp.inside -= 1
        if method == b"GET":
            number = self._erp.find(key)
            self._answer(b"404 Not Found" if number is None else b"200 OK", b"" if number is None else b'{"id":"%d"}' % number)
        else:
            number = self._erp.accept(key)
            at = path.rpartition(b"/eid:")[0] or path
            self._answer(b"204 No Content", fields=b"Location: %s/%d\r\n" % (at, number))
        self._serve()

    def _answer(self, status: bytes, body: bytes = b"", fields: bytes = b"") -> None:
        if self._transport:
            kind = b"Content-Type: application/json\r\n" if body else b""
            length = b"" if status.startswith(b"204") else b"Content-Length: %d\r\n" % len(body)
            self._transport.write(b"HTTP/1.1 %s\r\n%s%s%s\r\n%s" % (status, fields, kind, length, body))


def _key(path: str, head: bytes, body: bytes) -> str:
    _, eid, key = path.partition("?")[0].partition("/eid:")
    return key if eid else wire.header(head, b"x-order-key") or _external_id(body)


def _external_id(body: bytes) -> str:
    try:
        return str(json.loads(body)["externalId"])
    except (ValueError, KeyError, TypeError):
        return "unnamed"


async def serve(log: Path, limits: Limits, port: int = 0) -> None:
    """Serve on loopback until told to stop; prints the port it took on the first line."""
    loop = asyncio.get_running_loop()
    erp = Erp(log, limits)
    server = await loop.create_server(lambda: Desk(erp), "127.0.0.1", port, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    done = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, done.set)
    await done.wait()
    server.close()
    erp.flush()


def main() -> None:
    """Run the stub from the command line: ``python -m bench.erp_stub --log erp.log --service-s 0.02``."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--log", type=Path, required=True)
    asked.add_argument("--port", type=int, default=0)
    asked.add_argument("--service-s", type=float, default=0.020)
    asked.add_argument("--rate-per-s", type=float, default=None)
    asked.add_argument("--burst", type=int, default=10)
    asked.add_argument("--at-once", type=int, default=None)
    told = asked.parse_args()
    asyncio.run(serve(told.log, Limits(told.service_s, told.rate_per_s, told.burst, told.at_once), told.port))


if __name__ == "__main__":
    main()
