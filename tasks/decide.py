"""Does the deciding of one bundle: judges told states against known documents and drafts what follows. No I/O."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, cast

from msgspec import Struct
from msgspec.structs import replace

from canonical.count import Count
from canonical.document import DOMAIN_OF, Kind
from canonical.failure import Failure, FailureClass
from canonical.kinds import AnyDocument, read_document
from canonical.milestone import Milestone
from canonical.operation import Operation
from canonical.order import Order
from canonical.returns import Return
from canonical.settlement import Settlement
from canonical.shipment import Shipment
from canonical.stock import StockPosition
from config.fleet import Fleet
from ledger.documents import DocumentKey, DocumentRow, NewVersion, State
from ledger.events import EventEnd
from routing.classes import class_of_document
from routing.destinations import operation_of, targets_of
from routing.names import Class
from routing.quiet import rests_until as rests
from routing.verdict import digest_of, judge
from tasks.in_force import Rules, where_it_is

_OF_ORDERS: frozenset[Kind] = frozenset({"order", "shipment", "return", "reservation"})


class Draft(Struct, frozen=True):
    """An intended effect before it is enriched."""

    event_id: int
    head: DocumentRow
    document: AnyDocument
    version: int
    target: str
    operation: Operation
    cls: Class
    ruled: Class
    """What the rules make of it; ``cls`` is another one where an operator moved its event."""
    rests_until: datetime | None = None


def order_key_of(document: AnyDocument) -> DocumentKey:
    """Key of the order a document belongs to: what it is written under. What belongs to none is written under itself."""
    if isinstance(document, Milestone):
        return DocumentKey("order", document.of_source, document.order)
    kind = "order" if document.kind in _OF_ORDERS else document.kind
    return DocumentKey(kind, document.source, document.order)


class Written(Struct, frozen=True):
    """A told document as it is kept: with its canonical JSON, and the digest of what that says."""

    document: AnyDocument
    body: str
    digest: str


def written(document: AnyDocument) -> Written:
    """A document with what is kept of it."""
    body = document.model_dump_json()
    return Written(document, body, digest_of(body))


def key_of(document: AnyDocument) -> DocumentKey:
    """A document's own key."""
    return DocumentKey(document.kind, document.source, document.key)


def first_states(told: Iterable[Sequence[Written]]) -> dict[DocumentKey, State]:
    """The states in which orders may be created at once, of the documents that each event of a bundle tells: the first word on
    an order, where its event tells nothing else. No such event is parked or has to wait, so the order is written if it is new.
    """
    states: dict[DocumentKey, State | None] = {}
    for documents in told:
        for one in documents:
            order = one.document if len(documents) == 1 and isinstance(one.document, Order) else None
            state = State(order.number, order.status, order.as_of, one.digest) if order else None
            states.setdefault(key_of(one.document), state)
    return {key: state for key, state in states.items() if state is not None}


class Taken(NamedTuple):
    """A document that was not stale, with its head as it was before. Not ``new``: it says what it said before."""

    head: DocumentRow
    document: AnyDocument
    new: bool


@dataclass(slots=True)
class Plan:
    """What the events of a bundle lead to so far. ``heads`` follow each event, so the next one meets its result."""

    fleet: Fleet
    rules: Rules
    heads: dict[DocumentKey, DocumentRow]
    order_bodies: Mapping[int, str]
    at: datetime
    placed: Mapping[str, tuple[str, ...]]
    """Where orders are that may be elsewhere than the fleet's routes say, by entity."""
    versions: list[NewVersion] = field(default_factory=list)
    touched: dict[int, datetime] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)
    first_told: list[DocumentKey] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    _orders: dict[DocumentKey, Order] = field(default_factory=dict)
    _placed_here: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _moved: dict[int, Class] = field(default_factory=dict)

    def take(self, event_id: int, told_class: str, told: Sequence[Written], moved_to: str | None = None) -> EventEnd:
        """Add one event's documents; returns what its row is set to. ``moved_to``: the class an operator gave the event, which
        is that of its effects.
        """
        if moved_to:
            self._moved[event_id] = cast("Class", moved_to)
        documents = [one.document for one in told]
        early = self._early(documents)
        if early is not None:
            return EventEnd(event_id, "waiting", waits_for=str(early))
        alien = self._alien(documents)
        if alien is not None:
            return EventEnd(event_id, "parked", failure=alien)
        ends = [self._take(event_id, cast("Class", told_class), one) for one in told]
        failure = next((end for end in ends if isinstance(end, Failure)), None)
        if failure is not None:
            return EventEnd(event_id, "parked", failure=failure)
        return EventEnd(event_id, "stale" if ends and all(end == "stale" for end in ends) else "done")

    def news(self) -> Iterator[tuple[DocumentRow, AnyDocument]]:
        """Documents that say something new, each with its head as it was before."""
        return ((one.head, one.document) for one in self.taken if one.new)

    def _early(self, documents: Sequence[AnyDocument]) -> DocumentKey | None:
        """The order a document of this event came before, None if every order is known or told here. Stock waits for no order."""
        told_here = {order_key_of(d) for d in documents if isinstance(d, Order)}
        for document in documents:
            if not isinstance(document, Shipment | Return):
                continue
            key = order_key_of(document)
            if key not in told_here and self.heads[key].version == 0:
                return key
        return None

    def _alien(self, documents: Sequence[AnyDocument]) -> Failure | None:
        """Why a document may not speak of that order or target: a sender tells of what is not its own only where the fleet file
        says so.
        """
        for document in documents:
            if isinstance(document, Count) and self._speaks_for_nobody(document.source):
                return Failure(
                    FailureClass.REJECTED,
                    "count.of_nobody",
                    f"{document.source} tells counts and speaks for no target",
                    f"set speaks_for of sources.{document.source} in fleet.toml, then retry; or have the sender tell none",
                )
            if not isinstance(document, Milestone) or document.of_source == document.source:
                continue
            teller = self.fleet.sources.get(document.source)
            if teller is None or document.of_source not in teller.witness_for:
                return Failure(
                    FailureClass.REJECTED,
                    "milestone.alien",
                    f"{document.source} may not tell milestones of orders of {document.of_source!r}",
                    f"add it to witness_for of sources.{document.source} in fleet.toml, then retry",
                )
        return None

    def _take(self, event_id: int, told_class: Class, told: Written) -> str | Failure:
        document = told.document
        key = key_of(document)
        head = self.heads[key]
        verdict = judge(head.version, head.as_of, head.digest, document.as_of, told.digest)
        if verdict == "stale":
            return "stale"
        if verdict == "same":
            self.taken.append(Taken(head, document, new=False))
            self.touched[head.id] = document.as_of
            self.heads[key] = replace(head, as_of=document.as_of)
            return "same"
        if verdict == "newer" and isinstance(document, Return):
            return Failure(
                FailureClass.REJECTED,
                "return.changed",
                f"return {document.key!r} was told again with other content; the first one stands",
                "correct the difference in the ERP by hand, or cancel and tell a new return",
            )
        self.taken.append(Taken(head, document, new=True))
        self._write(event_id, head, told)
        self._draft(event_id, head, document, told_class, operation_of(document, verdict, head.status))
        return verdict

    def _speaks_for_nobody(self, name: str) -> bool:
        source = self.fleet.sources.get(name)
        return source is None or source.speaks_for is None

    def _write(self, event_id: int, head: DocumentRow, told: Written) -> None:
        document, version = told.document, head.version + 1
        # The new version brings its own moment; an earlier one of the same bundle must not be written over it.
        self.touched.pop(head.id, None)
        status = _status_of(document)
        if head.version == 0 and isinstance(document, Order):
            self.first_told.append(head.key)
        if isinstance(document, Order):
            self._orders[head.key] = document
        self.versions.append(
            NewVersion(head.id, version, event_id, document.number, status, document.as_of, told.digest, told.body)
        )
        self.heads[head.key] = replace(head, version=version, status=status, as_of=document.as_of, digest=told.digest)

    def _draft(
        self, event_id: int, head: DocumentRow, document: AnyDocument, told_class: Class, operation: Operation | None
    ) -> None:
        if operation is None:
            return
        order = self.order_of(document)
        ruled = class_of_document(self.rules.classes, document, order, told_class, self.at)
        cls = self._moved.get(event_id, ruled)
        for target in self._targets(document, order):
            rests_until = rests(self.rules.defer, document.kind, document.source, cls, target, self.at)
            self.drafts.append(Draft(event_id, head, document, head.version + 1, target, operation, cls, ruled, rests_until))

    def _targets(self, document: AnyDocument, order: Order | None) -> tuple[str, ...]:
        """Where a document goes: an order by the sourcing in force, what belongs to an order where that went."""
        rules = self.rules
        placed = self._placed_here.get(entity_of(document)) or self.placed.get(entity_of(document))
        if placed and order is not None:
            return where_it_is(targets_of(rules.routes, document, order), targets_of(rules.routes, order, order), placed)
        targets = targets_of(rules.sourcing, document, order) or targets_of(rules.routes, document, order)
        if isinstance(document, Order):
            self._placed_here[entity_of(document)] = targets
        return targets

    def order_of(self, document: AnyDocument) -> Order | None:
        """The order that a document belongs to, as it was told last; None while it is not known."""
        if isinstance(document, Order):
            return document
        key = order_key_of(document)
        if key not in self._orders:
            body = self.order_bodies.get(self.heads[key].id)
            if body is None:
                return None
            self._orders[key] = cast("Order", read_document(body))
        return self._orders[key]


def entity_of(document: AnyDocument) -> str:
    """The order that a document belongs to, as its deliveries name it."""
    return f"{document.source}/{document.order}"


def order_name_of(document: AnyDocument) -> str:
    """``source/key`` of the order a document belongs to, whoever told the document."""
    return f"{document.of_source}/{document.order}" if isinstance(document, Milestone) else entity_of(document)


def _status_of(document: AnyDocument) -> str:
    """What a document's head shows. A position below zero says so: figures find those few by it."""
    if isinstance(document, StockPosition):
        return "oversold" if document.available < 0 else "told"
    return "told" if isinstance(document, Return | Milestone | Count | Settlement) else document.status


def domain_of(document: AnyDocument) -> str:
    """Domain a document is worked on in."""
    return DOMAIN_OF[document.kind]
