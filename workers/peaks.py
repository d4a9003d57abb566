"""Runs what operators do to peak profiles: what would change, apply and take back; each deed one transaction, written down."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import ledger.peaks
from config.fleet import ClassRule, Fleet, Route
from config.peaks import DeferRule, Guard, PeakProfile, read_profile
from ledger import actions, controls
from ledger.actions import Action
from ledger.peaks import Deed, InForce
from ledger.session import Session
from workers.lane_actions import Operator
from workers.lane_rules import Controls
from workers.lane_words import above_file, flat, word
from workers.maintenance import Windows
from workers.plan import Rules

SUBJECT = "peak"
GUARDS = "peak.guards"
MOST_BELOW = 3
"""Profiles that are kept below the one in force."""


class NothingInForceError(Exception):
    """No profile is in force: the fleet file is."""


class PeakChangedError(Exception):
    """Another profile is in force than the one that was looked at: look again."""


class WrongTimesError(ValueError):
    """A profile cannot come into force from then until then."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. ``note`` says why it would not act."""

    where: str
    what: str
    before: str
    after: str
    note: str = ""


def difference(profile: PeakProfile | None, fleet: Fleet, set_now: Controls) -> list[Difference]:
    """What would differ from what is in force now; ``profile`` None: if the fleet file alone were."""
    standing = standing_profile(ledger.peaks.read(set_now.get(ledger.peaks.PEAK)))
    before, after = Rules(set_now, Windows()).over(fleet), profile.over(fleet) if profile else fleet
    found = []
    for lane in fleet.families:
        found += _lane(lane, before, after, set_now)
    told_before, told_after = _told(standing), _told(profile)
    for where in told_before | told_after:
        old, new = told_before.get(where, {}), told_after.get(where, {})
        found += [
            Difference(where, what, old.get(what, "-"), new.get(what, "-"))
            for what in dict.fromkeys([*old, *new])
            if old.get(what) != new.get(what)
        ]
    return found


def above(profile: PeakProfile, fleet: Fleet) -> list[str]:
    """What a profile would allow beyond the fleet file, in words. Raises ValueError for a limit that cannot be."""
    found = []
    for lane, told in profile.lanes.items():
        limit = told.limit.model_dump(by_alias=True, exclude_unset=True) if told.limit else {}
        found += [f"{lane}: {words}" for words in above_file(fleet, lane, {"limit": limit} if limit else {})]
    return found


def apply(
    session: Session, profile: PeakProfile, who: Operator, at: datetime, *, ends_at: datetime | None = None, deed: Deed = "apply",
    expected: int | None = None,
) -> InForce:  # fmt: skip
    """Put a profile in force until ``ends_at``, else as long as it lasts. ``expected``: number of the change that was looked at,
    0 for none. Raises PeakChangedError if another one is in force by now.
    """
    ledger.peaks.lock(session, at)
    before = ledger.peaks.in_force(session)
    if expected is not None and expected != (before.change if before else 0):
        raise PeakChangedError(f"{before.name if before else 'the fleet file alone'} is in force by now")
    ends_at = ends_at or (at + timedelta(seconds=profile.lasts_s) if profile.lasts_s else None)
    kept = profile.kept()
    change = ledger.peaks.note_change(session, deed, who.by, who.why, before, profile.name, kept, ends_at, at)
    under = before.previous if before and before.name == profile.name else before
    standing = InForce(change, profile.name, kept, at, who.by, who.why, ends_at, _at_most(under, MOST_BELOW))
    if profile.sourcing:
        ledger.peaks.note_sourced(session, at)
    _put(session, before, standing, who, at, deed)
    return standing


def revert(
    session: Session, who: Operator, at: datetime, *, deed: Deed = "revert", expected: int | None = None
) -> InForce | None:
    """Take the profile in force back; returns what is in force then: the one before it that has not ended, else None.

    Raises NothingInForceError, and PeakChangedError as `apply` does.
    """
    ledger.peaks.lock(session, at)
    before = ledger.peaks.in_force(session)
    if before is None:
        raise NothingInForceError("no peak profile is in force")
    if expected is not None and expected != before.change:
        raise PeakChangedError(f"{before.name} is in force by now")
    last = below(before, at)
    name, profile, ends_at = (last.name, last.profile, last.ends_at) if last else (None, None, None)
    change = ledger.peaks.note_change(session, deed, who.by, who.why, before, name, profile, ends_at, at)
    after = replace(last, change=change, since=at) if last else None
    _put(session, before, after, who, at, deed)
    return after


def below(standing: InForce, at: datetime) -> InForce | None:
    """What comes back when a profile is taken back: the one before it whose time is not over."""
    found = standing.previous
    while found is not None and found.ends_at is not None and found.ends_at <= at:
        found = found.previous
    return found


def end_of(profile: PeakProfile, starts_at: datetime, ends_at: datetime | None, now: datetime) -> datetime | None:
    """When it ends that starts then: as told, else as long as the profile lasts. Raises WrongTimesError."""
    if starts_at <= now:
        raise WrongTimesError("its start is past; put it in force now instead")
    if ends_at is None and profile.lasts_s:
        return starts_at + timedelta(seconds=profile.lasts_s)
    if ends_at is not None and ends_at <= starts_at:
        raise WrongTimesError("its end is not after its start")
    return ends_at


def schedule(
    session: Session, profile: PeakProfile, who: Operator, at: datetime, starts_at: datetime, ends_at: datetime | None, zone: str
) -> int:
    """Have a profile, as it is now, come into force by itself; returns the entry's number."""
    number = ledger.peaks.schedule(session, profile.name, profile.kept(), starts_at, ends_at, zone, who.by, who.why, at)
    told = {"schedule": number, "profile": profile.name, "starts_at": starts_at.isoformat(), "zone": zone}
    told |= {"ends_at": ends_at.isoformat() if ends_at else ""}
    actions.write(session, Action(at, who.by, "peak.plan", SUBJECT, who.why, {}, told, who.role))
    return number


def unschedule(session: Session, number: int, who: Operator, at: datetime) -> bool:
    """Take an entry back; False if it is not to come any more."""
    done = ledger.peaks.settle_scheduled(session, number, "cancelled", at)
    if done:
        actions.write(session, Action(at, who.by, "peak.cancel", SUBJECT, who.why, {"schedule": number}, {}, who.role))
    return done


def standing_profile(standing: InForce | None) -> PeakProfile | None:
    """The profile of what is in force. Raises ConfigError if this release cannot read it."""
    return read_profile(standing.profile, f"peak profile {standing.name}") if standing else None


def _put(session: Session, before: InForce | None, after: InForce | None, who: Operator, at: datetime, deed: Deed) -> None:
    ledger.peaks.put(session, after, at)
    controls.remove(session, GUARDS)
    actions.write(session, Action(at, who.by, f"peak.{deed}", SUBJECT, who.why, _noted(before), _noted(after), who.role))


def _noted(standing: InForce | None) -> dict[str, Any]:
    if standing is None:
        return {}
    ends_at = standing.ends_at.isoformat() if standing.ends_at else ""
    return {"profile": standing.name, "since": standing.since.isoformat(), "ends_at": ends_at, "change": standing.change}


def _at_most(standing: InForce | None, most: int) -> InForce | None:
    if standing is None or most == 0:
        return None
    return replace(standing, previous=_at_most(standing.previous, most - 1))


def _lane(lane: str, before: Fleet, after: Fleet, set_now: Controls) -> list[Difference]:
    old, new, wanted = flat(before, lane, set_now), flat(after, lane, set_now), flat(after, lane, {})
    filed = flat(before, lane, {})
    found = [Difference(f"lane {lane}", k, old.get(k, "-"), v) for k, v in new.items() if old.get(k) != v]
    found += [Difference(f"lane {lane}", k, v, "-") for k, v in old.items() if k not in new]
    stays = "an operator set it: millrace lanes set --reset"
    found += [
        Difference(f"lane {lane}", k, old.get(k, "-"), v, stays)
        for k, v in wanted.items()
        if filed.get(k) != v and new.get(k) != v
    ]
    return found


def _told(profile: PeakProfile | None) -> dict[str, dict[str, str]]:
    if profile is None:
        return {}
    pools = {name: _pool(pool.concurrency, pool.processes) for name, pool in profile.pools.items()}
    return {
        "classes": _numbered([_class_rule(rule) for rule in profile.classes]),
        "pools": pools,
        "defer": _numbered([_defer_rule(rule) for rule in profile.defer]),
        "sourcing": _numbered([_route(route) for route in profile.sourcing]),
        "guards": _numbered([guard_words(guard) for guard in profile.guards]),
    }


def _numbered(told: list[str]) -> dict[str, str]:
    return {f"rule {number}": words for number, words in enumerate(told, 1)}


def _pool(concurrency: int | None, processes: int | None) -> str:
    told = [f"{concurrency} at once in each worker"] if concurrency else []
    return ", ".join(told + ([f"counts on {processes} workers"] if processes else []))


def _class_rule(rule: ClassRule) -> str:
    told = rule.model_dump(exclude_defaults=True)
    return f"{rule.cls}: {_conditions(told, ('cls',))}"


def _defer_rule(rule: DeferRule) -> str:
    told = rule.model_dump(include={"kinds", "sources", "classes", "targets"}, exclude_defaults=True)
    return f"{_conditions(told, ())} until {rule.quiet_from} ({rule.zone}), at most {rule.at_most_s / 3600:g} h"


def _route(route: Route) -> str:
    return f"{route.target}: {_conditions(route.model_dump(exclude_defaults=True), ('target',))}"


def guard_words(guard: Guard) -> str:
    """A guard as people read it."""
    of = " ".join(part for part in (guard.metric, guard.lane, guard.cls) if part)
    side = f"above {guard.above:g}" if guard.above is not None else f"below {guard.below:g}"
    return f"{of} {side} for {guard.for_s:g} s"


def _conditions(told: Mapping[str, Any], without: tuple[str, ...]) -> str:
    words = [
        f"{name.replace('_', ' ')} {', '.join(map(str, value)) if isinstance(value, list | tuple) else word(value)}"
        for name, value in told.items()
        if name not in without
    ]
    return "; ".join(words) or "everything"
