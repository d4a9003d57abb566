"""A real fleet for tests: every process of production on a test's own broker, ledger and Redis, and a shop that signs."""

import base64
import hashlib
import hmac
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from config.settings import load_settings
from ledger import crossrefs
from ledger.crossrefs import CrossRef
from ledger.session import Ledger
from tests.live import wait_until
from tests.workers.command_line import Ended, millrace
from workers.bootstrap import now
from workers.local.process import Process
from workers.up import RunningFleet, start_fleet, start_role


@dataclass(slots=True)
class Shop:
    """A Shopify that sends its webhooks to one source, signed; re-sends are up to the test."""

    url: str
    key: bytes
    sent: int = 0
    answers: list[int] = field(default_factory=list)

    def send(self, topic: str, payload: Mapping[str, Any], *, event: str | None = None) -> int:
        """Send one webhook; the status it was answered with. ``event`` repeats an earlier one's id."""
        self.sent += 1
        body = json.dumps(payload).encode()
        headers = {
            "content-type": "application/json",
            "x-shopify-topic": topic,
            "x-shopify-shop-domain": "shop.example",
            "x-shopify-event-id": event or f"event-{self.sent}",
            "x-shopify-webhook-id": f"webhook-{self.sent}",
            "x-shopify-hmac-sha256": base64.b64encode(hmac.new(self.key, body, hashlib.sha256).digest()).decode(),
        }
        try:
            with urlopen(Request(self.url, body, headers), timeout=30) as answer:
                status = int(answer.status)
        except HTTPError as refusal:
            status = refusal.code
        self.answers.append(status)
        return status

    def send_twice(self, topic: str, payload: Mapping[str, Any]) -> None:
        """The same event two times, as senders do that did not hear the first answer."""
        event = f"twice-{self.sent}"
        assert self.send(topic, payload, event=event) == 200
        assert self.send(topic, payload, event=event) == 200


@dataclass(slots=True)
class TestFleet:
    """The running fleet, its ledger to look at, and its shop."""

    __test__ = False

    running: RunningFleet
    ledger: Ledger
    shop: Shop

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of any query."""
        with self.ledger.read() as session:
            return [tuple(row) for row in session.exec_driver_sql(statement)]

    def put_crossrefs(self, refs: list[CrossRef]) -> None:
        """Set cross-references."""
        with self.ledger.write() as session:
            crossrefs.put(session, refs, now())

    def wait_for_states(self, expected: Mapping[str, int], deadline_s: float = 60) -> None:
        """Wait until the deliveries stand exactly so."""

        def standing() -> dict[str, int]:
            return dict(self.rows("select state, count(*) from deliveries group by state"))

        try:
            wait_until(lambda: standing() == dict(expected), deadline_s)
        except AssertionError:
            told = "select id, operation, state, attempts, failure_code, failure_reason from deliveries where state <> 'done'"
            tried = "select delivery_id, outcome, detail from attempts order by id desc limit 10"
            raise AssertionError(f"{standing()} and not {dict(expected)}: {self.rows(told)}, {self.rows(tried)}") from None

    def command(self, *words: str, code: int = 0, **more: str) -> Ended:
        """Run `millrace` as somebody at this fleet's command line; it must end with ``code``. ``more`` are settings."""
        told = self.running.settings
        services = {name: getattr(told, name.lower()).get_secret_value() for name in ("BROKER_URL", "REDIS_URL", "LEDGER_URL")}
        ended = millrace(*words, **services, FLEET_FILE=str(told.fleet_file), **more)
        assert ended.code == code, ended
        return ended

    def kill(self, name: str) -> None:
        """End a process as the kernel does when memory is short: it and its children at once, without a word."""
        guard = self.running.processes[name]
        worker = Process.of(int((self.running.folder / f"{name}.pid").read_text().split()[0]))
        for child in [*children_of(worker.pid), worker.pid]:
            os.kill(child, signal.SIGKILL)
        guard.wait_gone(20)

    def start_again(self, name: str, *words: str) -> None:
        """Start a killed role anew."""
        start_role(self.running, name, words)


def let_workers_hear() -> None:
    """Until the moment by which every worker goes by what was just said: two seconds are promised."""
    heard_at = time.monotonic() + 2
    wait_until(lambda: time.monotonic() > heard_at, 30, "the two seconds within which workers act")


def children_of(pid: int) -> list[int]:
    """Process numbers of the direct children."""
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def a_fleet(
    folder: Path, fleet_toml: str, *, broker_url: str, redis_url: str, ledger_url: str, **more: Any
) -> Iterator[TestFleet]:
    """Start the whole fleet of a fleet file on these services; everything of it ends with the block."""
    file = folder / "fleet.toml"
    file.write_text(fleet_toml, encoding="utf-8")
    settings = load_settings(
        {}, fleet_file=file, broker_url=broker_url, redis_url=redis_url, ledger_url=ledger_url, receiver_port=0, log_format="json"
    )
    with start_fleet(settings, folder / "fleet", tell=lambda _: None, flower=False, **({"console": False} | more)) as running:
        opened = Ledger(ledger_url)
        key = (running.folder / "secrets" / "SHOPIFY").read_bytes().strip()
        try:
            yield TestFleet(running, opened, Shop(f"{running.urls['receiver']}/in/shopify", key))
        finally:
            opened.close()
