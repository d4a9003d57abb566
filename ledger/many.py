"""Remembers many rows by one statement: PostgreSQL takes every column as one array, SQLite takes row after row.

A statement that does not depend on how many rows there are is compiled once, parsed once and prepared once.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Executable,
    Row,
    Table,
    TableValuedAlias,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    column,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ledger.session import Session

POSTGRESQL = "postgresql"

Values = Mapping[str, object]
"""One row: column names and their values; all rows of one call name the same columns."""


def insert(
    session: Session, table: Table, rows: Sequence[Values], *, once: tuple[str, ...] = (), returning: tuple[str, ...] = ()
) -> Sequence[Row[Any]]:
    """Insert the rows in their order. ``once``: a row that meets another with the same values there is left out;
    ``returning`` names columns of the inserted ones.
    """
    if not rows:
        return []
    names = tuple(rows[0])
    if session.dialect.name == POSTGRESQL:
        found = session.execute(_insert_arrays(table, names, once, returning), _arrays(table, names, rows))
    else:
        found = session.execute(_insert_each(table, once, returning), [dict(row) for row in rows])
    return found.all() if returning else []


def change(
    session: Session, table: Table, rows: Sequence[Values], *, by: tuple[str, ...], alike: Values = MappingProxyType({})
) -> None:
    """Set the rows' values, and those ``alike`` for all, where the columns ``by`` are as the row says; a row that is met
    nowhere changes nothing.
    """
    if not rows:
        return
    names = tuple(rows[0])
    shared = {f"alike_{name}": value for name, value in alike.items()}
    if session.dialect.name == POSTGRESQL:
        session.execute(_change_arrays(table, names, by, tuple(alike)), _arrays(table, names, rows) | shared)
    else:
        each = [{f"its_{name}": row[name] for name in names} | shared for row in rows]
        session.execute(_change_each(table, names, by, tuple(alike)), each)


def one_of(dialect: str, wanted: Column[Any], name: str) -> ColumnElement[bool]:
    """Condition that a column's value is in the list given as the parameter ``name``."""
    if dialect == POSTGRESQL:
        return wanted == any_(bindparam(name, type_=postgresql.ARRAY(wanted.type)))
    return wanted.in_(bindparam(name, expanding=True))


def among(dialect: str, wanted: tuple[Column[Any], ...]) -> ColumnElement[bool]:
    """Condition that the columns' values together are one of the keys given by ``keys``."""
    if dialect == POSTGRESQL:
        given = _unnest(wanted)
        return tuple_(*wanted).in_(select(*given.c))
    return tuple_(*wanted).in_(bindparam("keys", expanding=True))


def keys(dialect: str, wanted: tuple[Column[Any], ...], values: Sequence[tuple[object, ...]]) -> dict[str, object]:
    """Parameters of ``among``."""
    if dialect == POSTGRESQL:
        return {f"all_{one.name}": [value[at] for value in values] for at, one in enumerate(wanted)}
    return {"keys": list(values)}


@cache
def _insert_arrays(table: Table, names: tuple[str, ...], once: tuple[str, ...], returning: tuple[str, ...]) -> Executable:
    given = _unnest(tuple(table.c[name] for name in names))
    read = [cast(given.c[name], table.c[name].type) if _is_json(table.c[name]) else given.c[name] for name in names]
    statement = postgresql.insert(table).from_select(names, select(*read))
    if once:
        statement = statement.on_conflict_do_nothing(index_elements=once)
    return statement.returning(*(table.c[name] for name in returning)) if returning else statement


@cache
def _insert_each(table: Table, once: tuple[str, ...], returning: tuple[str, ...]) -> Executable:
    statement = sqlite.insert(table)
    if once:
        statement = statement.on_conflict_do_nothing(index_elements=once)
    return statement.returning(*(table.c[name] for name in returning)) if returning else statement


@cache
def _change_arrays(table: Table, names: tuple[str, ...], by: tuple[str, ...], alike: tuple[str, ...]) -> Executable:
    given = _unnest(tuple(table.c[name] for name in names))
    own: dict[str, Any] = {name: given.c[name] for name in names if name not in by}
    return update(table).where(and_(*(table.c[name] == given.c[name] for name in by))).values(own | _alike(table, alike))


@cache
def _change_each(table: Table, names: tuple[str, ...], by: tuple[str, ...], alike: tuple[str, ...]) -> Executable:
    own: dict[str, Any] = {name: bindparam(f"its_{name}") for name in names if name not in by}
    met = and_(*(table.c[name] == bindparam(f"its_{name}") for name in by))
    return update(table).where(met).values(own | _alike(table, alike))


def _alike(table: Table, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: bindparam(f"alike_{name}", type_=table.c[name].type) for name in names}


def _unnest(columns: tuple[Column[Any], ...]) -> TableValuedAlias:
    arrays = [bindparam(f"all_{one.name}", type_=postgresql.ARRAY(_carried(one))) for one in columns]
    shown = [column(one.name, _carried(one)) for one in columns]
    return func.unnest(*arrays).table_valued(*shown).render_derived(name="given")


def _arrays(table: Table, names: tuple[str, ...], rows: Sequence[Values]) -> dict[str, object]:
    return {
        f"all_{name}": [json.dumps(row[name]) for row in rows] if _is_json(table.c[name]) else [row[name] for row in rows]
        for name in names
    }


def _carried(one: Column[Any]) -> Any:
    # An array of JSON would be written by the driver value by value; as text it is written once, here.
    return Text() if _is_json(one) else one.type


def _is_json(one: Column[Any]) -> bool:
    return isinstance(one.type, JSON)
