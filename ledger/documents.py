"""Remembers documents: one row a business key, one row a version, written under the lock of the document's order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.schema import documents, versions
from ledger.session import Session


@dataclass(frozen=True, slots=True)
class DocumentKey:
    """Which document: kind, source and the source's business key."""

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
    ordered = sorted(set(wanted), key=lambda pair: (pair[0].kind, pair[0].source, pair[0].key))
    if not ordered:
        return {}
    insert = postgresql.insert if session.dialect.name == "postgresql" else sqlite.insert
    session.execute(
        insert(documents).on_conflict_do_nothing(index_elements=["kind", "source", "key"]),
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
    )
    c = documents.c
    query = (
        select(c.id, c.kind, c.source, c.key, c.version, c.status, c.as_of, c.digest)
        .where(tuple_(c.kind, c.source, c.key).in_([(k.kind, k.source, k.key) for k, _ in ordered]))
        .order_by(c.id)
        .with_for_update()
    )
    rows = (
        DocumentRow(r.id, DocumentKey(r.kind, r.source, r.key), r.version, r.status, r.as_of, r.digest)
        for r in session.execute(query)
    )
    return {row.key: row for row in rows}


def write(session: Session, new: Sequence[NewVersion], now: datetime) -> None:
    """Write new versions under the locks taken before."""
    if not new:
        return
    session.execute(
        versions.insert(),
        [
            {
                "document_id": v.document_id,
                "version": v.version,
                "event_id": v.event_id,
                "body": v.body,
                "written_at": now,
            }
            for v in new
        ],
    )
    session.execute(
        update(documents).where(documents.c.id == bindparam("row")),
        [
            {
                "row": v.document_id,
                "version": v.version,
                "number": v.number,
                "status": v.status,
                "as_of": v.as_of,
                "digest": v.digest,
                "updated_at": now,
            }
            for v in new
        ],
    )


def touch(session: Session, told_again: Sequence[tuple[int, datetime]]) -> None:
    """Note a newer ``as_of`` for documents whose content did not change."""
    if told_again:
        session.execute(
            update(documents).where(documents.c.id == bindparam("row")),
            [{"row": document_id, "as_of": as_of} for document_id, as_of in told_again],
        )


def bodies(session: Session, heads: Sequence[DocumentRow]) -> dict[int, str]:
    """Canonical JSON of the current versions, by document id."""
    if not heads:
        return {}
    c = versions.c
    query = select(c.document_id, c.body).where(tuple_(c.document_id, c.version).in_([(h.id, h.version) for h in heads]))
    return dict(session.execute(query).tuples().all())
