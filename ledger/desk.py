"""Remembers the failure desk for readers: what is parked, in groups, who it belongs to and until when. Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, String, and_, case, func, literal, or_, select, true

from canonical.failure import OWNER_OF
from canonical.money import in_minor_digits
from config.fleet import DeskRule
from ledger.cases import MICROS
from ledger.desk_schema import cases
from ledger.failures import FailureKey
from ledger.schema import attempts, deliveries, documents, events
from ledger.session import Session

Dimension = Literal["cause", "target", "operation", "source", "owner"]
Rules = Sequence[DeskRule]
NOBODY = "operations"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases: every condition given must hold. ``since`` and ``until`` bound when it failed last."""

    cls: str | None = None
    code: str | None = None
    target: str | None = None
    source: str | None = None
    operation: str | None = None
    owner: str | None = None
    group: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    overdue: bool = False
    archived: bool = False
    keys: tuple[str, ...] = ()

    def words(self) -> dict[str, object]:
        """The conditions given, as plain data for a job's row and for people."""
        plain = {name: value for name, value in asdict(self).items() if value}
        return {n: v.isoformat() if isinstance(v, datetime) else list(v) if isinstance(v, tuple) else v for n, v in plain.items()}

    @classmethod
    def of_words(cls, words: Mapping[str, Any]) -> "Filter":
        """The filter that ``words`` gave; unknown names are left out."""
        known = {field.name for field in fields(cls)}
        made = cls(**{n: v for n, v in words.items() if n in known and n not in ("since", "until", "keys")})
        since, until = (datetime.fromisoformat(words[n]) if n in words else None for n in ("since", "until"))
        return replace(made, keys=tuple(words.get("keys", ())), since=since, until=until)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing on the desk. ``times``: how often it came here; ``group``: the fingerprint of its cause."""

    key: FailureKey
    cls: str
    code: str
    reason: str
    remedy: str
    where: str
    what: str
    failed_at: datetime
    owner: str
    due_at: datetime | None
    first_at: datetime
    times: int
    group: str
    cause: str
    source: str
    state: str
    uncertain: bool
    total: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that are alike in the dimensions asked for (the others are empty), with the orders and the money they touch."""

    group: str
    cls: str
    code: str
    cause: str
    target: str
    operation: str
    source: str
    owner: str
    count: int
    orders: int
    money: Mapping[str, Decimal]
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Trying:
    """A technical failure that is being retried: how often it was tried, what the last answer was, when it goes on."""

    key: FailureKey
    target: str
    operation: str
    business_key: str
    source: str
    attempts: int
    outcome: str
    detail: str
    tried_at: datetime
    due_at: datetime | None
    uncertain: bool


def listed(session: Session, rules: Rules, wanted: Filter, now: datetime, most: int, *, any_state: bool = False) -> list[Case]:
    """Cases, newest failure first; ``any_state`` shows archived ones beside the open."""
    c, d, e = cases.c, deliveries.c, events.c
    query = (
        select(
            c.stage, c.row_id, c["class"], c.code, func.coalesce(d.failure_reason, e.failure_reason, c.cause),
            func.coalesce(d.failure_remedy, e.failure_remedy, "find out who published it; nothing of ours was in it"),
            case((c.target != "", c.target), else_=c.source),
            case((c.stage == "delivery", c.operation + " " + c.business_key), else_=c.operation),
            c.last_at, owner_of(rules), c.due_at, _due_s(rules), c.first_at, c.times, c.fingerprint, c.cause, c.source, c.state,
            func.coalesce(d.uncertain, False), c.currency, c.amount_micros,
        )
        .outerjoin(deliveries, and_(c.stage == "delivery", d.id == c.row_id))
        .outerjoin(events, and_(c.stage == "event", e.id == c.row_id))
        .where(matching(rules, wanted, now, any_state=any_state))
        .order_by(c.last_at.desc(), c.stage, c.row_id.desc())
        .limit(most)
    )  # fmt: skip
    return [_case(tuple(row)) for row in session.execute(query)]


def keys_of(session: Session, rules: Rules, wanted: Filter, now: datetime) -> list[FailureKey]:
    """Keys of all cases that meet the filter, by stage and number."""
    c = cases.c
    query = select(c.stage, c.row_id).where(matching(rules, wanted, now)).order_by(c.stage, c.row_id)
    return [FailureKey(stage, row_id) for stage, row_id in session.execute(query)]


def groups(session: Session, rules: Rules, wanted: Filter, now: datetime, by: Sequence[Dimension], most: int) -> list[Group]:
    """Groups, the largest first. An order that is touched twice in a group counts once, and so does its money."""
    c = cases.c
    shown = {
        "group": c.fingerprint if "cause" in by else literal("", String),
        "cls": c["class"] if "cause" in by else literal("", String),
        "code": c.code if "cause" in by else literal("", String),
        "cause": c.cause if "cause" in by else literal("", String),
        "target": c.target if "target" in by else literal("", String),
        "operation": c.operation if "operation" in by else literal("", String),
        "source": c.source if "source" in by else literal("", String),
        "owner": owner_of(rules) if "owner" in by else literal("", String),
    }
    own = (column.label(name) for name, column in shown.items())
    met = matching(rules, wanted, now)
    each = select(*own, c.entity, c.currency, c.first_at, c.last_at, c.amount_micros).where(met).subquery("each")
    alike = (*(each.c[name] for name in shown), each.c.entity, each.c.currency)
    one = (
        select(
            *alike, func.count().label("n"), func.min(each.c.first_at).label("first_at"),
            func.max(each.c.last_at).label("last_at"), func.max(each.c.amount_micros).label("amount"),
        )
        .group_by(*alike)
        .subquery("by_order")
    )  # fmt: skip
    keys = [one.c[name] for name in shown]
    whole = select(
        *keys, one.c.currency, func.sum(one.c.n), func.count(one.c.entity), func.min(one.c.first_at), func.max(one.c.last_at),
        func.sum(one.c.amount),
    ).group_by(*keys, one.c.currency)  # fmt: skip
    merged: dict[tuple[Any, ...], Group] = {}
    for row in session.execute(whole):
        told = tuple(row)
        key, (currency, count, orders, first_at, last_at, amount) = told[:8], told[8:]
        money = {currency: _units(amount, currency)} if currency else {}
        whole_group = (*key, int(count), int(orders), money, first_at, last_at)
        new = Group(*whole_group)
        merged[key] = _joined(merged[key], new) if key in merged else new
    return sorted(merged.values(), key=lambda group: (-group.count, group.last_at))[:most]


def totals(session: Session, rules: Rules, wanted: Filter, now: datetime) -> Group | None:
    """All that a filter meets as one group; None if that is nothing."""
    found = groups(session, rules, wanted, now, (), 1)
    return found[0] if found else None


def matching(rules: Rules, wanted: Filter, now: datetime, *, any_state: bool = False) -> ColumnElement[bool]:
    """The filter as a condition on cases."""
    c = cases.c
    state = "archived" if wanted.archived else "open"
    met: list[ColumnElement[bool]] = [c.state != "closed" if any_state else c.state == state]
    plain = {"class": wanted.cls, "target": wanted.target, "source": wanted.source, "fingerprint": wanted.group}
    met += [c[name] == value for name, value in plain.items() if value]
    met += [_like(c[name], value) for name, value in (("code", wanted.code), ("operation", wanted.operation)) if value]
    if wanted.owner:
        met.append(owner_of(rules) == wanted.owner)
    if wanted.since:
        met.append(c.last_at >= wanted.since)
    if wanted.until:
        met.append(c.last_at < wanted.until)
    if wanted.text:
        met.append(or_(*(column.icontains(wanted.text, autoescape=True) for column in (c.cause, c.code, c.business_key))))
    if wanted.overdue:
        met.append(overdue_of(rules, now))
    if wanted.keys:
        met.append(_among([FailureKey.read(key) for key in wanted.keys]))
    return and_(true(), *met)


def retrying(session: Session, target: str | None, most: int) -> list[Trying]:
    """Deliveries that are retried by themselves, with the last outcome; the oldest first."""
    d, a = deliveries.c, attempts.c
    tried = attempts.alias("tried").c
    last = select(func.max(tried.id)).where(tried.delivery_id == d.id).scalar_subquery()
    query = (
        select(
            d.id, d.target, d.operation, d.business_key, documents.c.source, d.attempts, a.outcome, a.detail, a.ended_at,
            d.due_at, d.uncertain,
        )
        .join(documents, documents.c.id == d.document_id)
        .outerjoin(attempts, a.id == last)
        .where(d.state == "retrying")
        .order_by(d.id)
        .limit(most)
    )  # fmt: skip
    if target:
        query = query.where(d.target == target)
    return [Trying(FailureKey("delivery", row[0]), *row[1:]) for row in session.execute(query)]


def _among(keys: Sequence[FailureKey]) -> ColumnElement[bool]:
    c = cases.c
    stages = {key.stage for key in keys}
    return or_(*(and_(c.stage == stage, c.row_id.in_([k.id for k in keys if k.stage == stage])) for stage in sorted(stages)))


def owner_of(rules: Rules) -> ColumnElement[str]:
    """Who a case belongs to: the hand that took it, else the first rule it meets, else the class's own owner."""
    c = cases.c
    ways = [(_meets(rule), literal(rule.owner)) for rule in rules]
    ways += [(c["class"] == cls.value, literal(owner)) for cls, owner in OWNER_OF.items()]
    return func.coalesce(c.assigned_to, case(*ways, else_=NOBODY))


def _due_s(rules: Rules) -> ColumnElement[Any]:
    ways = [(_meets(rule), literal(rule.due_s)) for rule in rules]
    return case(*ways, else_=None) if ways else literal(None)


def overdue_of(rules: Rules, now: datetime) -> ColumnElement[bool]:
    """Whether a case is past its due time: the one a person set, else the one of the first rule it meets."""
    c = cases.c
    ways = [
        (_meets(rule), c.last_at < now - timedelta(seconds=rule.due_s) if rule.due_s else literal(value=False)) for rule in rules
    ]
    ruled = case(*ways, else_=literal(value=False)) if ways else literal(value=False)
    return or_(c.due_at < now, and_(c.due_at.is_(None), ruled))


def _meets(rule: DeskRule) -> ColumnElement[bool]:
    c = cases.c
    met: list[ColumnElement[bool]] = [c["class"] == rule.cls] if rule.cls else []
    words = (("code", rule.code), ("target", rule.target), ("source", rule.source))
    met += [_like(c[name], word) for name, word in words if word != "*"]
    return and_(true(), *met)


def _like(column: Column[Any], word: str) -> ColumnElement[bool]:
    """A word, or its beginning with ``*`` at the end."""
    return column.startswith(word[:-1], autoescape=True) if word.endswith("*") else column == word


def _case(row: tuple[Any, ...]) -> Case:
    due_at, due_s = row[10:12]
    uncertain, currency, amount = row[18:]
    if due_at is None and due_s is not None:
        due_at = row[8] + timedelta(seconds=due_s)
    total = f"{_units(amount, currency)} {currency}" if currency else None
    told = (FailureKey(row[0], row[1]), *row[2:10], due_at, *row[12:18], bool(uncertain), total)
    return Case(*told)


def _units(micros: int | Decimal | None, currency: str) -> Decimal:
    return in_minor_digits(Decimal(micros or 0) / MICROS, currency)


def _joined(one: Group, other: Group) -> Group:
    return replace(
        one,
        count=one.count + other.count,
        orders=one.orders + other.orders,
        money={**one.money, **other.money},
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
    )
