"""Runs the demo: fleet up, sale poured, ERP troubled, everything settled, then the proof."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from config.settings import Settings, load_secrets, load_settings
from ledger.session import Ledger, LedgerUnavailable
from workers.demo.desk import read_desk, story_lines
from workers.demo.effects import order_id
from workers.demo.figures import budget_of, repeats_of, waits_of
from workers.demo.flash_sale import flash_sale
from workers.demo.interrupts import Interrupted, interruptible
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
from workers.local.service import LocalServiceError
from workers.sandbox.journal import entries
from workers.sandbox.limits import Limits
from workers.up import RunningFleet, start_fleet

FLEET_FILE = Path(__file__).parents[2] / "config" / "demo" / "fleet.toml"
ERP = Limits(rate_per_s=50, burst=10, concurrency=10, service_time_ms=30, service_jitter_ms=10)
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


def run(wish: Wish, show: Callable[[Report], None]) -> Report:
    """Run it all and show the report. Raises FleetError, Interrupted; whatever was started is ended, temporary files are gone."""
    began = time.monotonic()
    with ExitStack() as stack:
        deafen = stack.enter_context(interruptible())
        folder = stack.enter_context(_folder(wish.folder))
        screen = stack.enter_context(Screen(ERP.rate_per_s or 0))
        fleet = stack.enter_context(_fleet(folder, wish, screen))
        stack.callback(deafen)
        start_s = time.monotonic() - began
        stage = stack.enter_context(_stage(fleet, wish, screen))
        stack.callback(deafen)
        sale_s = stage.play(wish)
        report = stage.report(wish, Times(time.monotonic() - began, start_s, sale_s))
        show(report)
        stage.tell_stories(report)
        if wish.keep:
            _stay(fleet, screen)
    return report


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
            _check(self.fleet)
            time.sleep(LOOK_EVERY_S)
        self.screen.say(f"gave up after {wish.limit_s:.0f} s: the sale has not settled")
        return time.monotonic() - began

    def report(self, wish: Wish, times: Times) -> Report:
        """Judge what happened by the logs."""
        self.screen.clear()
        reception = reception_of(self.webhooks, attempts(self.log.path))
        expected = expected_of(self.webhooks, reception)
        erp_log = tuple(entries(self.fleet.folder / "sandbox-erp.jsonl"))
        withdrawn = [order_id(e.source, e.key) for e in expected.orders.values() if e.ends == "withdrawn"]
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
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        yield wanted
        return
    made = Path(tempfile.mkdtemp(prefix="millrace-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def _fleet(folder: Path, wish: Wish, screen: Screen) -> Iterator[RunningFleet]:
    """A fleet of its own: nothing of the person's settings or services is touched."""
    options = (("--rate", ERP.rate_per_s), ("--burst", ERP.burst), ("--concurrency", ERP.concurrency))
    words = tuple(str(word) for option in options for word in option)
    try:
        fleet = start_fleet(_settings(), folder, tell=screen.say, flower=wish.flower, sandbox_options=words)
    except LocalServiceError as error:
        raise FleetError(str(error)) from error
    with fleet:
        yield fleet


def _settings() -> Settings:
    return load_settings(environment={}, fleet_file=FLEET_FILE, receiver_port=0, flower_port=0)


@contextmanager
def _stage(fleet: RunningFleet, wish: Wish, screen: Screen) -> Iterator[Stage]:
    sandbox = SandboxClient(fleet.urls["sandbox"])
    sandbox.set_limits(service_time_ms=ERP.service_time_ms, service_jitter_ms=ERP.service_jitter_ms)
    ledger = Ledger(fleet.settings.ledger_url.get_secret_value())
    load_master_data(ledger, sandbox.catalogue())
    webhooks = flash_sale(wish.seed, wish.orders, datetime.now(UTC))
    for source, key in {(w.source, w.fact.order) for w in webhooks if w.fact.refused_by_erp}:
        sandbox.arm(kind="poison", external_id=order_id(source, key))
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


def _writes(webhooks: Sequence[Webhook]) -> int:
    """About how many writes the sale comes to; only for the bar and the weather."""
    facts = {w.fact for w in webhooks if w.refusal is None and not w.fact.parked}
    return max(1, sum({"order": 1, "shipment": 1, "return": 3}.get(fact.told, 0) for fact in facts))


def _check(fleet: RunningFleet) -> None:
    died = fleet.died()
    if died is None:
        return
    lines = fleet.log_of(died).read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
    raise FleetError("\n  ".join((f"{died} ended by itself; the end of its log:", *lines)))


def _stay(fleet: RunningFleet, screen: Screen) -> None:
    """Leave everything running until the person has seen enough."""
    screen.say("the fleet stays up; Ctrl-C ends it")
    for what, url in fleet.urls.items():
        login = f"  login {fleet.settings.flower_login.get_secret_value()}" if what == "flower" else ""
        screen.say(f"  {what:<9} {url}{login}")
    screen.say(f"  for other commands:  set -a; . {fleet.env_file}; set +a")
    try:
        while True:
            _check(fleet)
            time.sleep(LOOK_EVERY_S)
    except Interrupted:
        screen.say("stopping")
