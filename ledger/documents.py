"""Remembers documents: one row a business key, one row a version, written under the lock of the document's order."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import Executable, ScalarSelect, and_, select

from ledger.many import POSTGRESQL, among, change, in_order, insert, keys
from ledger.schema import documents, versions
from ledger.session import Session

_KEY = (documents.c.kind, documents.c.source, documents.c.key)
_VERSION = (versions.c.document_id, versions.c.version)

# The bodies travel as one value that the server cuts apart: as texts inside a JSON document they would be read twice, which took
# it longer than to write them.
_INSERT_VERSIONS = """
    INSERT INTO document_versions (document_id, version, event_id, body, written_at)
    SELECT t.document_id, t.version, t.event_id,
           convert_from(substring(CAST(%(bodies)s AS bytea) FROM t.first FOR t.size), 'UTF8'), %(now)s
    FROM json_to_recordset(CAST(%(rows)s AS json)) AS t (
        document_id bigint, version int, event_id bigint, first int, size int)
"""


class DocumentKey(NamedTuple):
    """Which document: kind, source and the source's business key. A tuple, for it is made and looked up many times an order."""

    kind: str
    source: str
    key: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.source}/{self.key}"


class DocumentRow(Struct, frozen=True):
    """A document's head, locked. ``version`` 0: known of (something waits for it), not yet told. ``begun``: its row shows the
    first version already, which this transaction has to write.
    """

    id: int
    key: DocumentKey
    version: int
    status: str
    as_of: datetime | None
    digest: str | None
    begun: bool = False


class State(Struct, frozen=True):
    """What a document's head shows of its newest version."""

    number: str | None
    status: str
    as_of: datetime
    digest: str


class NewVersion(Struct, frozen=True):
    """The next state of a document to write; ``body`` is its canonical JSON."""

    document_id: int
    version: int
    event_id: int
    number: str | None
    status: str
    as_of: datetime
    digest: str
    body: str


def lock(
    session: Session,
    wanted: Iterable[tuple[DocumentKey, str]],
    now: datetime,
    first: Mapping[DocumentKey, State] = MappingProxyType({}),
) -> dict[DocumentKey, DocumentRow]:
    """Lock the heads of the wanted documents, given with their order's key; unknown ones are created at version 0.

    Those of ``first`` are created at version 1 in that state, which the caller has to `write` in this transaction: a row that is
    written in its last state at once need not be written again. Their heads are those of unknown documents, ``begun``.

    Keys are inserted and locked in one fixed order, so two workers that share documents wait and never deadlock.
    """
    ordered = sorted(set(wanted))
    if not ordered:
        return {}
    created = _create(session, ordered, first, now)
    known = [key for key, _ in ordered if key not in created]
    return created | _locked(session, known) if known else created


def write(session: Session, new: Sequence[NewVersion], now: datetime, begun: Container[int] = ()) -> None:
    """Write new versions under the locks taken before. ``begun``: documents whose heads show their first version already."""
    if not new:
        return
    (_insert_versions if session.dialect.name == POSTGRESQL else _insert_each_version)(session, new, now)
    # One document may have several new versions in a bundle; its head shows the last one.
    newest = {v.document_id: v for v in new}
    heads = [
        {"id": v.document_id, "version": v.version, "number": v.number, "status": v.status, "as_of": v.as_of, "digest": v.digest}
        for v in newest.values()
        if v.version > 1 or v.document_id not in begun
    ]
    change(session, documents, heads, by=("id",), alike={"updated_at": now})


def touch(session: Session, told_again: Sequence[tuple[int, datetime]]) -> None:
    """Note a newer ``as_of`` for documents whose content did not change."""
    newest = dict(told_again)
    change(session, documents, [{"id": document_id, "as_of": as_of} for document_id, as_of in newest.items()], by=("id",))


def bodies(session: Session, heads: Sequence[DocumentRow]) -> dict[int, str]:
    """Canonical JSON of the current versions, by document id."""
    if not heads:
        return {}
    dialect = session.dialect.name
    given = keys(dialect, _VERSION, [(h.id, h.version) for h in heads])
    return {row.document_id: row.body for row in session.execute(_bodies(dialect), given)}


def _create(
    session: Session, ordered: Sequence[tuple[DocumentKey, str]], first: Mapping[DocumentKey, State], now: datetime
) -> dict[DocumentKey, DocumentRow]:
    """Insert those that are not there; they are locked by that, and returned as they were before: unknown."""
    rows = [_values(key, order_key, first.get(key), now) for key, order_key in ordered]
    once = ("kind", "source", "key")
    made = insert(session, documents, rows, once=once, returning=(*once, "id"))
    found = ((DocumentKey(row.kind, row.source, row.key), row.id) for row in made)
    return {key: DocumentRow(row_id, key, 0, "expected", None, None, key in first) for key, row_id in found}


def _values(key: DocumentKey, order_key: str, state: State | None, now: datetime) -> dict[str, object]:
    return {
        "kind": key.kind,
        "source": key.source,
        "key": key.key,
        "order_key": order_key,
        "version": 0 if state is None else 1,
        "number": None if state is None else state.number,
        "status": "expected" if state is None else state.status,
        "as_of": None if state is None else state.as_of,
        "digest": None if state is None else state.digest,
        "updated_at": now,
    }


def _locked(session: Session, known: Sequence[DocumentKey]) -> dict[DocumentKey, DocumentRow]:
    dialect = session.dialect.name
    rows = (
        DocumentRow(r.id, DocumentKey(r.kind, r.source, r.key), r.version, r.status, r.as_of, r.digest)
        for r in session.execute(_heads(dialect), keys(dialect, _KEY, known))
    )
    return {row.key: row for row in rows}


def _insert_versions(session: Session, new: Sequence[NewVersion], now: datetime) -> None:
    rows, bodies, first = [], [], 1
    for v in new:
        body = v.body.encode()
        told = {"document_id": v.document_id, "version": v.version, "event_id": v.event_id, "first": first, "size": len(body)}
        rows.append(told)
        bodies.append(body)
        first += len(body)
    given = {"rows": msgspec.json.encode(rows).decode(), "bodies": b"".join(bodies), "now": now}
    session.exec_driver_sql(_INSERT_VERSIONS, given)


def _insert_each_version(session: Session, new: Sequence[NewVersion], now: datetime) -> None:
    rows = [
        {"document_id": v.document_id, "version": v.version, "event_id": v.event_id, "body": v.body, "written_at": now}
        for v in new
    ]
    insert(session, versions, rows)


@cache
def body_of_its_order() -> ScalarSelect[Any]:
    """As a column of a query over `documents`: the newest body of the order that the document belongs to."""
    order, order_version = documents.alias("order_head"), versions.alias("order_version")
    return (
        select(order_version.c.body)
        .join(order, and_(order_version.c.document_id == order.c.id, order_version.c.version == order.c.version))
        .where(order.c.kind == "order", order.c.source == documents.c.source, order.c.key == documents.c.order_key)
        .scalar_subquery()
    )


def _heads(dialect: str) -> Executable:
    c = documents.c
    query = select(c.id, c.kind, c.source, c.key, c.version, c.status, c.as_of, c.digest)
    return query.where(among(dialect, _KEY)).order_by(in_order(c.id)).with_for_update(of=documents)


@cache
def _bodies(dialect: str) -> Executable:
    return select(versions.c.document_id, versions.c.body).where(among(dialect, _VERSION))
