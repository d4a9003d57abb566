"""Runs the plan of the fetchers: what operators set and the maintenance windows, read from the ledger once a second."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import ledger.windows
from adapters.throttle.base import Limit
from config.fleet import FamilyWeights, Fleet
from config.peaks import read_profile
from ledger import controls, peaks
from ledger.session import Ledger, Session
from routing import names, windows
from routing.weights import Weights
from routing.windows import Standing
from workers import bootstrap, lane_rules
from workers.fetch.plan import FetchPlan, Gate
from workers.lane_rules import Controls
from workers.maintenance import Windows, gate_of, windows_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LaneState:
    """``word`` is open, paused, announced, draining, held, canary or ramp; ``scale`` the part of the limit it leaves, 0 closed;
    ``until`` its end, None where that is open.
    """

    word: str
    why: str
    scale: float
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything in force for the lanes at one moment: controls and maintenance windows."""

    set_now: Controls
    windows: Windows

    def over(self, fleet: Fleet) -> Fleet:
        """The fleet file with the peak profile in force over it; what operators set for a lane stands above both."""
        standing = peaks.read(self.set_now.get(peaks.PEAK))
        if standing is None:
            return fleet
        try:
            return read_profile(standing.profile, f"peak profile {standing.name}").over(fleet)
        except ValueError as error:
            _log.warning("peak profile %s does not fit, the fleet file is in force: %s", standing.name, type(error).__name__)
            return fleet

    def plan(self, fleet: Fleet, at: datetime) -> FetchPlan:
        """The fetchers' plan at a moment."""
        filed, fleet = fleet, self.over(fleet)
        limits = {target: self._limit(fleet, filed, target) for target in fleet.targets}
        gates = self._gates(limits, fleet, at)
        shares = {lane: lane_rules.shares_of(self.set_now, fleet, lane) for lane in fleet.families}
        return FetchPlan(
            weights={lane: _as_turns(lane_rules.weights_of(self.set_now, fleet, lane)) for lane in fleet.families},
            paused=frozenset(lane for lane in fleet.families if self.paused(lane, at)),
            shares={lane: told for lane, told in shares.items() if told},
            gates={lane: gate for lane, gate in gates.items() if gate != Gate()},
            limits={target: _within(limit, gates.get(names.lane(target))) for target, limit in limits.items()},
        )

    def limit(self, fleet: Fleet, target: str) -> Limit:
        """The target's limit; the fleet file's where what operators or the peak profile set no longer fits it."""
        return self._limit(self.over(fleet), fleet, target)

    def _limit(self, over: Fleet, filed: Fleet, target: str) -> Limit:
        for set_now, fleet in ((self.set_now, over), ({}, over)):
            try:
                return lane_rules.limit_in_force(set_now, fleet, target)
            except ValueError as error:
                _log.warning("limit set for %s does not fit the fleet file, which is in force: %s", target, type(error).__name__)
        return lane_rules.filed_limit(filed, target)

    def paused(self, lane: str, at: datetime) -> lane_rules.Pause | None:
        """The operator's pause that holds a lane at a moment."""
        pause = lane_rules.pause_of(self.set_now, lane)
        return pause if pause is not None and pause.in_force(at) else None

    def state(self, fleet: Fleet, lane: str, at: datetime) -> LaneState:
        """What pause, window and ramp make of a lane at a moment."""
        pause = self.paused(lane, at)
        if pause is not None:
            return LaneState("paused", f"{pause.reason} ({pause.by})", 0.0, pause.until)
        standing = self.windows.standings(at).get(lane)
        target = names.target_of(lane)
        gate = self._gate(self.limit(fleet, target) if target else None, lane, standing, at)
        scale = 0.0 if gate.closed_s else gate.scale
        if standing is None:
            return LaneState("ramp" if scale < 1 else "open", gate.why, scale)
        why = f"maintenance window {standing.window.id}: {standing.window.why}"
        return LaneState(standing.phase.kind, why, scale, standing.phase.ends_at)

    def _gates(self, limits: Mapping[str, Limit], fleet: Fleet, at: datetime) -> Mapping[str, Gate]:
        standings = self.windows.standings(at)
        return {
            lane: self._gate(limits.get(names.target_of(lane) or ""), lane, standings.get(lane), at) for lane in fleet.families
        }

    def _gate(self, limit: Limit | None, lane: str, standing: Standing | None, at: datetime) -> Gate:
        most = limit.concurrency if limit else None
        scale = lane_rules.scale_of(self.set_now, lane, at)
        gate = Gate() if standing is None else gate_of(standing, at, most)
        if gate.closed_s or gate.scale <= scale:
            return gate
        return Gate(scale, gate.most_at_once, why=gate.why or "resumed on a ramp")


class LedgerPlan:
    """The plan a worker's fetcher goes by: the rules in the ledger over the fleet file."""

    def __init__(self, opened: Ledger, fleet: Fleet, now: Callable[[], datetime] = bootstrap.now) -> None:
        self._ledger = opened
        self._fleet = fleet
        self._now = now

    def current(self) -> FetchPlan:
        """Read it now. Raises one of LedgerUnavailable; the fetcher then keeps the last one."""
        at = self._now()
        with self._ledger.read() as session:
            rules = read_rules(session, at)
        canaries = rules.windows.canaries(at)
        if canaries:
            self._note(canaries, rules.windows, at)
        return rules.plan(self._fleet, at)

    def _note(self, canaries: list[Standing], known: Windows, at: datetime) -> None:
        with self._ledger.write() as session:
            for one in canaries:
                needed = windows.accepted_needed(one.window, known.of(one.window).get(one.occurs_at))
                target = names.target_of(one.window.lane) or ""
                ledger.windows.note_accepted(session, one.window.id, one.occurs_at, target, needed, at)


def read_rules(session: Session, at: datetime) -> Rules:
    """All rules in force, by three small queries."""
    return Rules(controls.read_all(session), windows_of(*ledger.windows.in_force(session, at)))


def weights_in_force(session: Session, fleet: Fleet) -> dict[str, FamilyWeights]:
    """Weights of every lane: the operator's, else the peak profile's, else the fleet file's, else the default."""
    rules = Rules(controls.read_all(session), Windows())
    filed = rules.over(fleet)
    return {lane: lane_rules.weights_of(rules.set_now, filed, lane) for lane in fleet.families}


def _within(limit: Limit, gate: Gate | None) -> Limit:
    """The limit under a lane's gate: a canary is one for the fleet also where nothing else bounds how many go at once."""
    if gate is None or gate.most_at_once is None or limit.concurrency is not None:
        return limit
    return replace(limit, concurrency=gate.most_at_once)


def _as_turns(weights: FamilyWeights) -> Weights:
    return Weights(weights.high, weights.normal, weights.low, weights.strict, aged_after_s=weights.aged_after_s)
