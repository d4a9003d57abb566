"""Millrace as a contender: its own commands as a user runs them, its ledger on PostgreSQL, its topology of quorum queues."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench import processes
from bench.load import pour
from bench.orders import FIRST_ID, SECRET, order_id, webhooks
from bench.services import Services
from ledger.crossrefs import CrossRef, put
from ledger.session import Ledger
from routing.letters import prepare_letters
from routing.publish import BrokerPublisher

ARTICLES = 4
READY_S = 30.0
LAID_AT_ONCE = 5_000

_HEAD = """
[sources.shop]
channel = "shopify"
secrets = ["SHOP"]

[targets.erp]
adapter = "netsuite"
url = "{erp_url}"
secret = "ERP"
max_execution_s = 2.0
answer_timeout_s = 10.0
bundle = {bundle}
options = {{ guest_customer = "1" }}

[[routes]]
target = "erp"
"""
_COMBINED = """
[pools.work]
kind = "threads"
families = ["orders", "shipments", "returns", "deliver.erp"]
concurrency = {slots}
"""
_SPLIT = """
[pools.prepare]
kind = "prefork"
families = ["orders", "shipments", "returns"]
concurrency = 1

[pools.deliver]
kind = "threads"
families = ["deliver.erp"]
concurrency = {slots}
"""
POOLS = {"combined": (_COMBINED, ("work", "work")), "split": (_SPLIT, ("prepare", "deliver"))}
"""Two worker processes: two that prepare and deliver on threads, or one of each kind."""

# The rows a receiver would have made of as many webhooks: copies of the sample, each with its own order id.
LAY = """
INSERT INTO events (source, event_key, topic, domain, class, headers, body, correlation_id, received_at, state)
SELECT sample.source, replace(sample.event_key, %(mark)s, number::text), sample.topic, sample.domain, sample.class,
       replace(sample.headers::text, %(mark)s, number::text)::json,
       convert_to(replace(convert_from(sample.body, 'UTF8'), %(mark)s, number::text), 'UTF8'),
       md5(number::text), now(), 'accepted'
FROM events AS sample, generate_series(%(first)s::bigint, %(last)s::bigint) AS number
WHERE sample.event_key LIKE '%%' || %(mark)s
RETURNING id
"""


@dataclass(slots=True)
class Millrace:
    """The product: receiver, relay, recorder and two worker processes."""

    name: str = "millrace"
    pools: str = "combined"
    slots: int = 24
    bundle: int = 16
    log_level: str = "warning"
    _intake: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _beside: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_intake(self, services: Services, erp_url: str) -> str:
        pools, _ = POOLS[self.pools]
        fleet = (_HEAD + pools).format(erp_url=erp_url, slots=self.slots, bundle=self.bundle)
        (services.folder / "fleet.toml").write_text(fleet)
        self._run(services, ["db", "upgrade"])
        self._run(services, ["topology", "declare"])
        _tell_articles(services)
        port = processes.free_port()
        self._intake.append(self._start(services, ["receiver", "--port", str(port)], "intake.log"))
        processes.until_healthy(f"http://127.0.0.1:{port}/ready", self._intake[0], services.folder / "intake.log")
        ready = {role: services.folder / f"{role}.ready" for role in ("relay", "recorder")}
        self._beside = [self._start(services, [role, "--ready-file", str(f)], f"{role}.log") for role, f in ready.items()]
        deadline = time.monotonic() + READY_S
        while not all(f.exists() for f in ready.values()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"relay and recorder were not ready within {READY_S:.0f} s; see {services.folder}")
            time.sleep(0.1)
        return f"http://127.0.0.1:{port}/in/shop"

    def start_workers(self, services: Services, erp_url: str) -> None:
        _, names = POOLS[self.pools]
        for number, pool in enumerate(names, 1):
            self._workers.append(self._start(services, ["worker", pool, "--name", f"{pool}-{number}"], "worker.log"))

    def pids(self) -> dict[str, tuple[int, ...]]:
        return {
            "intake": tuple(p.pid for p in self._intake),
            "worker": tuple(p.pid for p in self._workers),
            "beside": tuple(p.pid for p in self._beside),
        }

    def lay(self, services: Services, url: str, first: int, count: int) -> None:
        """Take one real webhook in, copy its row under each order's id, and publish the bundles the receiver would."""
        pour(url, webhooks(first, 1), connections=1)
        publisher = BrokerPublisher(services.amqp_url)
        with psycopg.connect(services.database_url, autocommit=True) as database:
            for start in range(first + 1, first + count, LAID_AT_ONCE):
                last = min(start + LAID_AT_ONCE, first + count) - 1
                span = {"mark": str(order_id(first)), "first": FIRST_ID + start, "last": FIRST_ID + last}
                ids = [row[0] for row in database.execute(LAY, span)]
                letters = prepare_letters("orders", "normal", ids)
                if len(publisher.publish(letters)) != len(letters):
                    raise RuntimeError("the broker did not take the backlog")
                database.execute("UPDATE events SET published_at = now() WHERE published_at IS NULL")
        publisher.close()

    def stop(self) -> None:
        processes.end([*self._workers, *self._beside, *self._intake])
        self._workers, self._beside, self._intake = [], [], []

    def _run(self, services: Services, words: Sequence[str]) -> None:
        process = self._start(services, words, "set-up.log")
        if process.wait(60) != 0:
            raise RuntimeError(f"millrace {' '.join(words)} failed:\n{(services.folder / 'set-up.log').read_text()[-2000:]}")

    def _start(self, services: Services, words: Sequence[str], log: str) -> subprocess.Popen[bytes]:
        env = {
            "MILLRACE_FLEET_FILE": str(services.folder / "fleet.toml"),
            "MILLRACE_BROKER_URL": services.amqp_url,
            "MILLRACE_LEDGER_URL": services.database_url,
            "MILLRACE_REDIS_URL": services.redis_url,
            "MILLRACE_LOG_LEVEL": self.log_level,
            "MILLRACE_SECRET_SHOP": SECRET.decode(),
            "MILLRACE_SECRET_ERP": "bench",
            **processes.bytecode_beside(services.folder.parent),
        }
        return processes.start([str(Path(sys.executable).with_name("millrace")), *words], services.folder / log, env)


def _tell_articles(services: Services) -> None:
    ledger = Ledger(services.database_url)
    with ledger.write() as session:
        put(
            session,
            [CrossRef("erp", "item", "*", f"BENCH-{n:03d}", str(500 + n)) for n in range(1, ARTICLES + 1)],
            datetime.now(UTC),
        )
    ledger.close()
