"""Stands in for an ERP: answers after its service time, limited or not, and keeps an append-only log of what it accepted.

Speaks the little of a record API the contenders need: ``PUT .../eid:<key>`` or ``POST`` with the key in ``X-Order-Key`` or
``externalId`` answers 204 with a Location, ``GET .../eid:<key>`` finds. ``PUT /_limits`` changes the limits while it runs: to
the contenders that is another user of the account who takes a part of them, or gives it back.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from bench import erp_log, wire
from bench.limits import Bucket, Limits

FLUSH_S = 0.005


class Erp:
    """The ERP's books: who was let in, who was refused, what was accepted, all in one append-only file (see ``erp_log``)."""

    def __init__(self, log: Path, limits: Limits) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lines: list[bytes] = []
        self._numbers: dict[str, int] = {}
        self._bucket = Bucket(limits, time.monotonic())
        self.limits = limits
        self.inside = 0
        os.write(self._log, erp_log.change_line(time.monotonic_ns(), asdict(limits)))

    def admit(self, now_ns: int) -> bool:
        """Let one call in, or refuse it: the calls at once and the token bucket, as the limits say."""
        if self.limits.at_once is not None and self.inside >= self.limits.at_once:
            return False
        if not self._bucket.take(now_ns / 1e9):
            return False
        self.inside += 1
        return True

    def change(self, limits: Limits) -> None:
        """Go by other limits from now on, and write that down."""
        now_ns = time.monotonic_ns()
        self.limits = limits
        self._bucket.change(limits, now_ns / 1e9)
        self._note(erp_log.change_line(now_ns, asdict(limits)))

    def accept(self, key: str) -> int:
        """The ERP's number for a key that is posted, the same one when it is posted again."""
        return self._numbers.setdefault(key, len(self._numbers) + 1)

    def find(self, key: str) -> int | None:
        return self._numbers.get(key)

    def write(self, admitted_ns: int, status: int, method: str, key: str) -> None:
        """Write an answered request down."""
        self._note(erp_log.line(admitted_ns, time.monotonic_ns(), status, method, key))

    def flush(self) -> None:
        """Put the noted lines into the file: together, so that the witness costs little of the machine it shares."""
        os.write(self._log, b"".join(self._lines))
        self._lines.clear()

    def _note(self, line: bytes) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        self._lines.append(line)


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
            self._erp.change(Limits(**json.loads(body)))
            self._answer(b"204 No Content")
            return
        key, verb, now_ns = _key(path.decode(), head, body), method.decode(), time.monotonic_ns()
        if not self._erp.admit(now_ns):
            self._erp.write(now_ns, erp_log.REFUSED, verb, key)
            self._answer(b"429 Too Many Requests")
            return
        self._busy = True
        self._later(self._erp.limits.service_s, self._finish, verb, path, key, now_ns)

    def _finish(self, verb: str, path: bytes, key: str, admitted_ns: int) -> None:
        self._busy = False
        self._erp.inside -= 1
        if verb == "GET":
            number = self._erp.find(key)
            self._erp.write(admitted_ns, 404 if number is None else 200, verb, key)
            self._answer(b"404 Not Found" if number is None else b"200 OK", b"" if number is None else b'{"id":"%d"}' % number)
        else:
            number = self._erp.accept(key)
            self._erp.write(admitted_ns, erp_log.ACCEPTED, verb, key)
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
