"""Remembers which rows stand in the queues, for those who move them: chosen by conditions, in bounded batches, locked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Select, and_, case, func, literal, literal_column, or_, select, true

from canonical.document import DOMAIN_OF
from ledger.documents import body_of_its_order
from ledger.schema import OPEN_ROWS, deliveries, documents, events, versions
from ledger.session import Session

RowStage = Literal["event", "delivery"]
PLACES: tuple[tuple[RowStage, str], ...] = (
    ("event", "accepted"),
    ("event", "waiting"),
    ("delivery", "ready"),
    ("delivery", "queued"),
    ("delivery", "retrying"),
    ("delivery", "waiting"),
    ("delivery", "deferred"),
)
"""Where a row can stand: its stage and its state. What is claimed is under way; what is parked is the failure desk's."""

_MOMENTS, _AMOUNTS = ("accepted_before", "accepted_after", "promised_before"), ("total_at_least", "total_below")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows: every condition given must hold. ``lane`` is ``orders`` or ``deliver.TARGET``, ``kind`` a document's;
    ``keys`` name orders or documents by key or number, or events by the sender's event id or the key of the order that they wait
    for.

    ``total_at_least``, ``total_below``, ``promised_before``, ``customer_tier`` and ``shipping_method`` (a part of it) are of the
    order that the row belongs to.
    """

    lane: str | None = None
    source: str | None = None
    kind: str | None = None
    cls: str | None = None
    accepted_before: datetime | None = None
    accepted_after: datetime | None = None
    total_at_least: Decimal | None = None
    total_below: Decimal | None = None
    shipping_method: str | None = None
    promised_before: datetime | None = None
    customer_tier: str | None = None
    keys: tuple[str, ...] = ()

    @property
    def of_content(self) -> bool:
        """Whether the documents must be read to know."""
        told = (self.total_at_least, self.total_below, self.shipping_method, self.promised_before, self.customer_tier)
        return any(one is not None for one in told)

    def words(self) -> dict[str, object]:
        """The conditions given, as plain data."""
        plain = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        return {name: list(value) if isinstance(value, tuple) else _plain(value) for name, value in plain.items()}

    @classmethod
    def of_words(cls, words: Mapping[str, Any]) -> "Filter":
        """The filter that ``words`` gave; unknown names are left out."""
        known = {field.name for field in fields(cls)}
        told: dict[str, Any] = {name: value for name, value in words.items() if name in known}
        told |= {name: datetime.fromisoformat(told[name]) for name in _MOMENTS if name in told}
        told |= {name: Decimal(told[name]) for name in _AMOUNTS if name in told}
        return cls(**told | {"keys": tuple(told.get("keys", ()))})


@dataclass(frozen=True, slots=True)
class Standing:
    """A row that stands somewhere. ``body`` and what follows only where content was asked for: of an event as it came, of a
    delivery its document's JSON, with its order's unless it is one.
    """

    stage: RowStage
    id: int
    lane: str
    domain: str
    cls: str
    state: str
    moved_to: str | None = None
    body: bytes | str = ""
    order_body: str | None = None
    source: str = ""
    topic: str = ""
    headers: Mapping[str, str] | None = None
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """How many rows of one lane, domain and class stand in one state."""

    lane: str
    domain: str
    cls: str
    state: str
    count: int


def newest_ids(session: Session) -> dict[RowStage, int]:
    """The newest row of each stage: what comes later is not meant by who moves what stands now."""
    newest = {"event": events.c.id, "delivery": deliveries.c.id}
    found = {stage: session.execute(select(func.max(column))).scalar_one() or 0 for stage, column in newest.items()}
    return {"event": found["event"], "delivery": found["delivery"]}


def counted(session: Session, wanted: Filter, besides: str) -> list[Place]:
    """Rows that a filter meets and that are not of class ``besides``, by place. Not for filters of content."""
    places = []
    for stage, state in PLACES:
        if not _can_stand(wanted, stage):
            continue
        lane, domain, cls = _where(stage)
        query = select(lane, domain, cls, literal(state), func.count()).where(_meets(wanted, stage, state, besides))
        places += [Place(*row) for row in session.execute(query.group_by(lane, domain, cls))]
    return places


def batch(
    session: Session, wanted: Filter, place: tuple[RowStage, str], besides: str, ids: tuple[int, int], most: int, *, lock: bool
) -> list[Standing]:
    """The next rows of a place that a filter meets by what the ledger's columns say, with ids above ``ids[0]`` up to ``ids[1]``.

    ``lock``: rows that another transaction holds are left out; they are being worked on, or written again in a moment.
    """
    stage, state = place
    if not _can_stand(wanted, stage):
        return []
    table = events if stage == "event" else deliveries
    query = _events(wanted) if stage == "event" else _deliveries(wanted)
    query = query.where(_meets(wanted, stage, state, besides), table.c.id > ids[0], table.c.id <= ids[1])
    query = query.order_by(table.c.id).limit(most)
    if lock:
        query = query.with_for_update(of=table, skip_locked=True)
    rows = session.execute(query)
    return [Standing(stage, *row) for row in rows]


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _can_stand(wanted: Filter, stage: RowStage) -> bool:
    return wanted.lane is None or wanted.lane.startswith("deliver.") == (stage == "delivery")


def _where(stage: RowStage) -> tuple[ColumnElement[Any], Column[Any], Column[Any]]:
    if stage == "event":
        return events.c.domain.label("lane"), events.c.domain, events.c["class"]
    return (literal("deliver.") + deliveries.c.target).label("lane"), deliveries.c.domain, deliveries.c["class"]


def _meets(wanted: Filter, stage: RowStage, state: str, besides: str) -> ColumnElement[bool]:
    table = events if stage == "event" else deliveries
    c = table.c
    # Written out, with the index's own condition beside it: see ledger/standing.py.
    met: list[ColumnElement[bool]] = [c.state == literal_column(f"'{state}'"), c["class"] != besides]
    if stage == "delivery" and state != "waiting":
        own_index: ColumnElement[bool] = literal_column(str(OPEN_ROWS))
        met.append(own_index)
    came_at = c.received_at if stage == "event" else c.accepted_at
    met += [c["class"] == wanted.cls] if wanted.cls else []
    met += _of_kind(wanted.kind, stage) if wanted.kind else []
    met += [came_at < wanted.accepted_before] if wanted.accepted_before else []
    met += [came_at >= wanted.accepted_after] if wanted.accepted_after else []
    own = _of_events(wanted) if stage == "event" else _of_deliveries(wanted)
    return and_(true(), *met, *own)


def _of_kind(kind: str, stage: RowStage) -> list[ColumnElement[bool]]:
    """Rows of a kind of document: by domain, and where several kinds share one by what is to be done, or by the event's topic."""
    domain = next((its for known, its in DOMAIN_OF.items() if known == kind), kind)
    table = events if stage == "event" else deliveries
    met: list[ColumnElement[bool]] = [table.c.domain == domain]
    if sum(its == domain for its in DOMAIN_OF.values()) > 1:
        named = events.c.topic if stage == "event" else deliveries.c.operation
        met.append(named.startswith(f"{kind}.", autoescape=True))
    return met


def _of_events(wanted: Filter) -> list[ColumnElement[bool]]:
    c = events.c
    met: list[ColumnElement[bool]] = [c.domain == wanted.lane] if wanted.lane else []
    met += [c.source == wanted.source] if wanted.source else []
    if wanted.keys:
        # Of an event that came before its order no more is known here than which order it is; see tasks/decide.py.
        orders = [literal("order/") + c.source + f"/{key}" for key in wanted.keys]
        met.append(or_(c.event_key.in_(wanted.keys), c.waits_for.in_(orders)))
    return met


def _of_deliveries(wanted: Filter) -> list[ColumnElement[bool]]:
    c, h = deliveries.c, documents.c
    met: list[ColumnElement[bool]] = [c.target == wanted.lane.removeprefix("deliver.")] if wanted.lane else []
    met += [c.entity.startswith(f"{wanted.source}/", autoescape=True)] if wanted.source else []
    if wanted.keys:
        named = or_(h.order_key.in_(wanted.keys), h.key.in_(wanted.keys), h.number.in_(wanted.keys))
        met.append(or_(c.business_key.in_(wanted.keys), select(h.id).where(h.id == c.document_id, named).exists()))
    return met


def _events(wanted: Filter) -> Select[*tuple[Any, ...]]:
    c = events.c
    shown: list[Any] = [c.id, *_where("event"), c.state, c.moved_to]
    if wanted.of_content:
        shown += [c.body, literal(None), c.source, c.topic, c.headers, c.received_at]
    return select(*shown)


def _deliveries(wanted: Filter) -> Select[*tuple[Any, ...]]:
    c, heads = deliveries.c, documents.c
    query = select(c.id, *_where("delivery"), c.state)
    if not wanted.of_content:
        return query
    other = case((heads.kind != "order", body_of_its_order()), else_=None)
    query = query.add_columns(literal(None).label("moved_to"), versions.c.body, other.label("order_body"))
    query = query.join(documents, heads.id == c.document_id)
    return query.join(versions, and_(versions.c.document_id == c.document_id, versions.c.version == c.version))
