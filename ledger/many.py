"""Remembers many rows by one statement: PostgreSQL takes them as one JSON document, SQLite takes row after row.

A statement that does not depend on how many rows there are is compiled once, parsed once and prepared once. One document is
written by one call in C; arrays, the other way to hand over many rows, are written by the driver in Python, value by value.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Dialect,
    Executable,
    Integer,
    Row,
    Table,
    TableValuedAlias,
    Text,
    TypeDecorator,
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


class _Numbers(TypeDecorator[Sequence[int]]):
    """Whole numbers as the text of an array: a list of them the driver would write value by value."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[int] | None, dialect: Dialect) -> str | None:
        """The numbers as ``{1,2,3}``."""
        return None if value is None else f"{{{','.join([str(number) for number in value])}}}"


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
        found = session.execute(_insert_all(table, names, once, returning), _document(names, rows))
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
        session.execute(_change_all(table, names, by, tuple(alike)), _document(names, rows) | shared)
    else:
        each = [{f"its_{name}": row[name] for name in names} | shared for row in rows]
        session.execute(_change_each(table, names, by, tuple(alike)), each)


def one_of(dialect: str, wanted: Column[Any], name: str) -> ColumnElement[bool]:
    """Condition that a column's value is in the list given as the parameter ``name``."""
    if dialect == POSTGRESQL:
        several = postgresql.ARRAY(wanted.type)
        if isinstance(wanted.type, Integer):
            return wanted == any_(cast(bindparam(name, type_=_Numbers()), several))
        return wanted == any_(bindparam(name, type_=several))
    return wanted.in_(bindparam(name, expanding=True))


def among(dialect: str, wanted: tuple[Column[Any], ...]) -> ColumnElement[bool]:
    """Condition that the columns' values together are one of the keys given by ``keys``, each of them once."""
    if dialect == POSTGRESQL:
        # A join, not IN: the keys lead to the rows then, and no plan goes through the rows to ask the keys.
        given = given_by(wanted)
        return and_(*(one == given.c[one.name] for one in wanted))
    # A list of several rows would be compared with row after row of the table; what is selected leads to them by their index.
    told = func.json_each(bindparam("keys", type_=Text())).table_valued("value")
    return tuple_(*wanted).in_(select(*(func.json_extract(told.c.value, f"$[{n}]") for n in range(len(wanted)))))


def keys(dialect: str, wanted: tuple[Column[Any], ...], values: Sequence[tuple[object, ...]]) -> dict[str, object]:
    """Parameters of ``among``: the values are distinct."""
    if dialect == POSTGRESQL:
        names = tuple(one.name for one in wanted)
        return _document(names, [dict(zip(names, value, strict=True)) for value in values])
    return {"keys": msgspec.json.encode(values).decode()}


def in_order(wanted: Column[Any]) -> ColumnElement[Any]:
    """What to sort found rows by. The bare column would let a plan walk its whole index to be spared the sorting of a few."""
    return wanted + 0


@cache
def _insert_all(table: Table, names: tuple[str, ...], once: tuple[str, ...], returning: tuple[str, ...]) -> Executable:
    given = given_by(tuple(table.c[name] for name in names))
    statement = postgresql.insert(table).from_select(names, select(*given.c))
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
def _change_all(table: Table, names: tuple[str, ...], by: tuple[str, ...], alike: tuple[str, ...]) -> Executable:
    given = given_by(tuple(table.c[name] for name in names))
    own: dict[str, Any] = {name: given.c[name] for name in names if name not in by}
    return update(table).where(and_(*(table.c[name] == given.c[name] for name in by))).values(own | _alike(table, alike))


@cache
def _change_each(table: Table, names: tuple[str, ...], by: tuple[str, ...], alike: tuple[str, ...]) -> Executable:
    own: dict[str, Any] = {name: bindparam(f"its_{name}") for name in names if name not in by}
    met = and_(*(table.c[name] == bindparam(f"its_{name}") for name in by))
    return update(table).where(met).values(own | _alike(table, alike))


def _alike(table: Table, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: bindparam(f"alike_{name}", type_=table.c[name].type) for name in names}


def given_by(columns: tuple[Column[Any], ...]) -> TableValuedAlias:
    """On PostgreSQL: what ``keys`` (or the rows of a change) hands over, as a table of these columns."""
    shown = [column(one.name, one.type) for one in columns]
    told = cast(bindparam("rows", type_=Text()), JSON())
    return func.json_to_recordset(told).table_valued(*shown).render_derived(name="given", with_types=True)


def _document(names: tuple[str, ...], rows: Sequence[Values]) -> dict[str, object]:
    """The parameter ``rows``. Raises ValueError for a naive time, which the server would read as one of its own zone."""
    first = rows[0] if rows else {}
    # A column holds values of one kind, or none: where the first is another kind there is no time to look at.
    for name in [name for name in names if first.get(name) is None or isinstance(first[name], datetime)]:
        if any(isinstance(value := row[name], datetime) and value.tzinfo is None for row in rows):
            raise ValueError("naive time given to the ledger")
    return {"rows": msgspec.json.encode(rows).decode()}
