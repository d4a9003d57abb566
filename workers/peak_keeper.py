"""Runs what a peak profile needs while nobody looks: its schedule, its end, its guards, the standing backlog, the pools' sizes.

It runs beside the relay; of several relays one does it. All that it knows stands in the ledger, so the next one goes on.
"""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import ledger.peaks
import ledger.standing
from config.nearest import ConfigError
from config.peaks import PeakProfile, PoolProfile, read_profile
from ledger import controls
from ledger.peaks import Change, InForce
from ledger.session import LedgerUnavailable, Session
from tasks.backlog import put_under, release
from tasks.context import Context
from telemetry.bus import emit
from telemetry.events import Name
from workers import peaks
from workers.lane_actions import Operator
from workers.lanes import Lookout
from workers.peak_guards import Figures, Watch, since_of, watch
from workers.peak_pools import PoolSizes

EVERY_S = 0.5
LEASE = timedelta(seconds=6)
RENEWED = timedelta(seconds=3)
BUSY_S = 0.5
"""Most time of one round that is spent on the backlog."""
RELEASED_AT_ONCE = 2_000
POOLS_EVERY_S = 5.0
POOLS_SETTLE = timedelta(seconds=30)
POOLS = "peak.pools"
KEEPER = "the keeper"


class PeakKeeper:
    """Looks after the profile in force. ``sizes`` makes the pools' remote control once it is needed."""

    def __init__(self, context: Context, lookout: Lookout, sizes: Callable[[], PoolSizes]) -> None:
        self._context = context
        self._lookout = lookout
        self._make_sizes = sizes
        self._sizes: PoolSizes | None = None
        self._token = uuid.uuid4().hex
        self._held_until: datetime | None = None
        self._pools_at = 0.0
        self._pools_change = -1
        self._pools_settled = -1

    def run(self, stop: threading.Event) -> None:
        """Round after round until ``stop``; what is away is met again at the next one."""
        while not stop.is_set():
            try:
                self.round()
            except LedgerUnavailable as error:
                emit(Name.PEAK_KEEP_FAILED, stage="ledger", error=error)
            stop.wait(EVERY_S)
        self._let_go()

    def round(self) -> None:
        """One round; nothing while another process does it."""
        if not self._hold():
            return
        steps: tuple[Callable[[], object], ...] = (
            self._begin_scheduled, self._end, self._watch, self._put_backlog_under, self._release, self._size_pools,
        )  # fmt: skip
        for step in steps:
            try:
                step()
            except LedgerUnavailable:
                raise
            except Exception as error:  # noqa: BLE001  what fails at one thing must not keep a profile from its end
                emit(Name.PEAK_KEEP_FAILED, stage=step.__name__.strip("_"), error=error)

    def _hold(self) -> bool:
        now = self._context.now()
        if self._held_until is not None and now < self._held_until - RENEWED:
            return True
        with self._context.ledger.read() as session:
            held = ledger.peaks.keeper(session)
        if held is not None and held[0] != self._token and held[1] > now:
            return False
        with self._context.ledger.write() as session:
            ours = ledger.peaks.keep(session, self._token, now, now + LEASE)
        self._held_until = now + LEASE if ours else None
        return ours

    def _let_go(self) -> None:
        with contextlib.suppress(*LedgerUnavailable), self._context.ledger.write() as session:
            ledger.peaks.let_go(session, self._token)

    def _begin_scheduled(self) -> None:
        now = self._context.now()
        with self._context.ledger.read() as session:
            due = ledger.peaks.due(session, now)
        for entry in due:
            profile = _read(entry.profile, f"schedule {entry.id}")
            late = entry.ends_at is not None and entry.ends_at <= now
            missed = late or profile is None
            with self._context.ledger.write() as session:
                if not ledger.peaks.settle_scheduled(session, entry.id, "missed" if missed else "applied", now):
                    continue
                if profile is not None and not late:
                    who = Operator(entry.by, f"{entry.reason} (schedule {entry.id})")
                    peaks.apply(session, profile, who, now, ends_at=entry.ends_at, deed="schedule")
            told = f"schedule {entry.id} {'missed' if missed else 'begun'}"
            emit(Name.PEAK_CHANGE_DONE, profile=entry.name, reason=told)

    def _end(self) -> None:
        now = self._context.now()
        standing = self._in_force()
        if standing is None or standing.ends_at is None or standing.ends_at > now:
            return
        self._take_back(standing, "end", f"its time is over: {standing.ends_at.isoformat(timespec='seconds')}")

    def _watch(self) -> None:
        standing = self._in_force()
        profile = _read(standing.profile, f"peak profile {standing.name}") if standing else None
        if standing is None or profile is None or not profile.guards:
            return
        watched = watch_guards(self._context, self._lookout, standing, profile)
        broken = next((one for one in watched if one.over), None)
        if broken is not None:
            told = f"{peaks.guard_words(broken.guard)}: it is {broken.figure:g} since {broken.since:%H:%M:%S} UTC"
            emit(Name.PEAK_GUARD_BROKEN, profile=standing.name, reason=told)
            self._take_back(standing, "guard", told)
            return
        self._remember(standing, since_of(watched))

    def _take_back(self, standing: InForce, deed: ledger.peaks.Deed, why: str) -> None:
        try:
            with self._context.ledger.write() as session:
                who = Operator(KEEPER, why)
                after = peaks.revert(session, who, self._context.now(), deed=deed, expected=standing.change)
        except (peaks.PeakChangedError, peaks.NothingInForceError):
            # Somebody was faster; what is in force by now has its own end and its own guards.
            return
        emit(Name.PEAK_CHANGE_DONE, profile=after.name if after else "none", reason=why)

    def _remember(self, standing: InForce, since: Mapping[str, str]) -> None:
        with self._context.ledger.read() as session:
            known = since_known(session, standing)
        if dict(since) != dict(known):
            with self._context.ledger.write() as session:
                controls.put(session, peaks.GUARDS, {"change": standing.change, "since": dict(since)}, self._context.now())

    def _put_backlog_under(self) -> None:
        began = time.monotonic()
        place = None
        while time.monotonic() - began < BUSY_S:
            with self._context.ledger.read() as session:
                changes = ledger.peaks.unsettled(session)
            if not changes or changes[0].place == place:
                return
            place = changes[0].place
            put_under(self._context, changes[0], changes[1:], most_parts=1)

    def _release(self) -> None:
        release(self._context, RELEASED_AT_ONCE)

    def _size_pools(self) -> None:
        change = self._latest()
        if change is None:
            return
        wanted, before = _pools(change.profile), _pools(change.before_profile)
        if (not wanted and not before) or change.id == self._pools_settled:
            return
        if change.id == self._pools_change and time.monotonic() < self._pools_at + POOLS_EVERY_S:
            return
        self._sizes = self._sizes or self._make_sizes()
        told = self._sizes.follow(change.id, wanted, before, self._hold)
        if not self._hold():
            return
        self._pools_at, self._pools_change = time.monotonic(), change.id
        late = self._context.now() > change.at + POOLS_SETTLE
        if late and not wanted and not told["missing"] and not any("told" in one for one in told["workers"].values()):
            # Every worker has its own size again; those that come begin with it.
            self._pools_settled = change.id
        with self._context.ledger.read() as session:
            known = controls.some(session, [POOLS]).get(POOLS)
        if told != known:
            with self._context.ledger.write() as session:
                controls.put(session, POOLS, told, self._context.now())

    def _in_force(self) -> InForce | None:
        with self._context.ledger.read() as session:
            return ledger.peaks.in_force(session)

    def _latest(self) -> Change | None:
        with self._context.ledger.read() as session:
            return next(iter(ledger.peaks.history(session, 1)), None)


def watch_guards(context: Context, lookout: Lookout, standing: InForce, profile: PeakProfile) -> list[Watch]:
    """The guards of the profile in force as they stand now. Raises one of LedgerUnavailable."""
    now = context.now()
    views = lookout.look(context.fleet.families, now)
    with context.ledger.read() as session:
        figures = Figures(views, ledger.standing.remembered(session))
        known = since_known(session, standing)
    return watch(profile.guards, figures, known, standing.since, now)


def since_known(session: Session, in_force: InForce) -> Mapping[str, Any]:
    """Since when guards of the profile in force are broken, as far as it was noted."""
    told = controls.some(session, [peaks.GUARDS]).get(peaks.GUARDS, {})
    since = told.get("since", {}) if told.get("change") == in_force.change else {}
    return since if isinstance(since, dict) else {}


def _pools(profile: ledger.peaks.Profile | None) -> Mapping[str, PoolProfile]:
    told = _read(profile, "a kept profile") if profile is not None else None
    return told.pools if told else {}


def _read(profile: ledger.peaks.Profile, where: str) -> PeakProfile | None:
    """A kept profile; None, and told, if it was written by a release that says more than this one understands."""
    try:
        return read_profile(profile, where)
    except ConfigError as error:
        emit(Name.PEAK_KEEP_FAILED, stage="profile", error=error)
        return None
