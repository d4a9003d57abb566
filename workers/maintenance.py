"""Runs the maintenance windows: rows of the ledger become windows with their phases, and phases become gates."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time

from ledger.windows import RunRow, WindowRow
from routing import windows
from routing.windows import Maintenance, Progress, Standing, Weekly
from workers.fetch.plan import Gate

CLOSED_AT_LEAST_S = 1.0


@dataclass(frozen=True, slots=True)
class Windows:
    """Every window in force with what came of its occurrences."""

    windows: tuple[Maintenance, ...] = ()
    progress: Mapping[int, Mapping[datetime, Progress]] = field(default_factory=dict)

    def standings(self, at: datetime) -> dict[str, Standing]:
        """The strictest phase of each lane that some window says something of."""
        by_lane: dict[str, list[Standing]] = {}
        for window in self.windows:
            for standing in windows.current(window, self.of(window), at):
                by_lane.setdefault(window.lane, []).append(standing)
        return {lane: chosen for lane, found in by_lane.items() if (chosen := windows.strictest(found))}

    def canaries(self, at: datetime) -> list[Standing]:
        """Occurrences whose canary is under way, unless another window still closes their lane."""
        strict = self.standings(at)
        return [
            standing
            for window in self.windows
            if strict.get(window.lane) and strict[window.lane].phase.kind == "canary"
            for standing in windows.current(window, self.of(window), at)
            if standing.phase.kind == "canary"
        ]

    def of(self, window: Maintenance) -> Mapping[datetime, Progress]:
        """What came of a window's occurrences."""
        return self.progress.get(window.id, {})


def windows_of(rows: Iterable[WindowRow], runs: Iterable[RunRow]) -> Windows:
    """The ledger's rows as windows."""
    progress: dict[int, dict[datetime, Progress]] = {}
    for run in runs:
        met = Progress(run.starts_at, run.canary_at, run.opened_at, run.accepted, run.skipped_at is not None)
        progress.setdefault(run.window_id, {})[run.starts_at] = met
    return Windows(tuple(_window(row) for row in rows), progress)


def gate_of(standing: Standing, at: datetime, concurrency: int | None) -> Gate:
    """What a phase lets the fetcher do. A canary is one at a time in the whole fleet: its part of the limit is one
    lease, which a target without such a limit has while it lasts (workers/plan.py).
    """
    phase = standing.phase
    why = f"maintenance window {standing.window.id} ({phase.kind}): {standing.window.why}"
    if phase.kind in ("draining", "held"):
        return Gate(closed_s=max(CLOSED_AT_LEAST_S, (_opens_at(standing) - at).total_seconds()), why=why)
    if phase.kind == "canary":
        return Gate(scale=min(windows.LEAST_SCALE, 1.0 / (concurrency or 1)), most_at_once=1, why=why)
    return Gate(scale=standing.scale(at), why=why) if phase.kind == "ramp" else Gate()


def _opens_at(standing: Standing) -> datetime:
    ends = [
        p.ends_at for p in windows.phases(standing.window, standing.occurs_at) if p.kind in ("draining", "held") and p.ends_at
    ]
    return max(ends)


def _window(row: WindowRow) -> Maintenance:
    when: datetime | Weekly
    if row.starts_at is not None:
        when = row.starts_at
    else:
        days = frozenset(int(day) for day in row.weekdays or "")
        when = Weekly(days, time.fromisoformat(row.local_time or ""), row.zone or "UTC")
    return Maintenance(
        id=row.id,
        lane=row.lane,
        when=when,
        duration_s=row.duration_s,
        created_at=row.created_at,
        announce_s=row.announce_s,
        drain_s=row.drain_s,
        canary=row.canary,
        ramp_s=row.ramp_s,
        why=row.reason,
    )
