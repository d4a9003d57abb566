"""Tells what one order costs: accepts, prepares and delivers stored orders on one thread, CPU milliseconds an order by step.

``python -m bench.profile_order --orders 2000`` starts a private PostgreSQL (commits synced) and the ERP stand-in, and leaves
out broker, Redis and threads: what it shows is the floor of what a worker process pays. Steps are inclusive of what they call.
``--backlog N`` lays N further accepted events under them first, to see whether the cost grows with what waits.
"""

import argparse
import cProfile
import importlib
import json
import pstats
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ledger.crossrefs
import ledger.events
import tasks.prepare
import tasks.step
import telemetry.bus
import telemetry.logs
import telemetry.metrics
from adapters.channels.registry import CHANNELS
from adapters.erps.base import Account
from adapters.erps.registry import ERPS
from adapters.http.client import Client
from adapters.throttle.base import Granted, Limit
from adapters.throttle.local import LocalThrottle
from bench import processes
from bench.erp import ErpProcess
from bench.erp_stub import Limits
from bench.millrace import ARTICLES
from bench.orders import FIRST_ID, Webhook, order_id, webhooks
from config.fleet import Fleet
from config.topology import load_topology
from ledger import migrate
from ledger.crossrefs import CrossRef
from ledger.events import NewEvent
from ledger.session import Ledger
from routing.letters import Letter, parts
from tasks.context import Context
from workers.bootstrap import observe
from workers.collector import collect_seldom
from workers.local.postgres import start_postgres

_LAID_AT_ONCE = 5_000

# The rows a receiver would have made of as many webhooks: copies of the sample, each with its own order id.
_LAY = """
INSERT INTO events (source, event_key, topic, domain, class, headers, body, correlation_id, received_at, state)
SELECT sample.source, replace(sample.event_key, %(mark)s, number::text), sample.topic, sample.domain, sample.class,
       replace(sample.headers::text, %(mark)s, number::text)::json,
       convert_to(replace(convert_from(sample.body, 'UTF8'), %(mark)s, number::text), 'UTF8'),
       md5(number::text), now(), 'accepted'
FROM events AS sample, generate_series(%(first)s::bigint, %(last)s::bigint) AS number
WHERE sample.event_key LIKE '%%' || %(mark)s
RETURNING id
"""

STEPS = {
    "read the webhook": ("tasks.prepare", "read"),
    "load events": ("ledger.events", "load"),
    "decide": ("tasks.prepare", "decide"),
    "lock documents": ("ledger.documents", "lock"),
    "write": ("tasks.prepare", "write"),
    "write versions": ("ledger.documents", "write"),
    "write deliveries": ("ledger.deliveries", "write"),
    "settle events": ("ledger.events", "settle"),
    "publish and mark": ("tasks.prepare", "forward"),
    "claim": ("tasks.step", "claim"),
    "one delivery": ("tasks.attempts", "deliver"),
    "read the stored order": ("tasks.deliver", "posting_of"),
    "reckon the ERP's body": ("adapters.erps.netsuite.orders", "order_body"),
    "HTTP exchange": ("adapters.http.client", "Client.send"),
    "settle": ("tasks.step", "settle"),
}
"""Step by name: the function whose time it is, by module and name there."""


YARDSTICK = "yardstick: json.loads of a webhook"
"""A fixed piece of work: two runs are compared by it, for a shared machine is not equally fast at all times."""


class Clock:
    """CPU seconds of this thread by step and stage."""

    def __init__(self) -> None:
        self.spent_s: Counter[str] = Counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.thread_time()
        try:
            yield
        finally:
            self.spent_s[name] += time.thread_time() - began

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*given, **named)
            finally:
                self.spent_s[name] += time.thread_time() - began

        return run

    def wrap_steps(self) -> None:
        """Put the clock around every step, and around telemetry wherever it was imported to."""
        for name, (module_name, path) in STEPS.items():
            owner: Any = importlib.import_module(module_name)
            *outer, last = path.split(".")
            for part in outer:
                owner = getattr(owner, part)
            setattr(owner, last, self.timed(name, getattr(owner, last)))
        emit = telemetry.bus.emit
        for module in [m for m in sys.modules.values() if getattr(m, "emit", None) is emit]:
            module.emit = self.timed("telemetry", emit)  # type: ignore[attr-defined]


class OutTray:
    """Takes letters as the broker would, at no cost."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def publish(self, letters: Sequence[Letter]) -> list[Letter]:
        self.letters += letters
        return list(letters)

    def close(self) -> None:
        return


@contextmanager
def a_worker(folder: Path, bundle: int) -> Iterator[tuple[Context, OutTray, ErpProcess, int]]:
    """One worker's context on a fresh ledger, its out-tray, the ERP, and the pid of the database."""
    with ExitStack() as stack:
        postgres = start_postgres(durable=True)
        stack.callback(postgres.stop)
        erp = ErpProcess(folder, Limits(0.0))
        stack.callback(erp.stop)
        book = Ledger(postgres.url)
        stack.callback(book.close)
        migrate.upgrade(book)
        with book.write() as session:
            refs = [CrossRef("erp", "item", "*", f"BENCH-{n:03d}", str(500 + n)) for n in range(1, ARTICLES + 1)]
            ledger.crossrefs.put(session, refs, _now())
        account = Account("erp", erp.url, "bench", 2.0, 10.0, {"guest_customer": "1"})
        adapter, tray = ERPS["netsuite"](account), OutTray()
        client = Client(adapter.http)
        stack.callback(client.close)
        context = Context(
            fleet=_fleet(erp.url, bundle),
            topology=load_topology(),
            ledger=book,
            publisher=tray,
            channels={"shop": CHANNELS["shopify"]},
            erps={"erp": adapter},
            clients={"erp": client},
            throttles={"erp": LocalThrottle(Limit())},
            observe=observe,
            now=_now,
            draw=random.random,
        )
        yield context, tray, erp, postgres.pid


def accept(context: Context, orders: Sequence[Webhook]) -> list[int]:
    """Accept the webhooks as one commit of the receiver does; returns their rows."""
    with context.ledger.write() as session:
        return [receipt.id for receipt in ledger.events.accept(session, [event_of(order) for order in orders])]


def lay(context: Context, first: int, count: int) -> None:
    """Copy the one accepted event ``first`` under the ids of ``count`` further orders, as a backlog nobody has prepared."""
    for start in range(first + 1, first + count + 1, _LAID_AT_ONCE):
        last = min(start + _LAID_AT_ONCE - 1, first + count)
        span = {"mark": str(order_id(first)), "first": FIRST_ID + start, "last": FIRST_ID + last}
        with context.ledger.engine.begin() as connection:
            connection.exec_driver_sql(_LAY, span)


def work(context: Context, tray: OutTray, events: Sequence[int], prepare_bundle: int, clock: Clock, at_once: int = 1) -> None:
    """Prepare the events, then deliver all that came of them, so many requests of a part at once."""
    with clock.stage("PREPARE"):
        for part in parts(tuple(events), prepare_bundle):
            tasks.prepare.prepare(context, part)
    letters, tray.letters = tray.letters, []
    with clock.stage("DELIVER"):
        for letter in letters:
            permit = Granted("lease", max(1, letter.calls), at_once=at_once)
            tasks.step.run(context, tasks.step.Message(letter.queue, letter.rows), permit)


def main(argv: Sequence[str] | None = None) -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--orders", type=int, default=2_000)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--prepare-bundle", type=int, default=32)
    asked.add_argument("--bundle", type=int, default=16)
    told_of = "requests of a part side by side; above 1 a step that waits holds the turns of others"
    asked.add_argument("--at-once", type=int, default=1, help=told_of)
    asked.add_argument("--backlog", type=int, default=0)
    asked.add_argument("--functions", type=int, default=0, help="also list this many functions by their own time (cProfile)")
    asked.add_argument("--json", action="store_true")
    told = asked.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="millrace-profile-") as folder:
        Path(folder).chmod(0o755)
        with a_worker(Path(folder), told.bundle) as (context, tray, erp, database):
            figures = _measure(context, tray, database, told)
            if wrong := erp.verdict({str(order_id(n)) for n in range(1, 33 + told.rounds * told.orders)}):
                sys.stderr.write(f"void: {wrong}\n")
                return 1
    sys.stdout.write(json.dumps(figures, indent=2) + "\n" if told.json else _as_text(figures))
    return 0


def _measure(context: Context, tray: OutTray, database: int, told: argparse.Namespace) -> dict[str, float]:
    telemetry.logs.configure("warning")
    telemetry.metrics.start()
    clock, profile = Clock(), cProfile.Profile()
    if told.backlog:
        accept(context, list(webhooks(900_000, 1)))
        lay(context, 900_000, told.backlog)
    work(context, tray, accept(context, list(webhooks(1, 32))), told.prepare_bundle, Clock())
    if not told.functions:
        clock.wrap_steps()
    collect_seldom()
    spent = Counter[str]()
    for number in range(told.rounds):
        orders = list(webhooks(33 + number * told.orders, told.orders))
        before = processes.cpu_s((database,))
        with clock.stage(YARDSTICK):
            for order in orders:
                json.loads(order.body)
        with clock.stage("ACCEPT"):
            events = [row for part in parts(tuple(orders), 32) for row in accept(context, part)]
        between = processes.cpu_s((database,))
        if told.functions:
            profile.enable()
        work(context, tray, events, told.prepare_bundle, clock, told.at_once)
        profile.disable()
        spent["PostgreSQL, accepting"] += between - before
        spent["PostgreSQL, working"] += processes.cpu_s((database,)) - between
    if told.functions:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(told.functions)
    return {name: value * 1000 / (told.orders * told.rounds) for name, value in (clock.spent_s + spent).items()}


def _as_text(figures: dict[str, float]) -> str:
    order = ["ACCEPT", "PREPARE", *list(STEPS)[:9], "DELIVER", *list(STEPS)[9:], "telemetry"]
    order += [name for name in figures if name not in order]
    return "".join(f"{name:36} {figures[name]:7.3f} ms\n" for name in order if name in figures)


def event_of(order: Webhook) -> NewEvent:
    """The event that the receiver makes of a webhook."""
    headers = {name.lower(): value for name, value in order.headers if name != "X-Shopify-Hmac-Sha256"}
    topic, key = headers["x-shopify-topic"], headers["x-shopify-event-id"]
    return NewEvent(
        "shop", f"bench/{topic}/{key}", topic, "orders", "normal", headers, order.body, f"{order.order_id:032x}", _now()
    )


def _fleet(url: str, bundle: int) -> Fleet:
    return Fleet.model_validate(
        {
            "sources": {"shop": {"channel": "shopify", "secrets": ["SHOP"]}},
            "targets": {"erp": {"adapter": "netsuite", "url": url, "secret": "ERP", "max_execution_s": 2.0, "bundle": bundle}},
            "routes": [{"target": "erp"}],
            "pools": {"work": {"kind": "threads", "families": ["orders", "deliver.erp"]}},
        }
    )


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
