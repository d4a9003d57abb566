"""Plays the sale on a running fleet: pours it, waits until it has settled, and judges it by the logs."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.erps.netsuite.keys import order_key
from config.settings import load_secrets
from ledger.session import Ledger, LedgerUnavailable
from workers.demo.desk import read_desk, story_lines
from workers.demo.figures import budget_of, repeats_of, waits_of
from workers.demo.flash_sale import flash_sale
from workers.demo.master_data import load_master_data
from workers.demo.model import expected_of
from workers.demo.proof import prove
from workers.demo.reception import reception_of
from workers.demo.report import Findings, Report, Times, orders_to_look_at, report_of
from workers.demo.sandbox_client import SandboxClient
from workers.demo.screen import Screen
from workers.demo.sender import Sender
from workers.demo.sent_log import SentLog, attempts
from workers.demo.watch import Snapshot, Watch
from workers.demo.weather import Weather
from workers.demo.webhook import Webhook
from workers.sandbox.journal import entries
from workers.sandbox.limits import Limits
from workers.up import RunningFleet

ERP = Limits(rate_per_s=50, burst=20, concurrency=10, service_time_ms=30, service_jitter_ms=10)
"""What the sandbox ERP allows in fair weather; the demo's fleet.toml keeps a little below its burst."""

LOOK_EVERY_S = 0.25
STILL_S = 12.0
"""Rows that wait for others and have not moved for so long wait for a parked one."""

MOST_STORIES = 3
_TAIL = 12


class FleetError(Exception):
    """The fleet did not start, or a part of it ended by itself; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person asked for. ``folder`` None: a temporary one, gone at the end."""

    orders: int
    seed: int
    senders: int
    limit_s: float
    faults: bool
    flower: bool
    keep: bool
    folder: Path | None = None


@dataclass(slots=True)
class Stage:
    """Everything the sale is played with."""

    fleet: RunningFleet
    screen: Screen
    webhooks: Sequence[Webhook]
    sender: Sender
    log: SentLog
    ledger: Ledger
    sandbox: SandboxClient
    watch: Watch
    weather: Weather | None

    def play(self, wish: Wish) -> float:
        """Pour the sale and wait until all of it has settled; seconds it took."""
        expected = _writes(self.webhooks)
        began = still_since = time.monotonic()
        standing = None
        self.sender.start()
        while time.monotonic() - began < wish.limit_s:
            now = self._look()
            if now is not None:
                self.screen.show(now, expected)
                if self.weather:
                    self.weather.look(now.posted / expected)
                if now.standing != standing:
                    standing, still_since = now.standing, time.monotonic()
                if self.sender.done and not now.moving and (not now.held or time.monotonic() - still_since > STILL_S):
                    return time.monotonic() - began
            check(self.fleet)
            time.sleep(LOOK_EVERY_S)
        self.screen.say(f"gave up after {wish.limit_s:.0f} s: the sale has not settled")
        return time.monotonic() - began

    def report(self, wish: Wish, times: Times) -> Report:
        """Judge what happened by the logs."""
        self.screen.clear()
        reception = reception_of(self.webhooks, attempts(self.log.path))
        expected = expected_of(self.webhooks, reception)
        erp_log = tuple(entries(self.fleet.folder / "sandbox-erp.jsonl"))
        withdrawn = [order_key(e.source, e.key) for e in expected.orders.values() if e.ends == "withdrawn"]
        desk = read_desk(self.ledger)
        spells = self.weather.spells if self.weather else []
        found = Findings(
            expected,
            reception,
            desk,
            prove(expected, reception, erp_log, desk, self.sandbox.still_open(withdrawn)),
            waits_of(expected, erp_log),
            budget_of(expected, erp_log, ERP, spells),
            repeats_of(erp_log),
            self.sandbox.struck(),
        )
        return report_of(found, times, orders=wish.orders, seed=wish.seed, rate_per_s=ERP.rate_per_s or 0)

    def tell_stories(self, report: Report) -> None:
        """What the ledger knows of the first orders that went wrong."""
        for source, order in orders_to_look_at(report.problems, MOST_STORIES):
            self.screen.say(f"story of {source}/{order}:")
            for line in story_lines(self.ledger, source, order):
                self.screen.say(f"  {line}")

    def _look(self) -> Snapshot | None:
        try:
            return self.watch.look()
        except (*LedgerUnavailable, OSError):
            return None  # busy for a moment; the next look is a quarter of a second away


@contextmanager
def staged(fleet: RunningFleet, wish: Wish, screen: Screen) -> Iterator[Stage]:
    """Everything the sale takes on a running fleet; leaving it stops the senders."""
    sandbox = SandboxClient(fleet.urls["sandbox"])
    sandbox.set_limits(service_time_ms=ERP.service_time_ms, service_jitter_ms=ERP.service_jitter_ms)
    ledger = Ledger(fleet.settings.ledger_url.get_secret_value())
    load_master_data(ledger, sandbox.catalogue())
    webhooks = flash_sale(wish.seed, wish.orders, datetime.now(UTC))
    for source, key in {(w.source, w.fact.order) for w in webhooks if w.fact.refused_by_erp}:
        sandbox.arm(kind="poison", external_id=order_key(source, key))
    log = SentLog(fleet.folder / "sender.jsonl")
    known = load_secrets(fleet.environment)
    secrets = {name: known[source.secrets[0]] for name, source in fleet.settings.fleet.sources.items()}
    sender = Sender(fleet.urls["receiver"], webhooks, secrets, log, wish.senders)
    weather = Weather(sandbox, ERP.rate_per_s or 0, ERP.burst or 1, screen.say) if wish.faults else None
    watch = Watch(webhooks, log, sandbox, ledger)
    screen.say(f"{wish.orders} orders in {len(webhooks)} webhooks, {wish.senders} connections")
    try:
        yield Stage(fleet, screen, webhooks, sender, log, ledger, sandbox, watch, weather)
    finally:
        sender.stop()
        log.close()
        ledger.close()


def check(fleet: RunningFleet) -> None:
    """Raise FleetError if a part of the fleet has ended by itself."""
    died = fleet.died()
    if died is None:
        return
    lines = fleet.log_of(died).read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
    raise FleetError("\n  ".join((f"{died} ended by itself; the end of its log:", *lines)))


def _writes(webhooks: Sequence[Webhook]) -> int:
    """About how many writes the sale comes to; only for the bar and the weather."""
    facts = {w.fact for w in webhooks if w.refusal is None and not w.fact.parked}
    return max(1, sum({"order": 1, "shipment": 1, "return": 3}.get(fact.told, 0) for fact in facts))
