"""Remembers moves: rows put into another class by hand, what each was before, and what of it was taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.deliveries import Ready
from ledger.delivery_statements import ready_columns
from ledger.events import Waiting
from ledger.move_schema import move_items, moves
from ledger.rows import CLASSES
from ledger.schema import deliveries, events
from ledger.session import Session
from ledger.standing_rows import PLACES, Filter, RowStage, Standing

STANDING: dict[RowStage, tuple[str, ...]] = {
    "event": tuple(state for stage, state in PLACES if stage == "event"),
    "delivery": tuple(state for stage, state in PLACES if stage == "delivery"),
}


@dataclass(frozen=True, slots=True)
class Move:
    """One move as it stands. ``state`` is running, done, undoing or undone; ``back`` of ``moved`` rows were taken back."""

    id: int
    state: str
    filter: Mapping[str, object]
    cls: str
    by: str
    why: str
    moved: int
    back: int
    at: datetime
    ended_at: datetime | None
    undone_at: datetime | None


@dataclass(frozen=True, slots=True)
class Item:
    """A row of a move, and what it was before."""

    stage: RowStage
    row_id: int
    cls: str
    moved_to: str | None


@dataclass(frozen=True, slots=True)
class Made:
    """An effect that a moved event led to; ``cls`` is what the rules would have made of it."""

    event_id: int
    document_id: int
    version: int
    target: str
    operation: str
    cls: str


@dataclass(slots=True)
class Freed:
    """Rows that need a message in their new class: at once, at their due time, or to be prepared."""

    ready: list[Ready] = field(default_factory=list)
    due: list[tuple[Ready, datetime | None]] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)


def begin(session: Session, wanted: Filter, cls: str, by: str, why: str, until: Mapping[RowStage, int], now: datetime) -> int:
    """Write a move that is about to be made; returns its id."""
    values = {
        "state": "running", "filter": wanted.words(), "class": cls, "by_whom": by[:120], "why": why, "moved": 0, "back": 0,
        "events_until": until["event"], "deliveries_until": until["delivery"], "at": now,
    }  # fmt: skip
    return int(session.execute(moves.insert().values(**values).returning(moves.c.id)).scalar_one())


def find(session: Session, move_id: int) -> Move | None:
    """One move."""
    row = session.execute(_query().where(moves.c.id == move_id)).first()
    return Move(*row) if row else None


def listed(session: Session, most: int) -> list[Move]:
    """Moves, newest first."""
    return [Move(*row) for row in session.execute(_query().order_by(moves.c.id.desc()).limit(most))]


def end(session: Session, move_id: int, state: str, now: datetime) -> None:
    """Say that a move, or its undoing, is over."""
    which = "ended_at" if state == "done" else "undone_at"
    session.execute(update(moves).where(moves.c.id == move_id).values({"state": state, which: now}))


def take_back(session: Session, move_id: int) -> bool:
    """Say that a move is being undone; False if it is undone already."""
    begun = update(moves).where(moves.c.id == move_id, moves.c.state != "undone").values(state="undoing")
    return session.execute(begun).rowcount > 0


def move(session: Session, move_id: int, rows: Sequence[Standing], cls: str) -> Freed:
    """Put locked rows into a class and note what they were; returns what needs a message there."""
    items = [
        {"move_id": move_id, "stage": r.stage, "row_id": r.id, "class_before": r.cls, "moved_to_before": r.moved_to,
         "state": "moved"}
        for r in rows
    ]  # fmt: skip
    if not items:
        return Freed()
    _note(session, items)
    session.execute(update(moves).where(moves.c.id == move_id).values(moved=moves.c.moved + len(items)))
    return _reclass(session, rows, cls, cls)


def follow(session: Session, made: Sequence[Made]) -> None:
    """Have effects of moved events belong to the newest move of their event."""
    d, i = deliveries.c, move_items.c
    for one in made:
        newest = select(func.max(i.move_id)).where(i.stage == "event", i.row_id == one.event_id, i.state == "moved")
        move_id = session.execute(newest).scalar_one()
        same = (d.document_id == one.document_id, d.version == one.version, d.target == one.target)
        row_id = session.execute(select(d.id).where(*same, d.operation == one.operation)).scalar_one_or_none()
        if move_id is None or row_id is None:
            continue
        item = {"move_id": move_id, "stage": "delivery", "row_id": row_id, "class_before": one.cls, "state": "moved"}
        _note(session, [item | {"moved_to_before": None}])


def items(session: Session, move_id: int, stage: RowStage, after_id: int, most: int) -> list[Item]:
    """The next rows of a move that were not taken back yet."""
    c = move_items.c
    query = select(c.stage, c.row_id, c.class_before, c.moved_to_before)
    query = query.where(c.move_id == move_id, c.stage == stage, c.state == "moved", c.row_id > after_id)
    return [Item(*row) for row in session.execute(query.order_by(c.row_id).limit(most))]


def standing(session: Session, move_id: int) -> tuple[int, int]:
    """How many rows of a move still stand in a queue, and how many it has in all."""
    i, all_rows, still = move_items.c, 0, 0
    tables: tuple[tuple[RowStage, Table], ...] = (("event", events), ("delivery", deliveries))
    for stage, table in tables:
        mine = select(i.row_id).where(i.move_id == move_id, i.stage == stage)
        all_rows += session.execute(select(func.count()).select_from(mine.subquery())).scalar_one()
        here = select(func.count()).select_from(table).where(table.c.id.in_(mine), table.c.state.in_(STANDING[stage]))
        still += session.execute(here).scalar_one()
    return still, all_rows


def restore(session: Session, move_id: int, given: Sequence[Item], cls: str) -> tuple[int, Freed]:
    """Give rows of a move, all of one stage, the class that each had, if they still stand in ``cls`` and nobody holds them now.

    Returns how many, and what needs a message.
    """
    freed, back = Freed(), 0
    before = {item.row_id: item for item in given}
    if not before:
        return 0, freed
    stage = given[0].stage
    table = events if stage == "event" else deliveries
    c = table.c
    held = select(c.id, c.domain, c["class"], c.state).where(c.id.in_(before), c.state.in_(STANDING[stage]), c["class"] == cls)
    locked = session.execute(held.order_by(c.id).with_for_update(skip_locked=True)).all()
    rows = [Standing(stage, row[0], "", row[1], row[2], row[3]) for row in locked]
    for once in {(before[row.id].cls, before[row.id].moved_to) for row in rows}:
        some = [row for row in rows if (before[row.id].cls, before[row.id].moved_to) == once]
        _join(freed, _reclass(session, some, once[0], once[1]))
        back += len(some)
    i = move_items.c
    mine = update(move_items).where(i.move_id == move_id, i.stage == stage, i.row_id.in_([row.id for row in rows]))
    session.execute(mine.values(state="back"))
    session.execute(update(moves).where(moves.c.id == move_id).values(back=moves.c.back + back))
    return back, freed


def _reclass(session: Session, rows: Sequence[Standing], cls: str, moved_to: str | None) -> Freed:
    """Moved up, a row gets a message in its new class; moved down, the message it has is passed on when it is met."""
    rank = CLASSES.index
    freed = Freed()
    for stage in ("event", "delivery"):
        here = [row for row in rows if row.stage == stage]
        up = [row.id for row in here if rank(cls) < rank(row.cls)]
        down = [row.id for row in here if rank(cls) >= rank(row.cls)]
        _join(freed, _reclass_events(session, up, down, cls, moved_to) if stage == "event" else
              _reclass_deliveries(session, up, down, cls))  # fmt: skip
    return freed


def _reclass_events(session: Session, up: list[int], down: list[int], cls: str, moved_to: str | None) -> Freed:
    c = events.c
    freed = Freed()
    if down:
        session.execute(update(events).where(c.id.in_(down)).values({"class": cls, "moved_to": moved_to}))
    if up:
        values = {"class": cls, "moved_to": moved_to, "published_at": None}
        raised = update(events).where(c.id.in_(up)).values(values)
        for row in session.execute(raised.returning(c.id, c.domain, c["class"], c.received_at, c.state)):
            if row.state == "accepted":
                freed.waiting.append(Waiting(*tuple(row)[:-1]))
    return freed


def _reclass_deliveries(session: Session, up: list[int], down: list[int], cls: str) -> Freed:
    c = deliveries.c
    freed = Freed()
    if down:
        session.execute(update(deliveries).where(c.id.in_(down)).values({"class": cls}))
    if up:
        values = {"class": cls, "published_at": None, "state": case((c.state == "queued", "ready"), else_=c.state)}
        raised = update(deliveries).where(c.id.in_(up), c.state.in_(STANDING["delivery"])).values(values)
        for row in session.execute(raised.returning(*ready_columns(), c.state, c.due_at)):
            *told, state, due_at = row
            if state == "ready":
                freed.ready.append(Ready(*told))
            elif state == "retrying":
                freed.due.append((Ready(*told), due_at))
    return freed


def _note(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    insert = (postgresql.insert if session.dialect.name == "postgresql" else sqlite.insert)(move_items)
    session.execute(insert.on_conflict_do_nothing(index_elements=["move_id", "stage", "row_id"]), rows)


def _join(whole: Freed, more: Freed) -> None:
    whole.ready += more.ready
    whole.due += more.due
    whole.waiting += more.waiting


def _query() -> Select[*tuple[Any, ...]]:
    c = moves.c
    return select(
        c.id, c.state, c.filter, c["class"], c.by_whom, c.why, c.moved, c.back, c.at, c.ended_at, c.undone_at
    )  # fmt: skip
