"""Remembers what operators set at run time: weights, pauses. Workers read it once a second, not by broadcast."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select, text
from sqlalchemy.dialects import postgresql, sqlite

from ledger.schema import controls
from ledger.session import Session

_LOCK = 727274006
"""One at a time changes what it read before, on PostgreSQL; on SQLite there is one writer anyway."""


def lock(session: Session) -> None:
    """Have those who change what they read wait for each other until this transaction's end."""
    if session.dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def put(session: Session, name: str, value: Mapping[str, object], now: datetime) -> None:
    """Set a control; the newest value wins."""
    insert = (postgresql.insert if session.dialect.name == "postgresql" else sqlite.insert)(controls)
    statement = insert.values(name=name, value=dict(value), updated_at=now).on_conflict_do_update(
        index_elements=["name"], set_={"value": insert.excluded.value, "updated_at": insert.excluded.updated_at}
    )
    session.execute(statement)


def remove(session: Session, name: str) -> bool:
    """Take a control back; False if it was not set."""
    return session.execute(delete(controls).where(controls.c.name == name)).rowcount > 0


def some(session: Session, names: Sequence[str]) -> dict[str, dict[str, object]]:
    """Those of these controls that are in force, by name."""
    query = select(controls.c.name, controls.c.value).where(controls.c.name.in_(names))
    return {row.name: dict(row.value) for row in session.execute(query)}


def read_all(session: Session) -> dict[str, dict[str, object]]:
    """Every control in force, by name."""
    return {row.name: dict(row.value) for row in session.execute(select(controls.c.name, controls.c.value))}
