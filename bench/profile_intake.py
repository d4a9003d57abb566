"""Tells what one webhook costs the receiver by part, with nothing around it: µs of CPU, best of three.

``python -m bench.profile_intake --commit 16`` starts a private PostgreSQL (commits synced) and leaves out sockets, broker and
the threads' waiting for each other: the sum is the floor of what a webhook costs.
"""

import argparse
import hmac
import json
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from httptools import HttpRequestParser

import ledger.events
import telemetry.logs
import telemetry.metrics
from adapters.channels.base import Inbound
from adapters.channels.registry import CHANNELS
from bench import processes
from bench.fleet_file import fleet_file
from bench.orders import SECRET, Webhook, webhooks
from bench.profile_order import event_of
from config.fleet import Fleet
from ledger import migrate
from ledger.session import Ledger
from telemetry import Name, emit
from workers.local.postgres import start_postgres
from workers.receiver import answers
from workers.receiver.doors import classify_by

TIMES = 10_000
COMMITS = 200


class Fields:
    """What the parser calls back: keeps the head as the receiver does."""

    def on_message_begin(self) -> None:
        self.fields: list[tuple[str, str]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.decode("latin-1").lower(), value.decode("latin-1")))


def parts_of_the_loop(order: Webhook) -> Iterator[tuple[str, Callable[[], object]]]:
    """What the event loop does for one webhook, part by part."""
    fields = [("host", "127.0.0.1"), *((name.lower(), value) for name, value in order.headers)]
    head = "".join(f"{name}: {value}\r\n" for name, value in [*fields, ("content-length", str(len(order.body)))])
    raw = f"POST /in/shop HTTP/1.1\r\n{head}\r\n".encode() + order.body
    parser, channel = HttpRequestParser(Fields()), CHANNELS["shopify"]
    told = Inbound("shop", fields, order.body, datetime.now(UTC))
    text = fleet_file("http://127.0.0.1:1", None, adapter="netsuite", options={}, slots=1, answer_timeout_s=1.0)
    classify = classify_by(Fleet.model_validate(tomllib.loads(text)), {"shop": channel})
    accepted = {"source": "shop", "topic": "orders/create", "cls": "normal", "event_id": 7, "correlation_id": "0" * 32}
    yield "read HTTP", lambda: parser.feed_data(raw)
    yield "verify", lambda: channel.verify(told, (SECRET,), told.received_at)
    yield "of it: HMAC", lambda: hmac.digest(SECRET, order.body, "sha256")
    yield "identify", lambda: channel.identify(told)
    yield "classify", lambda: classify("shop", "orders/create", order.body)
    yield "tell", lambda: emit(Name.EVENT_ACCEPT_DONE, **accepted, result="new", size_bytes=5_000, duration_s=0.01)
    yield "write the answer", lambda: answers.taken(7).written(last=False, head_only=False)


def commits(rows: int) -> dict[str, float]:
    """µs a webhook of one shared commit of so many: the committing thread, PostgreSQL, and how long it takes."""
    postgres = start_postgres(durable=True)
    try:
        book = Ledger(postgres.url)
        migrate.upgrade(book)
        for first in (1, COMMITS * rows + 1):
            events = [event_of(order) for order in webhooks(first, COMMITS * rows)]
            began, wall, server = time.thread_time(), time.monotonic(), processes.cpu_s((postgres.pid,))
            for start in range(0, len(events), rows):
                with book.single() as session:
                    ledger.events.accept(session, events[start : start + rows])
            own, took = time.thread_time() - began, time.monotonic() - wall
            server = processes.cpu_s((postgres.pid,)) - server
        book.close()
    finally:
        postgres.stop()
    spent = {"commit, the receiver's thread": own, "commit, PostgreSQL": server, "commit, waited for": took}
    return {name: seconds * 1e6 / (COMMITS * rows) for name, seconds in spent.items()}


def main(argv: Sequence[str] | None = None) -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--commit", type=int, default=16, help="webhooks that share a commit")
    asked.add_argument("--json", action="store_true")
    told = asked.parse_args(argv)
    telemetry.logs.configure("warning")
    telemetry.metrics.start()
    figures = {name: _us(part) for name, part in parts_of_the_loop(next(webhooks(1, 1)))} | commits(told.commit)
    lines = "".join(f"{name:32} {value:7.1f} µs\n" for name, value in figures.items())
    sys.stdout.write(json.dumps(figures, indent=2) + "\n" if told.json else lines)
    return 0


def _us(part: Callable[[], object]) -> float:
    def once() -> float:
        began = time.thread_time()
        for _ in range(TIMES):
            part()
        return time.thread_time() - began

    return min(once() for _ in range(3)) * 1e6 / TIMES


if __name__ == "__main__":
    sys.exit(main())
