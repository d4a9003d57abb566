"""Runs the look at the peak profile in force: its end and guards, the backlog under it, what rests, pools, what comes next."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ledger.peak_backlog
import ledger.peaks
import ledger.standing
from config.fleet import Fleet
from config.nearest import ConfigError
from ledger import controls
from ledger.peak_backlog import Resting
from ledger.peaks import Change, InForce, Scheduled
from workers import peaks
from workers.lanes import Lookout
from workers.peak_guards import Figures, Watch, watch
from workers.peak_keeper import POOLS, since_known


@dataclass(frozen=True, slots=True)
class PeakStatus:
    """Everything of it at one moment. ``keeper_until`` past or None: no relay looks after it. ``unreadable``: why its guards
    cannot be shown.
    """

    at: datetime
    standing: InForce | None
    change: Change | None
    watched: tuple[Watch, ...]
    resting: tuple[Resting, ...]
    pools: dict[str, Any]
    next: Scheduled | None
    keeper_until: datetime | None
    unreadable: str


def status_of(lookout: Lookout, fleet: Fleet, at: datetime) -> PeakStatus:
    """How it stands. Raises one of LedgerUnavailable."""
    with lookout.ledger.read() as session:
        standing = ledger.peaks.in_force(session)
        cells = ledger.standing.remembered(session)
        known = since_known(session, standing) if standing else {}
        keeper = ledger.peaks.keeper(session)
        pools = controls.some(session, [POOLS]).get(POOLS, {})
        change = next(iter(ledger.peaks.history(session, 1)), None)
        resting = ledger.peak_backlog.resting(session)
        coming = next(iter(ledger.peaks.scheduled(session, 1)), None)
    watched: list[Watch] = []
    unreadable = ""
    try:
        profile = peaks.standing_profile(standing)
    except ConfigError as error:
        profile, unreadable = None, str(error)
    if standing and profile and profile.guards:
        figures = Figures(lookout.look(fleet.families, at), cells)
        watched = watch(profile.guards, figures, known, standing.since, at)
    until = keeper[1] if keeper else None
    ours = pools if change and pools.get("change") == change.id else {}
    return PeakStatus(at, standing, change, tuple(watched), tuple(resting), dict(ours), coming, until, unreadable)
