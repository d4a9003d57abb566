"""Remembers documents: one row a business key, one row a version, written under the lock of the document's order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec
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


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document's head, locked. ``version`` 0: known of (something waits for it), not yet told."""

    id: int
    key: DocumentKey
    version: int
    status: str
    as_of: datetime | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class NewVersion:
    """The next state of a document to write; ``body`` is its canonical JSON."""

    document_id: int
    version: int
    event_id: int
    number: str | None
    status: str
    as_of: datetime
    digest: str
    body: str


def lock(session: Session, wanted: Iterable[tuple[DocumentKey, str]], now: datetime) -> dict[DocumentKey, DocumentRow]:
    """Lock the heads of the wanted documents, given with their order's key; unknown ones are created at version 0.

    Keys are inserted and locked in one fixed order, so two workers that share documents wait and never deadlock.
    """
    ordered = sorted(set(wanted))
    if not ordered:
        return {}
    insert(
        session,
        documents,
        [
            {
                "kind": k.kind,
                "source": k.source,
                "key": k.key,
                "order_key": order_key,
                "version": 0,
                "status": "expected",
                "updated_at": now,
            }
            for k, order_key in ordered
        ],
        once=("kind", "source", "key"),
    )
    dialect = session.dialect.name
    given = keys(dialect, _KEY, [(k.kind, k.source, k.key) for k, _ in ordered])
    rows = (
        DocumentRow(r.id, DocumentKey(r.kind, r.source, r.key), r.version, r.status, r.as_of, r.digest)
        for r in session.execute(_heads(dialect), given)
    )
    return {row.key: row for row in rows}


def write(session: Session, new: Sequence[NewVersion], now: datetime) -> None:
    """Write new versions under the locks taken before."""
    if not new:
        return
    (_insert_versions if session.dialect.name == POSTGRESQL else _insert_each_version)(session, new, now)
    # One document may have several new versions in a bundle; its head shows the last one.
    newest = {v.document_id: v for v in new}
    heads = [
        {"id": v.document_id, "version": v.version, "number": v.number, "status": v.status, "as_of": v.as_of, "digest": v.digest}
        for v in newest.values()
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
