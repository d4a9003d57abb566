"""A world for the tasks: a real ledger, an ERP in memory, a clock that moves when told, an out-tray for a broker."""

import random
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import ledger.crossrefs
import ledger.events
from adapters.channels.base import Identity, Inbound, Parsed, Refused, Told, Unreadable
from adapters.erps.memory import MemoryErp
from adapters.http.caller import Observation
from adapters.http.client import Client
from adapters.throttle.base import Granted, Limit
from adapters.throttle.local import LocalThrottle
from canonical.document import DOMAIN_OF
from canonical.kinds import AnyDocument, read_document
from config.fleet import Fleet, Route, Source
from config.settings import load_settings
from config.topology import load_topology
from ledger import migrate
from ledger.crossrefs import CrossRef
from ledger.events import NewEvent, Receipt
from ledger.session import Ledger
from routing import names
from routing.letters import DELIVER_TASK, Letter
from routing.names import class_of
from tasks.context import Context
from tasks.prepare import prepare
from tasks.step import Message, run
from tests.documents import MORNING

TARGET = "sandbox"


class OutTray:
    """Keeps letters as a broker would: those on a rung come back when their time has passed."""

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock
        self._letters: deque[tuple[datetime, Letter]] = deque()
        self.open = True
        self.published = 0

    def publish(self, letters: Sequence[Letter]) -> list[Letter]:
        """All confirmed while the tray is open, none while it is shut."""
        if not self.open:
            return []
        self.published += len(letters)
        self._letters.extend((self._clock.now() + timedelta(seconds=letter.rung_s or 0), letter) for letter in letters)
        return list(letters)

    def close(self) -> None:
        """Nothing to close."""

    def take(self) -> Letter | None:
        """The next letter; moves the clock to its time if nothing is due before."""
        if not self._letters:
            return None
        due_at, letter = min(self._letters, key=lambda entry: entry[0])
        self._letters.remove((due_at, letter))
        self._clock.move_to(due_at)
        return letter

    def lose_all(self) -> int:
        """Forget every letter, as a broker does that lost its disk."""
        lost = len(self._letters)
        self._letters.clear()
        return lost


@dataclass(slots=True)
class Clock:
    """Time that moves when told."""

    at: datetime = MORNING

    def now(self) -> datetime:
        """The moment it is."""
        return self.at

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)

    def move_to(self, moment: datetime) -> None:
        """Let time pass until then; never back."""
        self.at = max(self.at, moment)


class PlainChannel:
    """A channel whose events are canonical documents; ``not a document`` is unreadable."""

    kept_headers: frozenset[str] = frozenset()

    def verify(self, request: Inbound, keys: Sequence[bytes], now: datetime) -> Refused | None:
        """Everybody is who they say."""
        return None

    def identify(self, request: Inbound) -> Identity | Refused:
        """By its one header."""
        return Identity(request.header("id") or "", "told", "orders")

    def parse(self, event: Told) -> Parsed | Unreadable:
        """The document."""
        if event.body == b"defect":
            raise RuntimeError("a fault of our own")
        try:
            return Parsed((read_document(event.body),))
        except ValueError:
            return Unreadable("body.unreadable", "not a canonical document")


@dataclass(slots=True)
class World:
    """Everything a test needs to pour events in and let the fleet work until nothing moves."""

    context: Context
    ledger: Ledger
    clock: Clock
    tray: OutTray
    erp: MemoryErp
    told: int = 0
    letters_worked: list[Letter] = field(default_factory=list)

    def tell(self, *documents: AnyDocument, key: str | None = None, cls: str = "normal") -> list[Receipt]:
        """Accept one event a document, in one commit."""
        new = []
        for document in documents:
            self.told += 1
            body = document.model_dump_json().encode()
            new.append(self._event(key or f"event-{self.told}", DOMAIN_OF[document.kind], document.source, body, cls))
        return self._accept(new)

    def tell_bytes(self, body: bytes, domain: str | None = "orders") -> Receipt:
        """Accept one event of any body."""
        self.told += 1
        return self._accept([self._event(f"event-{self.told}", domain, "shopify", body, "normal")])[0]

    def prepare(self, *receipts: Receipt) -> None:
        """Prepare these events as one bundle."""
        prepare(self.context, [r.id for r in receipts])

    def work(self, *, most: int = 1_000) -> int:
        """Work letters until none is left; returns how many."""
        worked = 0
        while worked < most and (letter := self.tray.take()) is not None:
            self.work_letter(letter)
            worked += 1
        assert worked < most, "the fleet does not come to rest"
        return worked

    def work_letter(self, letter: Letter) -> None:
        """Do one letter's work, as the Celery tasks do."""
        self.letters_worked.append(letter)
        if letter.task == DELIVER_TASK:
            run(self.context, Message(letter.queue, letter.rows), Granted("lease", max(1, letter.calls)))
        else:
            prepare(self.context, letter.rows, class_of(letter.queue))

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Rows of any query, for looking behind the port."""
        with self.ledger.read() as session:
            return [tuple(row) for row in session.exec_driver_sql(statement)]

    def _accept(self, new: list[NewEvent]) -> list[Receipt]:
        with self.ledger.write() as session:
            return ledger.events.accept(session, new)

    def _event(self, key: str, domain: str | None, source: str, body: bytes, cls: str) -> NewEvent:
        return NewEvent(source, key, "told", domain, cls, {}, body, f"trace-{self.told}", self.clock.now())


def queues_of(world: World, lanes: Collection[str]) -> list[str]:
    """The work queues of these lanes."""
    families = [family for lane in lanes for family in names.families_of(lane, world.context.topology.domains)]
    return [names.queue(family, cls) for family in families for cls in names.CLASSES]


def a_fleet() -> Fleet:
    """The shipped fleet with one target, and no rests that a test would have to wait for."""
    return load_settings({}).fleet


def a_stock_fleet() -> Fleet:
    """The same with a route that carries stock positions and reservations to the target as well."""
    fleet = a_fleet()
    return fleet.model_copy(update={"routes": (*fleet.routes, Route(target=TARGET, kinds=("stock", "reservation")))})


def a_counted_fleet(fleet: Fleet | None = None) -> Fleet:
    """The same with a source that says what the target shows as available."""
    fleet = fleet or a_stock_fleet()
    stores = Source.model_validate({"channel": "open", "secrets": ("OPEN",), "speaks_for": TARGET})
    return fleet.model_copy(update={"sources": {**fleet.sources, "stores": stores}})


def a_promising_fleet(source: str = "shopify") -> Fleet:
    """The same with a source that promises to reserve stock for every order, within a quarter of an hour."""
    fleet = a_stock_fleet()
    promising = fleet.sources[source].model_copy(update={"reserves_within_s": 900.0})
    return fleet.model_copy(update={"sources": {**fleet.sources, source: promising}})


@contextmanager
def a_world(
    ledger_url: str, *, items: bool = True, seed: int = 1, erp: MemoryErp | None = None, fleet: Fleet | None = None
) -> Iterator[World]:
    """A fresh world on an empty database."""
    opened = Ledger(ledger_url)
    if migrate.current(opened) is None:
        migrate.upgrade(opened)
    clock = Clock()
    tray, erp = OutTray(clock), erp or MemoryErp(items=items)
    context = Context(
        fleet=fleet or a_fleet(),
        topology=load_topology(),
        ledger=opened,
        publisher=tray,
        channels=dict.fromkeys({"shopify", "open", *(fleet.sources if fleet else ())}, PlainChannel()),
        erps={TARGET: erp},
        clients={TARGET: Client(erp.http)},
        throttles={TARGET: LocalThrottle(Limit())},
        observe=_not_watching,
        now=clock.now,
        draw=random.Random(seed).random,
    )
    if items:
        with opened.write() as session:
            ledger.crossrefs.put(session, [CrossRef(TARGET, "item", "*", "SKU-0001", "501")], clock.now())
    try:
        yield World(context, opened, clock, tray, erp)
    finally:
        opened.close()


def _not_watching(_: Observation) -> None:
    return
