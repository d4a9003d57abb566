"""Remembers what waits, for those who watch: by lane, domain, class and state, with the oldest. Cheap at any backlog.

Nothing is scanned: a cell's rows are counted up to a bound, and its oldest is the first entry of an index.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    Row,
    Select,
    Subquery,
    Table,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from ledger.schema import OPEN_ROWS, PICKABLE_ROWS, attempts, deliveries, events
from ledger.session import Session

MOST_COUNTED = 10_000
"""Rows of one cell that are counted; a cell that shows so many has at least so many."""

PICKABLE = ("ready", "queued", "retrying")
_REMEMBERED = ("claimed", "deferred", "waiting", "parked")
LATEST = 2_000
"""Attempts that are looked at for what happened lately."""
SUCCESSES = ("Done", "AlreadyDone")


@dataclass(frozen=True, slots=True)
class Cell:
    """Rows of one place in one state; ``lane`` is ``orders`` or ``deliver.netsuite``. ``count`` ends at MOST_COUNTED.

    ``oldest_at`` is exact for what waits to be picked; where more than MOST_COUNTED rows are parked or wait behind others, it
    is the oldest of those counted.
    """

    lane: str
    domain: str
    cls: str
    state: str
    count: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Pace:
    """What a target accepted lately: ``done`` deliveries since ``since``."""

    target: str
    done: int
    since: datetime


def of_target(
    session: Session, target: str, domains: Sequence[str], classes: Sequence[str], most: int = MOST_COUNTED
) -> list[Cell]:
    """What waits to be picked for a target."""
    c = deliveries.c
    places = [(d, cls, state) for d in domains for cls in classes for state in PICKABLE]
    queries = []
    for domain, cls, state in places:
        here = (c.target == target, c.domain == domain, c["class"] == cls, is_state(c.state, state), PICKABLE_ROWS)
        queries.append(_cell(select(c.accepted_at).where(*here), c.accepted_at, (domain, cls, state), most))
    return [Cell(f"deliver.{target}", *row) for row in _found(session, queries)]


def of_events(session: Session, domains: Sequence[str], classes: Sequence[str]) -> list[Cell]:
    """Events that wait to be prepared."""
    c = events.c
    queries = []
    for domain, cls in ((d, cls) for d in domains for cls in classes):
        here = (c.domain == domain, c["class"] == cls, is_state(c.state, "accepted"))
        queries.append(_cell(select(c.received_at).where(*here), c.received_at, (domain, cls, "accepted"), MOST_COUNTED))
    return [Cell(row[0], *row) for row in _found(session, queries)]


def remembered(session: Session) -> list[Cell]:
    """Rows that nobody may pick now: claimed, deferred, waiting behind others, parked; as many of each state as are counted."""
    cells = []
    for state in _REMEMBERED:
        rows = session.execute(_grouped(deliveries, ("target", "domain", "class"), "accepted_at", state))
        cells += [Cell(f"deliver.{target}", domain, cls, state, *more) for target, domain, cls, *more in rows]
    for state in ("waiting", "parked"):
        rows = session.execute(_grouped(events, ("domain", "class"), "received_at", state))
        cells += [Cell(domain, domain, cls, state, *more) for domain, cls, *more in rows if domain]
    return cells


def paces(session: Session, since: datetime) -> list[Pace]:
    """Deliveries done by target since then; ``Pace.since`` is later where there were more attempts than are looked at."""
    d = deliveries.c
    latest = latest_attempts()
    query = (
        select(d.target, func.count())
        .join(latest, latest.c.delivery_id == d.id)
        .where(latest.c.ended_at >= since, latest.c.outcome.in_(SUCCESSES))
        .group_by(d.target)
    )
    looked, first = session.execute(select(func.count(), func.min(latest.c.ended_at))).one()
    began = max(since, first) if looked == LATEST else since
    return [Pace(target, done, began) for target, done in session.execute(query)]


def latest_attempts() -> Subquery:
    """The latest attempts of all targets: delivery_id, ended_at, outcome."""
    c = attempts.c
    return select(c.delivery_id, c.ended_at, c.outcome).order_by(c.id.desc()).limit(LATEST).subquery("latest")


def _cell(rows: Select[Any], since: Column[Any], place: Iterable[str], most: int) -> Select[*tuple[Any, ...]]:
    # By order and limit, not by min(): without statistics PostgreSQL takes a cell for one row and reads all of it.
    oldest = rows.order_by(since).limit(1)
    counted = select(func.count()).select_from(rows.limit(most).subquery()).scalar_subquery()
    told: list[Any] = [literal(word) for word in place]
    return select(*told, counted.cast(Integer), oldest.scalar_subquery())


def is_state(column: Column[Any], state: str) -> ColumnElement[bool]:
    """A state, so written that the indexes over some states only are used."""
    # Written into the text: the index holds some states only, and a prepared statement is planned before its values are known.
    # For the same reason its own condition stands beside: SQLite takes an index over some rows only where it meets it again.
    return column == literal_column(f"'{state}'")


def _found(session: Session, queries: Sequence[Select[*tuple[Any, ...]]]) -> list[Row[*tuple[Any, ...]]]:
    return [row for row in session.execute(union_all(*queries)) if row[-1] is not None] if queries else []


def _grouped(table: Table, names: Sequence[str], since: str, state: str) -> Select[*tuple[Any, ...]]:
    columns = [table.c[name] for name in (*names, since)]
    index = [OPEN_ROWS] if state in ("claimed", "deferred") else []
    some = select(*columns).where(is_state(table.c.state, state), *index).limit(MOST_COUNTED).subquery()
    by = [some.c[name] for name in names]
    return select(*by, func.count(), func.min(some.c[since])).group_by(*by)
