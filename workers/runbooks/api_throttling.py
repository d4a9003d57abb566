"""Runs the runbook of a target that refuses for the rate: less is asked of it, what matters first, until its limit is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import ledger.outcomes
from adapters.throttle.base import OutOfReachError
from ledger import controls
from workers import lane_rules
from workers.lanes import LaneView
from workers.runbooks import looking
from workers.runbooks.base import Check, Desk, Parameter, RunbookRefusedError, Step, Words, number
from workers.runbooks.lane_steps import SetLane

REFUSED_PART = 0.05
STILL_PART = 0.02
SAFE = 0.9
SLOWEST_PER_S = 0.1


@dataclass(frozen=True, slots=True)
class ApiThrottling:
    """Throttle answers last although the limiter lowers itself: somebody else uses the account, or its limit changed."""

    name: ClassVar[str] = "api-throttling"
    title: ClassVar[str] = "A target refuses for the rate"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("lane", "the lane, such as deliver.netsuite"),
        Parameter("rate", "requests a second; else nine tenths of what the target took in the last minute", ""),
    )

    def check(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """It refuses now, nobody holds the lane, its limiter can be read."""
        looking.target_of(desk, given["lane"])
        view = desk.lane(given["lane"])
        return [looking.limiter_told(view), looking.is_open(view), _refuses(view)]

    def plan(self, desk: Desk, given: Mapping[str, str]) -> Sequence[Step]:
        """A lower rate, and strictly the higher class first."""
        lane = given["lane"]
        rate = number(given, "rate", SLOWEST_PER_S) if given["rate"] else _taken_per_s(desk, lane) * SAFE
        rate = max(SLOWEST_PER_S, round(rate, 2))
        with desk.context.ledger.read() as session:
            set_now = controls.read_all(session)
        limit: dict[str, Any] = {**set_now.get(lane_rules.name_of(lane_rules.LIMIT, lane), {}), "rate_per_s": rate, "burst": 1}
        weights = lane_rules.weights_of(set_now, desk.context.fleet, lane).model_copy(update={"strict": True})
        return [SetLane(lane, {lane_rules.LIMIT: limit, lane_rules.WEIGHTS: weights.model_dump()})]

    def verify(self, desk: Desk, given: Mapping[str, str], done: Sequence[Words], since: datetime) -> list[Check]:
        """The limit is in force and kept, refusals have ended, orders still go, and no attempt was spent on a refusal."""
        lane = given["lane"]
        view, rate = desk.lane(lane), float(done[0]["values"]["values"][lane_rules.LIMIT]["rate_per_s"])
        in_force = view.limit.rate_per_s if view.limit else None
        status = view.status
        answered, throttled = (status.answered_10s, status.throttled_10s) if status else (0, 0)
        with desk.context.ledger.read() as session:
            told = ledger.outcomes.lately(session, looking.target_of(desk, lane), since)
        went = sum(told.get(word, 0) for word in looking.WELL)
        waits = looking.waiting(view)
        old = (desk.now() - since).total_seconds() > 11
        quiet = old and status is not None and throttled <= STILL_PART * answered
        return [
            Check("the limit is in force", in_force == rate, f"{in_force:g} a second" if in_force else "no rate"),
            Check("refusals have ended", quiet, f"{throttled} of {answered} answers in 10 s"),
            Check("orders still go", went > 0 or not waits, f"{went} accepted since, {waits} wait"),
        ]

    def may_undo(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """It does not refuse any more."""
        status = desk.lane(given["lane"]).status
        answered, throttled = (status.answered_10s, status.throttled_10s) if status else (0, 0)
        calm = throttled <= STILL_PART * answered
        return [Check("the target does not refuse now", calm, f"{throttled} of {answered} answers in 10 s")]


def _refuses(view: LaneView) -> Check:
    status = view.status
    if status is None:
        return Check("the target refuses for the rate", False, "the limiter cannot be read")
    part = status.throttled_60s / status.answered_60s if status.answered_60s else 0.0
    paused = f", it asked to wait {status.paused_s:.0f} s" if status.paused_s > 0 else ""
    seen = f"{status.throttled_60s} of {status.answered_60s} answers in the last minute{paused}"
    return Check("the target refuses for the rate", part >= REFUSED_PART or status.paused_s > 0, seen)


def _taken_per_s(desk: Desk, lane: str) -> float:
    """What the target took a second, over the seconds of the last minute in which it was asked."""
    view = desk.lane(lane)
    if view.limit is None or view.target is None:
        return SLOWEST_PER_S
    try:
        samples = [one for one in desk.lookout.samples(view.target, view.limit, 60.0) if one.answered]
    except OutOfReachError:
        raise RunbookRefusedError(f"the limiter of {lane} cannot be read: give --with rate=") from None
    taken = sum(one.answered - one.throttled for one in samples)
    return taken / len(samples) if samples else SLOWEST_PER_S
