"""Remembers alerts: what is wrong now, since when, who has taken it, and what people were told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.session import Session
from ledger.watch_schema import alerts

RESOLVED_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that is wrong. ``state``: pending (seen, not yet for long enough), firing or resolved. ``origin``: who says
    so, ``own`` or ``alertmanager``. ``told``: what the last notice said of it, firing or resolved; None: nothing yet.
    """

    fingerprint: str
    name: str
    severity: str
    labels: Mapping[str, str]
    summary: str
    runbook: str
    origin: str
    state: str
    first_at: datetime
    seen_at: datetime
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    told: str | None = None
    told_at: datetime | None = None
    acked_by: str | None = None
    acked_at: datetime | None = None
    quiet_until: datetime | None = None

    @property
    def over(self) -> bool:
        """It was wrong once and is no more."""
        return self.state == "resolved"


def live(session: Session, *, lock: bool = False) -> list[Alert]:
    """Alerts that are not over, or whose end was not told yet; locked against another relay's round if asked for."""
    c = alerts.c
    query = select(alerts).where((c.state != "resolved") | (c.told == "firing")).order_by(c.name, c.fingerprint)
    return _read(session, query.with_for_update() if lock else query)


def listed(session: Session, most: int, *, resolved: bool) -> list[Alert]:
    """Alerts for people, those firing first, the newest first; ``resolved`` shows those that are over as well."""
    c = alerts.c
    query = select(alerts).order_by(c.state, c.first_at.desc()).limit(most)
    return _read(session, query if resolved else query.where(c.state != "resolved"))


def find(session: Session, beginning: str) -> list[Alert]:
    """Alerts whose fingerprint begins so."""
    return _read(session, select(alerts).where(alerts.c.fingerprint.startswith(beginning, autoescape=True)))


def put(session: Session, changed: Sequence[Alert]) -> None:
    """Write alerts as they stand now."""
    if not changed:
        return
    make = (postgresql.insert if session.dialect.name == "postgresql" else sqlite.insert)(alerts)
    values = {column.name: make.excluded[column.name] for column in alerts.c if column.name != "fingerprint"}
    rows: list[dict[str, Any]] = [asdict(alert) | {"labels": dict(alert.labels)} for alert in changed]
    session.execute(make.on_conflict_do_update(index_elements=["fingerprint"], set_=values), rows)


def acknowledge(session: Session, fingerprint: str, by: str, now: datetime) -> None:
    """Somebody has taken it: it is told no more until it is over."""
    session.execute(
        update(alerts).where(alerts.c.fingerprint == fingerprint).values(acked_by=by[:80], acked_at=now, quiet_until=None)
    )


def silence(session: Session, fingerprint: str, until: datetime) -> None:
    """Nothing is told of it until then."""
    session.execute(update(alerts).where(alerts.c.fingerprint == fingerprint).values(quiet_until=until))


def remove_over(session: Session, now: datetime) -> None:
    """Drop what has been over for a week, and its end was told or never had to be."""
    c = alerts.c
    over = (c.state == "resolved") & (c.resolved_at < now - RESOLVED_KEPT)
    session.execute(delete(alerts).where(over))


def _read(session: Session, query: Any) -> list[Alert]:
    return [Alert(**row) for row in session.execute(query).mappings()]
