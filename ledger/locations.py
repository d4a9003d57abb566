"""Remembers what is on its way by the place it belongs to: the location that an order or a shipment names.

The location stands in the document. It is read from the bodies of what is open, the oldest MOST_READ of each place of the
backlog (target, domain, class, state): cheap at any size of the ledger, and no order pays for a column. A place of more says so
(``more``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Select, Subquery, func, select, union_all

from ledger.business import CLASSES, Stage, beside, open_place, stage_of, text_of
from ledger.schema import deliveries, versions
from ledger.session import Session
from ledger.standing import PICKABLE

MOST_READ = 500
"""Deliveries of one place whose document is read, the oldest first."""
DOMAINS = ("orders", "shipments")
"""What names one location. A return names one for each of its lines, stock is of its place by its key."""
NOWHERE = "none"


@dataclass(frozen=True, slots=True)
class AtLocation:
    """What stands in one stage at one location, NOWHERE for what names none; ``oldest_at``: when the channel told it."""

    location: str
    domain: str
    stage: Stage
    count: int
    more: bool
    oldest_at: datetime


def backlog_by_location(session: Session, targets: Sequence[str]) -> list[AtLocation]:
    """Orders and shipments that are read and not done, by location, domain and stage. What nobody has read yet is at no place."""
    d = deliveries.c
    mine = select(d.document_id, d.version, d.domain, d.state, d.uncertain, d.accepted_at).where(d.domain.in_(DOMAINS))
    rows = [
        mine.where(*open_place(target, domain, cls, state)).order_by(d.accepted_at)
        for target in targets
        for domain in DOMAINS
        for cls in CLASSES
        for state in PICKABLE
    ]
    rows += [mine.where(*where) for where in beside()]
    lite = session.dialect.name == "sqlite"
    groups = union_all(*(_groups(row.limit(MOST_READ).subquery(), lite=lite) for row in rows))
    found: dict[tuple[str, str, Stage], tuple[int, bool, datetime]] = {}
    for location, domain, stage, count, size, oldest_at in session.execute(groups):
        place = (location or NOWHERE, domain, stage)
        known = found.get(place, (0, False, oldest_at))
        found[place] = (known[0] + count, known[1] or size >= MOST_READ, min(known[2], oldest_at))
    return [AtLocation(*place, *told) for place, told in sorted(found.items())]


def _groups(some: Subquery, *, lite: bool) -> Select[*tuple[Any, ...]]:
    location = text_of(versions.c.body, "location", lite=lite).label("location")
    each = (
        select(location, some.c.domain, stage_of(some).label("stage"), some.c.accepted_at)
        .join(versions, (versions.c.document_id == some.c.document_id) & (versions.c.version == some.c.version))
        .subquery()
    )
    by = [each.c[name] for name in ("location", "domain", "stage")]
    size = select(func.count()).select_from(some).scalar_subquery()
    return select(*by, func.count(), size.cast(Integer), func.min(each.c.accepted_at)).group_by(*by)
