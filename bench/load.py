"""Pours webhooks over HTTP: closed loop for throughput and latency, open loop at a given rate; bounded, loopback only."""

import asyncio
import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench import wire
from bench.orders import Webhook

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Poured:
    """What one pour did: answers by status (0 stands for a broken connection), seconds it took, latencies in milliseconds."""

    statuses: dict[int, int]
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    answered: tuple[int, ...]
    """Order ids that were answered with 2xx."""

    @property
    def accepted(self) -> int:
        return sum(n for status, n in self.statuses.items() if 200 <= status < 300)

    @property
    def accepted_per_s(self) -> float:
        return self.accepted / self.elapsed_s if self.elapsed_s else 0.0


def pour(
    url: str,
    orders: Iterable[Webhook],
    *,
    connections: int = CONNECTIONS,
    rate_per_s: float | None = None,
    limit_s: float = 120.0,
) -> Poured:
    """Send every webhook once and report. Stops after ``limit_s`` even if orders are left.

    Closed loop without ``rate_per_s``; with it, requests are due at fixed times and latency counts from the due time, so a
    slow server cannot hide its queueing. Raises ValueError for a host that is not this machine's loopback.
    """
    host, port, path = _loopback(url)
    return asyncio.run(_pour(host, port, path, iter(orders), connections, rate_per_s, limit_s))


def _loopback(url: str) -> tuple[str, int, str]:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not ipaddress.ip_address(parts.hostname).is_loopback:
        raise ValueError(f"the load generator speaks http to loopback addresses only, not to {parts.netloc!r}")
    return parts.hostname, parts.port or 80, parts.path or "/"


async def _pour(
    host: str, port: int, path: str, orders: Iterator[Webhook], connections: int, rate: float | None, limit_s: float
) -> Poured:
    run = _Run(orders, rate, limit_s)
    loop = asyncio.get_running_loop()
    ends = []
    for _ in range(connections):
        end: asyncio.Future[None] = loop.create_future()
        ends.append(end)
        await loop.create_connection(lambda end=end: _Sender(run, f"{host}:{port}", path, end), host, port)  # type: ignore[misc]
    await asyncio.wait(ends, timeout=limit_s + 10.0)
    return run.report()


class _Run:
    """The state all connections of one pour share."""

    def __init__(self, orders: Iterator[Webhook], rate: float | None, limit_s: float) -> None:
        self._orders = orders
        self._gap_s = 1.0 / rate if rate else None
        self._started = self._finished = time.perf_counter()
        self._stop_at = self._started + limit_s
        self._taken = 0
        self._statuses: Counter[int] = Counter()
        self._latencies: list[float] = []
        self._answered: list[int] = []

    def take(self) -> tuple[Webhook, float] | None:
        """Next webhook with the time it is due, None at the end."""
        now = time.perf_counter()
        order = next(self._orders, None) if now < self._stop_at else None
        if order is None:
            return None
        due = now if self._gap_s is None else self._started + self._taken * self._gap_s
        self._taken += 1
        return order, due

    def note(self, status: int, order: Webhook, due: float) -> None:
        self._finished = time.perf_counter()
        self._statuses[status] += 1
        self._latencies.append(self._finished - due)
        if 200 <= status < 300:
            self._answered.append(order.order_id)

    def report(self) -> Poured:
        ranked = sorted(self._latencies) or [0.0]
        return Poured(
            statuses=dict(self._statuses),
            elapsed_s=self._finished - self._started,
            p50_ms=_quantile(ranked, 0.50) * 1000,
            p99_ms=_quantile(ranked, 0.99) * 1000,
            max_ms=ranked[-1] * 1000,
            answered=tuple(self._answered),
        )


def _quantile(ranked: list[float], share: float) -> float:
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]


class _Sender(asyncio.Protocol):
    """One kept-alive connection: sends a webhook, waits for its answer, takes the next."""

    def __init__(self, run: _Run, host: str, path: str, end: asyncio.Future[None]) -> None:
        self._run = run
        self._head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n"
        self._end = end
        self._inbox = b""
        self._current: tuple[Webhook, float] | None = None
        self._transport: asyncio.Transport | None = None
        self._call_at: Callable[..., object] = asyncio.get_running_loop().call_later

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._inbox += data
        cut = self._inbox.find(wire.END)
        if cut < 0:
            return
        head = self._inbox[: cut + 2]
        whole = cut + 4 + wire.content_length(head)
        if len(self._inbox) < whole:
            return
        self._inbox = self._inbox[whole:]
        self._settle(int(head[9:12]))
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # the base class names it
        if self._current:
            self._settle(0)
        if not self._end.done():
            self._end.set_result(None)

    def _settle(self, status: int) -> None:
        if self._current:
            self._run.note(status, *self._current)
            self._current = None

    def _next(self) -> None:
        taken = self._run.take()
        if self._transport is None or taken is None:
            if self._transport:
                self._transport.close()
            return
        self._current = taken
        wait_s = taken[1] - time.perf_counter()
        if wait_s > 0:
            self._call_at(wait_s, self._send)
        else:
            self._send()

    def _send(self) -> None:
        if self._transport and self._current:
            order = self._current[0]
            fields = "".join(f"{name}: {value}\r\n" for name, value in order.headers)
            head = f"{self._head}{fields}Content-Length: {len(order.body)}\r\n\r\n"
            self._transport.write(head.encode() + order.body)
