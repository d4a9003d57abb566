"""A TCP proxy that loses answers: it forwards whole HTTP/1.1 exchanges and does to the n-th request what a test says."""

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["pass", "drop_answer_after_commit", "reset", "delay"]
"""What happens to a request: forwarded and answered; forwarded, then the connection is cut instead of the answer; cut
before it is forwarded; forwarded at once but answered only after ``delay_s``."""

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)

_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)


@dataclass
class Proxy:
    """The running proxy. ``plan`` maps the number of a request, counted from 1 since ``begin``, to its mode.

    >>> with proxy_to("127.0.0.1", 8000) as proxy:  # doctest: +SKIP
    ...     proxy.begin({2: "drop_answer_after_commit"})
    """

    host: str
    port: int
    delay_s: float = 0.5
    plan: dict[int, Mode] = field(default_factory=dict)
    changes_only: bool = False
    seen: list[str] = field(default_factory=list)
    """Request lines in the order they came, without the query."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Base URL of the proxy."""
        return f"http://{self.host}:{self.port}"

    def begin(self, plan: dict[int, Mode] | None = None, *, changes_only: bool = False) -> None:
        """Count anew and follow this plan; with ``changes_only`` reads are passed and not counted by it."""
        with self._lock:
            self.plan = dict(plan or {})
            self.changes_only = changes_only
            self.seen.clear()

    def mode_of(self, request: bytes) -> Mode:
        """Count a request and say what happens to it."""
        line = request.split(b"\r\n", 1)[0].decode("latin-1")
        with self._lock:
            self.seen.append(line.partition("?")[0].removesuffix(" HTTP/1.1"))
            counted = [told for told in self.seen if not (self.changes_only and told.startswith("GET"))]
            if not counted or counted[-1] is not self.seen[-1]:
                return "pass"
            return self.plan.get(len(counted), "pass")


@contextlib.contextmanager
def proxy_to(host: str, port: int) -> Iterator[Proxy]:
    """A proxy in front of an HTTP server for the time of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    proxy = Proxy("127.0.0.1", listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def accept() -> None:
        while not proxy._stop.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=_serve, args=(proxy, client, host, port), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield proxy
    finally:
        proxy._stop.set()
        acceptor.join()
        listener.close()
        for thread in threads:
            thread.join(5)


def _serve(proxy: Proxy, client: socket.socket, host: str, port: int) -> None:
    client.settimeout(0.1)
    with client, contextlib.suppress(OSError), socket.create_connection((host, port), timeout=60) as server:
        while request := _message(proxy, client):
            mode = proxy.mode_of(request)
            if mode == "reset":
                return _cut(client)
            server.sendall(request)
            answer = _message(proxy, server, patient=True)
            if mode == "drop_answer_after_commit" or not answer:
                return _cut(client)
            if mode == "delay":
                proxy._stop.wait(proxy.delay_s)
            client.sendall(answer)
    return None


def _message(proxy: Proxy, line: socket.socket, *, patient: bool = False) -> bytes:
    """One whole message by its Content-Length, b'' when the other side has closed or the proxy stops."""
    data = b""
    while not _whole(data):
        try:
            more = line.recv(65_536)
        except TimeoutError:
            if proxy._stop.is_set() or patient:
                return b""
            continue
        if not more:
            return b""
        data += more
    return data


def _whole(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    if _CHUNKED.search(head):
        return body.endswith(b"0\r\n\r\n")
    told = _LENGTH.search(head)
    return bool(end) and len(body) >= (int(told[1]) if told else 0)


def _cut(client: socket.socket) -> None:
    """Close with RST, as a crashed balancer does."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
