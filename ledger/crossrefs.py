"""Remembers cross-references: which id our keys (SKU, customer, tax, location, charge) have at a target."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Executable, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.many import among, keys
from ledger.schema import crossrefs
from ledger.session import Session

_KEY = (crossrefs.c.target, crossrefs.c.kind, crossrefs.c.source, crossrefs.c.key)

ANY_SOURCE = "*"
_AT_ONCE = 5_000
"""SQLite takes at most 32 766 parameters of a statement."""


@dataclass(frozen=True, slots=True)
class CrossRef:
    """``key`` of ``kind`` as told by ``source`` (``*``: by any) is ``remote_id`` at ``target``."""

    target: str
    kind: str
    source: str
    key: str
    remote_id: str


def put(session: Session, refs: Iterable[CrossRef], now: datetime) -> int:
    """Set cross-references, replacing older ones; returns how many."""
    rows = [
        {
            "target": r.target,
            "kind": r.kind,
            "source": r.source,
            "key": r.key,
            "remote_id": r.remote_id,
            "updated_at": now,
        }
        for r in refs
    ]
    if not rows:
        return 0
    insert = (postgresql.insert if session.dialect.name == "postgresql" else sqlite.insert)(crossrefs)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["target", "kind", "source", "key"],
            set_={"remote_id": insert.excluded.remote_id, "updated_at": insert.excluded.updated_at},
        ),
        rows,
    )
    return len(rows)


def look_up(session: Session, wanted: Iterable[tuple[str, str, str, str]]) -> Mapping[tuple[str, str, str, str], str]:
    """Remote ids of (target, kind, source, key); the source's own reference goes before one for any source."""
    asked = sorted(set(wanted))
    if not asked:
        return {}
    known = exact(session, ((target, kind, s, key) for target, kind, source, key in asked for s in (source, ANY_SOURCE)))
    found = {}
    for target, kind, source, key in asked:
        remote_id = known.get((target, kind, source, key)) or known.get((target, kind, ANY_SOURCE, key))
        if remote_id is not None:
            found[target, kind, source, key] = remote_id
    return found


def exact(session: Session, wanted: Iterable[tuple[str, str, str, str]]) -> dict[tuple[str, str, str, str], str]:
    """Remote ids of the very (target, kind, source, key) that are known."""
    dialect = session.dialect.name
    asked = sorted(set(wanted))
    found: dict[tuple[str, str, str, str], str] = {}
    for start in range(0, len(asked), _AT_ONCE):
        rows = session.execute(_known(dialect), keys(dialect, _KEY, asked[start : start + _AT_ONCE]))
        found |= {(r.target, r.kind, r.source, r.key): r.remote_id for r in rows}
    return found


def listed(session: Session, target: str | None, kind: str | None, most: int) -> list[CrossRef]:
    """Cross-references of a target and kind, in key order."""
    c = crossrefs.c
    query = select(c.target, c.kind, c.source, c.key, c.remote_id).order_by(c.target, c.kind, c.key, c.source).limit(most)
    if target:
        query = query.where(c.target == target)
    if kind:
        query = query.where(c.kind == kind)
    return [CrossRef(*row) for row in session.execute(query)]


@cache
def _known(dialect: str) -> Executable:
    return select(*_KEY, crossrefs.c.remote_id).where(among(dialect, _KEY))
