"""Does the looking up of what the peak profile in force asks of preparing: classes, rests, where orders go."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import ledger.peaks
from config.fleet import ClassRule, Fleet, Route
from config.nearest import ConfigError
from config.peaks import DeferRule, read_profile
from ledger import controls
from ledger.peaks import InForce
from ledger.session import Session
from telemetry.bus import emit
from telemetry.events import Name

FRESH = timedelta(seconds=1)
SOURCING_AFTER = timedelta(seconds=2)
"""Sourcing acts so long after its profile came into force. By then every process knows that orders may be elsewhere, so none
sends what belongs to an order where the order is not.
"""


@dataclass(frozen=True, slots=True)
class Rules:
    """What preparing goes by. ``sourcing`` replaces the fleet's ``routes`` for what it fits; ``sourced``: orders may be
    elsewhere than the fleet's routes say.
    """

    classes: tuple[ClassRule, ...]
    routes: tuple[Route, ...]
    sourcing: tuple[Route, ...] = ()
    defer: tuple[DeferRule, ...] = ()
    sourced: bool = False


def rules_of(fleet: Fleet, profile: ledger.peaks.Profile | None, *, sourced: bool = False) -> Rules:
    """The rules of a fleet file with a kept profile over it. Raises ConfigError if this release cannot read that profile."""
    filed = Rules(fleet.classes, fleet.routes, sourced=sourced)
    if profile is None:
        return filed
    told = read_profile(profile, "the peak profile in force")
    known = tuple(route for route in told.sourcing if route.target in fleet.targets)
    return replace(filed, classes=(*told.classes, *fleet.classes), sourcing=known, defer=told.defer)


class PeakRules:
    """The rules in force, read from the ledger at most once a second; one of it a process."""

    def __init__(self) -> None:
        self._read_at: datetime | None = None
        self._state = (0, False, False)
        self._rules: Rules | None = None

    def current(self, session: Session, fleet: Fleet, at: datetime) -> Rules:
        """The rules at a moment."""
        known, read_at = self._rules, self._read_at
        if known is not None and read_at is not None and read_at <= at < read_at + FRESH:
            return known
        told = controls.some(session, (ledger.peaks.PEAK, ledger.peaks.SOURCED))
        standing = ledger.peaks.read(told.get(ledger.peaks.PEAK))
        state = (standing.change if standing else 0, ledger.peaks.SOURCED in told, _settled(standing, at))
        if known is None or state != self._state:
            known = _made(fleet, standing, at, sourced=state[1])
        self._rules, self._state, self._read_at = known, state, at
        return known


def _made(fleet: Fleet, standing: InForce | None, at: datetime, *, sourced: bool) -> Rules:
    try:
        rules = rules_of(fleet, standing.profile if standing else None, sourced=sourced)
    except ConfigError as error:
        # Written by another release. The fleet file is what every process knows.
        emit(Name.PEAK_KEEP_FAILED, stage="prepare", error=error)
        return Rules(fleet.classes, fleet.routes, sourced=sourced)
    return rules if _settled(standing, at) else replace(rules, sourcing=())


def _settled(standing: InForce | None, at: datetime) -> bool:
    return standing is not None and at >= standing.since + SOURCING_AFTER


def where_it_is(targets: Sequence[str], meant: Sequence[str], placed: Sequence[str]) -> tuple[str, ...]:
    """The ``targets`` of something that belongs to an order, put right for where the order is: it was ``meant`` to go to some and
    is ``placed`` at others.

    >>> where_it_is(("books", "wms"), ("books",), ("books-eu",))
    ('books-eu', 'wms')
    """
    if not placed or not set(meant) - set(placed):
        return tuple(targets)
    instead = tuple(target for target in placed if target not in meant)
    found = (one for target in targets for one in (instead if target in meant and target not in placed else (target,)))
    return tuple(dict.fromkeys(found))
