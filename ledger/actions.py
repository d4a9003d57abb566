"""Remembers what operators did and what they were refused: who, when, to what, why, how it stood before and after; as a chain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, Select, insert, select, text

from ledger.chain import START, Action, Link, link
from ledger.schema import actions
from ledger.session import Session, audit_keys

__all__ = ["Action", "Actor", "head", "listed", "record", "write"]

_WRITERS_LOCK = 727274005
"""Of all deeds' transactions one at a time holds it on PostgreSQL; on SQLite there is one writer anyway."""

_LONGEST_NAME = 120
_NOTHING: Mapping[str, Mapping[str, object]] = MappingProxyType({})
_DEED = ("at", "by", "action", "subject", "reason", "before", "after", "role", "allowed")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts and why; ``role`` is the one of the console's user, empty on the command line."""

    by: str
    why: str
    role: str = ""


def write(session: Session, done: Action) -> None:
    """Note a deed, in the transaction that did it and as its last statement: it holds the chain's end until the commit."""
    _append(session, [done])


def record(
    session: Session, actor: Actor, action: str, subjects: Sequence[str], now: datetime, *,
    before: Mapping[str, Mapping[str, object]] = _NOTHING, **after: object,
) -> None:  # fmt: skip
    """Note one deed on many subjects. ``before`` says how each stood. No personal data: names, counts, paths, versions."""
    _append(
        session,
        [Action(now, actor.by, action, one, actor.why, dict(before.get(one, {})), after, actor.role) for one in subjects],
    )


def listed(session: Session, subject: str, most: int) -> list[Action]:
    """Deeds on a subject, newest first."""
    query = links().where(actions.c.subject == subject).order_by(actions.c.id.desc()).limit(most)
    return [link_of(row).done for row in session.execute(query)]


def head(session: Session) -> tuple[int, str]:
    """Place and digest of the newest link; 0 and `START` before the first."""
    c = actions.c
    row = session.execute(select(c.sequence, c.digest).order_by(c.sequence.desc()).limit(1)).first()
    return (row.sequence, row.digest) if row else (0, START)


def links() -> Select[Any]:
    """Every column that `link_of` reads."""
    c = actions.c
    return select(c.sequence, c.previous, c.digest, c.seal, *(c[name] for name in _DEED))


def link_of(row: Row[Any]) -> Link:
    """A row of `links`."""
    sequence, previous, digest, seal, *deed = tuple(row)
    return Link(sequence, previous, digest, seal, Action(*deed))


def _append(session: Session, deeds: Sequence[Action]) -> None:
    if not deeds:
        return
    if session.dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITERS_LOCK})
    keys = audit_keys(session)
    sequence, previous = head(session)
    rows = []
    for sequence, done in enumerate(deeds, sequence + 1):  # noqa: B020  it goes on from the head
        made = link(replace(done, by=done.by[:_LONGEST_NAME]), sequence, previous, keys)
        rows.append(_values(made))
        previous = made.digest
    session.execute(insert(actions), rows)


def _values(one: Link) -> dict[str, object]:
    deed = {name: getattr(one.done, name) for name in _DEED}
    return deed | {"sequence": one.sequence, "previous": one.previous, "digest": one.digest, "seal": one.seal}
