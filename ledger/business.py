"""Remembers what is on its way, for business users: orders not at the ERP yet, the backlog by channel and stage, exceptions.

Cheap at any size of the ledger: rows are counted up to a bound, the oldest first, out of indexes over unfinished rows only. A
count that met its bound says so (``more``). A channel is a source of the fleet file.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Integer,
    Numeric,
    Select,
    Subquery,
    case,
    cast,
    func,
    literal,
    select,
    union_all,
)

from canonical.money import in_minor_digits
from ledger.cases import MICROS
from ledger.desk import Rules, overdue_of, owner_of
from ledger.desk_schema import cases
from ledger.schema import OPEN_ROWS, PICKABLE_ROWS, deliveries, events, versions
from ledger.session import Session
from ledger.standing import PICKABLE, is_state

MOST_COUNTED = 5_000
"""Rows of one place (target, domain, class, state) that are counted."""
MOST_VALUED = 500
"""Orders of one place whose money is added up, the oldest first."""

Stage = Literal["accepted", "waiting", "prepared", "deferred", "posting", "retrying", "uncertain", "parked"]
STAGES: tuple[Stage, ...] = get_args(Stage)
CLASSES = ("high", "normal", "low")


@dataclass(frozen=True, slots=True)
class Backlog:
    """What stands in one stage. ``target`` and ``operation`` are empty while nobody has read it yet (an event).

    Stages: *accepted* from the channel and not read yet; *waiting* for a predecessor of the same order; *prepared*, its turn to
    be posted comes; *deferred* to quiet hours; *posting* now; *retrying*, refused for the moment; *uncertain*, the answer was
    lost and it is looked up before it is sent again; *parked*, a person is needed. ``oldest_at``: when the channel told it.
    """

    channel: str
    domain: str
    target: str
    operation: str
    cls: str
    stage: Stage
    count: int
    more: bool
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Pending:
    """Things of one channel, target and class that are not where they shall be. ``parked`` of ``count`` need a person.

    ``target`` is empty for what was told and not read yet: among it may be changes of orders that are at the ERP already.
    """

    channel: str
    target: str
    cls: str
    count: int
    more: bool
    parked: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Money:
    """The totals of ``orders`` orders that wait for the ERP, in one currency; the whole is at least that."""

    channel: str
    target: str
    cls: str
    currency: str
    amount: Decimal
    orders: int


@dataclass(frozen=True, slots=True)
class Owned:
    """Open exceptions of one owner; ``overdue`` of them are past their due time."""

    owner: str
    count: int
    overdue: int
    more: bool
    oldest_at: datetime


def backlog(session: Session, targets: Sequence[str], domains: Sequence[str], *, before: datetime | None = None) -> list[Backlog]:
    """Everything of these domains that is told and not done, by channel, target, class and stage.

    ``before``: only what was told before that moment.
    """
    found: dict[tuple[Any, ...], tuple[int, bool, datetime]] = {}
    for row in session.execute(_all_places(session, targets, domains, before)):
        *place, count, size, oldest_at = tuple(row)
        if place[1] in domains:
            known = found.get(tuple(place), (0, False, oldest_at))
            found[tuple(place)] = (known[0] + count, known[1] or size >= MOST_COUNTED, min(known[2], oldest_at))
    return [Backlog(*whole) for whole in ((*place, *told) for place, told in sorted(found.items()))]


def orders_awaiting_posting(session: Session, targets: Sequence[str]) -> list[Pending]:
    """Orders that were told and are not at the ERP yet; what is parked among them is counted beside."""
    rows = backlog(session, targets, ["orders"])
    return _pending(row for row in rows if row.operation in ("order.create", ""))


def shipments_not_reconciled(session: Session, targets: Sequence[str], told_before: datetime) -> list[Pending]:
    """Shipments told before a moment that the ERP does not know yet."""
    return _pending(backlog(session, targets, ["shipments"], before=told_before))


def refunds_not_in_finance(session: Session, targets: Sequence[str], told_before: datetime) -> list[Pending]:
    """Returns and refunds told before a moment that are not posted at the ERP yet."""
    return _pending(backlog(session, targets, ["returns"], before=told_before))


def reservations_pending(rows: Iterable[Backlog]) -> list[Pending]:
    """Of a backlog: reservations that their target does not have yet, or not as they were told last. What nobody has read yet is
    not among them.
    """
    return _pending(row for row in rows if row.operation in ("reservation.create", "reservation.update"))


def money_awaiting_posting(session: Session, targets: Sequence[str]) -> list[Money]:
    """The totals of orders that await posting, at most MOST_VALUED of each target, class and state, the oldest first."""
    d = deliveries.c
    lite = session.dialect.name == "sqlite"
    mine = select(d.id, d.entity, d.target, d["class"], d.document_id, d.version)
    rows = [
        mine.where(*open_place(target, "orders", cls, state), d.operation == "order.create").order_by(d.accepted_at)
        for target in targets
        for cls in CLASSES
        for state in PICKABLE
    ]
    rows += [mine.where(*where, d.operation == "order.create", d.target.in_(targets)) for where in beside()]
    some = union_all(*(select(row.limit(MOST_VALUED).subquery()) for row in rows)).subquery("awaiting")
    v = versions.c
    told = {"channel": channel_of(some.c.entity, lite=lite), "currency": text_of(v.body, "currency", lite=lite)}
    told["amount"] = _micros(text_of(v.body, "total", lite=lite), lite=lite)
    each = (
        select(some.c.target, some.c["class"], *(column.label(name) for name, column in told.items()))
        .join(versions, (v.document_id == some.c.document_id) & (v.version == some.c.version))
        .subquery()
    )
    by = [each.c[name] for name in ("channel", "target", "class", "currency")]
    query = select(*by, func.sum(each.c.amount), func.count()).group_by(*by)
    return sorted(
        (Money(*row[:4], in_minor_digits(Decimal(row[4]) / MICROS, row[3]), row[5]) for row in session.execute(query)),
        key=lambda one: (one.channel, one.target, one.cls, one.currency),
    )


def exceptions_by_owner(session: Session, rules: Rules, now: datetime) -> list[Owned]:
    """What is on the failure desk by whom it belongs to, with what is past its due time; the most first."""
    c = cases.c
    some = (
        select(owner_of(rules).label("owner"), overdue_of(rules, now).label("late"), c.first_at)
        .where(is_state(c.state, "open"))
        .limit(MOST_COUNTED)
        .subquery()
    )
    late = func.sum(case((some.c.late, 1), else_=0))
    rows = list(session.execute(select(some.c.owner, func.count(), late, func.min(some.c.first_at)).group_by(some.c.owner)))
    more = sum(row[1] for row in rows) >= MOST_COUNTED
    owned = [Owned(row[0], row[1], int(row[2]), more, row[3]) for row in rows]
    return sorted(owned, key=lambda one: (-one.count, one.owner))


def _pending(rows: Iterable[Backlog]) -> list[Pending]:
    merged: dict[tuple[str, str, str], list[Backlog]] = defaultdict(list)
    for row in rows:
        merged[row.channel, row.target, row.cls].append(row)
    return [
        Pending(
            *place,
            sum(row.count for row in some),
            any(row.more for row in some),
            sum(row.count for row in some if row.stage == "parked"),
            min(row.oldest_at for row in some),
        )
        for place, some in sorted(merged.items())
    ]


def _all_places(
    session: Session, targets: Sequence[str], domains: Sequence[str], before: datetime | None
) -> Select[*tuple[Any, ...]] | Any:
    lite = session.dialect.name == "sqlite"
    d, e = deliveries.c, events.c
    of_delivery = select(d.entity, d.domain, d.target, d.operation, d["class"], d.state, d.uncertain, d.accepted_at)
    sent = [
        of_delivery.where(*open_place(target, domain, cls, state)).order_by(d.accepted_at)
        for target in targets
        for domain in domains
        for cls in CLASSES
        for state in PICKABLE
    ]
    sent += [of_delivery.where(*where) for where in beside()]
    of_event = select(e.source, e.domain, e["class"], e.state, e.received_at)
    heard = [
        of_event.where(e.domain == domain, e["class"] == cls, is_state(e.state, "accepted")).order_by(e.received_at)
        for domain in domains
        for cls in CLASSES
    ]
    heard += [of_event.where(is_state(e.state, state)) for state in ("waiting", "parked")]
    if before is not None:
        sent = [row.where(d.accepted_at < before) for row in sent]
        heard = [row.where(e.received_at < before) for row in heard]
    return union_all(
        *(_delivery_groups(row.limit(MOST_COUNTED).subquery(), lite=lite) for row in sent),
        *(_event_groups(row.limit(MOST_COUNTED).subquery()) for row in heard),
    )


def open_place(target: str, domain: str, cls: str, state: str) -> tuple[ColumnElement[bool], ...]:
    """Conditions of the deliveries of one place that may be picked."""
    c = deliveries.c
    return (c.target == target, c.domain == domain, c["class"] == cls, is_state(c.state, state), PICKABLE_ROWS)  # type: ignore[return-value] # its text is a condition


def beside() -> tuple[tuple[Any, ...], ...]:
    """Deliveries that nobody may pick now: claimed, deferred to quiet hours, waiting behind others, parked."""
    c = deliveries.c
    held = tuple((is_state(c.state, state), OPEN_ROWS) for state in ("claimed", "deferred"))
    return (*held, (is_state(c.state, "waiting"),), (is_state(c.state, "parked"),))


def _delivery_groups(some: Subquery, *, lite: bool) -> Select[*tuple[Any, ...]]:
    # Named first, grouped after: an expression that holds parameters is another one each time PostgreSQL meets it.
    told = (some.c.domain, some.c.target, some.c.operation, some.c["class"], stage_of(some).label("stage"), some.c.accepted_at)
    each = select(channel_of(some.c.entity, lite=lite).label("channel"), *told).subquery()
    by = [each.c[name] for name in ("channel", "domain", "target", "operation", "class", "stage")]
    size = select(func.count()).select_from(some).scalar_subquery()
    return select(*by, func.count(), size.cast(Integer), func.min(each.c.accepted_at)).group_by(*by)


def stage_of(some: Subquery) -> ColumnElement[str]:
    """The stage that a delivery stands in."""
    return case(
        (some.c.state == "claimed", "posting"),
        (some.c.state == "deferred", "deferred"),
        (some.c.state == "waiting", "waiting"),
        (some.c.state == "parked", "parked"),
        (some.c.uncertain, "uncertain"),
        (some.c.state == "retrying", "retrying"),
        else_="prepared",
    )


def _event_groups(some: Subquery) -> Select[*tuple[Any, ...]]:
    size = select(func.count()).select_from(some).scalar_subquery()
    by = (some.c.source, some.c.domain, literal(""), literal(""), some.c["class"], some.c.state)
    told = (func.count(), size.cast(Integer), func.min(some.c.received_at))
    return select(*by, *told).group_by(some.c.source, some.c.domain, some.c["class"], some.c.state)


def channel_of(entity: ColumnElement[Any], *, lite: bool) -> ColumnElement[str]:
    """``shopify`` of ``shopify/1001``: the source of the order that a delivery belongs to."""
    return func.substr(entity, 1, func.instr(entity, "/") - 1) if lite else func.split_part(entity, "/", 1)


def text_of(body: ColumnElement[Any], name: str, *, lite: bool) -> ColumnElement[str]:
    """What a document's stored JSON says in one of its own fields."""
    return func.json_extract(body, f"$.{name}") if lite else func.json_extract_path_text(cast(body, JSON), name)


def _micros(text: ColumnElement[str], *, lite: bool) -> ColumnElement[Any]:
    """An amount in millionths, a whole number: SQLite would add up amounts as binary fractions."""
    if lite:
        return cast(func.round(cast(text, Numeric) * MICROS), BigInteger)
    return cast(cast(text, Numeric) * MICROS, BigInteger)
