"""Starts a real receiver as a child process for tests, and speaks HTTP to it."""

import contextlib
import dataclasses
import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.migrate import upgrade
from ledger.session import Ledger
from tests.adapters.channels.requests import SECRETS, open_headers, shopify_headers
from tests.live import wait_until
from workers.local.service import free_port

NO_BROKER = "amqp://guest:guest@127.0.0.1:1/"
ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """A receiver that answers on its port."""

    process: "subprocess.Popen[bytes]"
    port: int

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Response:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            link.request(method, path, body, dict(headers or {}))
            answer = link.getresponse()
            return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            link.close()

    def post(self, body: bytes, event: str, topic: str = "orders/create", **more: str) -> Response:
        """A validly signed Shopify event."""
        headers = dict(shopify_headers(body, SECRETS["shopify"], topic, event)) | more
        return self.ask("POST", "/in/shop", body, headers)

    def post_open(self, body: bytes, event: str) -> Response:
        """A validly signed event of the open channel."""
        return self.ask("POST", "/in/portal", body, dict(open_headers(body, SECRETS["open"], event, datetime.now(UTC))))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=15)

    def metric(self, name: str) -> float:
        """Sum of a metric's samples."""
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


@contextlib.contextmanager
def receiver(
    ledger_url: str, broker_url: str = NO_BROKER, *, most_connections: int = 256, migrate: bool = True
) -> Iterator[Running]:
    """A receiver of two sources, `shop` (Shopify) and `portal` (open), ended by SIGTERM within its deadlines."""
    if migrate:
        ledger = Ledger(ledger_url)
        upgrade(ledger)
        ledger.close()
    port = free_port()
    words = [sys.executable, "-m", "tests.workers.receiver_program", ledger_url, broker_url, str(port), str(most_connections)]
    process = subprocess.Popen(words, cwd=ROOT)
    running = Running(process, port)
    try:
        wait_until(lambda: _answers(running), 20, "the receiver's port")
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(25)
        finally:
            process.kill()
            process.wait()


def _answers(running: Running) -> bool:
    assert running.process.poll() is None, f"the receiver ended with {running.process.returncode}"
    try:
        return running.ask("GET", "/health").status == 200
    except OSError:
        return False
