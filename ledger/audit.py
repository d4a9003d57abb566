"""Remembers so that it can be proved: what was done by whom, filtered; the check of the whole chain; its head as an anchor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.actions import head, link_of, links
from ledger.chain import Anchor, Link, Verdict, verify
from ledger.schema import actions
from ledger.session import Session, audit_keys

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deeds: all that meet every value given. ``by``, ``subject`` and ``action`` are whole, or end in ``*``."""

    by: str | None = None
    subject: str | None = None
    action: str | None = None
    since: datetime | None = None
    allowed: bool | None = None
    before: int | None = None
    """Only links older than this place: the next page of a list."""


def find(session: Session, wanted: Wanted, most: int) -> list[Link]:
    """Deeds that meet the filter, newest first, at most ``most``."""
    c = actions.c
    query = links().order_by(c.sequence.desc()).limit(most)
    for column, value in ((c.by, wanted.by), (c.subject, wanted.subject), (c.action, wanted.action)):
        if value is not None:
            query = query.where(column.startswith(value[:-1], autoescape=True) if value.endswith("*") else column == value)
    if wanted.since is not None:
        query = query.where(c.at >= wanted.since)
    if wanted.allowed is not None:
        query = query.where(c.allowed == wanted.allowed)
    if wanted.before is not None:
        query = query.where(c.sequence < wanted.before)
    return [link_of(row) for row in session.execute(query)]


def check(session: Session, anchors: Sequence[Anchor] = ()) -> Verdict:
    """Check the whole chain with the session's keys. Reads every link, a thousand at a time."""
    return verify(_all(session), audit_keys(session), anchors)


def anchor(session: Session, at: datetime) -> Anchor:
    """The head as it stands, sealed if there is a key."""
    sequence, digest = head(session)
    return Anchor.of(sequence, digest, at, audit_keys(session))


def _all(session: Session) -> Iterator[Link]:
    # Page by page from the last place on: a chain of years does not fit into memory.
    after = None
    while True:
        query = links().order_by(actions.c.sequence).limit(_AT_ONCE)
        page = [link_of(row) for row in session.execute(query if after is None else query.where(actions.c.sequence > after))]
        yield from page
        if len(page) < _AT_ONCE:
            return
        after = page[-1].sequence
