"""Runs the figures of stock for business users: what receiving sides believe, what was oversold, what lacks a reservation, where
orders stand.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from config.fleet import Fleet
from ledger import counts, locations, oversell, unreserved
from ledger.locations import AtLocation
from ledger.session import Session
from telemetry.gauges import MOST_SERIES, Reading

A_DAY = timedelta(days=1)
MOST_LOCATIONS = 200
OTHER = "other"


def stock_of(session: Session, fleet: Fleet, at: datetime) -> Iterable[Reading]:
    """Every figure of this kind, as `telemetry.figures` lists them. Raises one of LedgerUnavailable."""
    yield from _accuracy(session, fleet, at)
    yield from _oversell(session, at)
    yield from _unreserved(session, fleet, at)
    yield from by_location(locations.backlog_by_location(session, list(fleet.targets)), at)


def counted_targets(fleet: Fleet) -> list[str]:
    """Targets that some source counts for."""
    return sorted({source.speaks_for for source in fleet.sources.values() if source.speaks_for is not None})


def promises(fleet: Fleet) -> dict[str, float]:
    """Sources that promise to reserve for every order, with how soon, in seconds."""
    return {name: source.reserves_within_s for name, source in fleet.sources.items() if source.reserves_within_s is not None}


def _accuracy(session: Session, fleet: Fleet, at: datetime) -> Iterable[Reading]:
    for one in counts.accuracy(session, counted_targets(fleet), at - A_DAY):
        target = {"target": one.target}
        for result in counts.RESULTS:
            yield Reading("millrace_inventory_counts", getattr(one, result), target | {"result": result})
        yield Reading("millrace_inventory_pieces_apart", one.over, target | {"direction": "over"})
        yield Reading("millrace_inventory_pieces_apart", one.under, target | {"direction": "under"})
        if one.ratio is not None and one.mean_apart is not None:
            yield Reading("millrace_inventory_accuracy_ratio", one.ratio, target)
            yield Reading("millrace_inventory_mean_pieces_apart", one.mean_apart, target)


def _oversell(session: Session, at: datetime) -> Iterable[Reading]:
    cancelled = dict(oversell.cancelled(session, at - A_DAY))
    rates = oversell.rates(session, at - A_DAY)
    for channel in sorted(cancelled.keys() | {one.channel for one in rates}):
        yield Reading("millrace_orders_cancelled_for_stock", cancelled.get(channel, 0), {"channel": channel})
    for one in rates:
        yield Reading("millrace_oversell_ratio", one.cancelled / one.told, {"channel": one.channel})
    for short in oversell.oversold(session):
        yield Reading("millrace_positions_oversold", short.positions, {"channel": short.channel})
        yield Reading("millrace_positions_oversold_pieces", short.pieces, {"channel": short.channel})


def _unreserved(session: Session, fleet: Fleet, at: datetime) -> Iterable[Reading]:
    for one in unreserved.without_reservation(session, promises(fleet), at):
        channel = {"channel": one.channel}
        yield Reading("millrace_orders_without_reservation", one.count, channel)
        age_s = (at - one.oldest_at).total_seconds() if one.oldest_at else 0.0
        yield Reading("millrace_orders_without_reservation_oldest_age_seconds", max(0.0, age_s), channel)


def by_location(rows: Sequence[AtLocation], at: datetime) -> Iterable[Reading]:
    """The backlog by location: the fullest locations by name, the others together."""
    named = _named(rows)
    found: dict[tuple[str, str, str], list[AtLocation]] = defaultdict(list)
    for row in rows:
        found[row.location if row.location in named else OTHER, row.domain, row.stage].append(row)
    for (location, domain, stage), some in sorted(found.items()):
        labels = {"location": location, "domain": domain, "stage": stage}
        yield Reading("millrace_backlog_by_location", sum(row.count for row in some), labels)
        oldest_s = (at - min(row.oldest_at for row in some)).total_seconds()
        yield Reading("millrace_backlog_by_location_oldest_age_seconds", max(0.0, oldest_s), labels)


def _named(rows: Sequence[AtLocation]) -> set[str]:
    """The locations that are shown by name, the fullest: a location is a word of the sender's, and there may be many."""
    by_location: dict[str, list[AtLocation]] = defaultdict(list)
    for row in rows:
        by_location[row.location].append(row)
    fullest = sorted(by_location, key=lambda location: (-sum(row.count for row in by_location[location]), location))
    named: set[str] = set()
    # The others share one name, which has at most as many series as there are places.
    left = MOST_SERIES - len({(row.domain, row.stage) for row in rows})
    for location in fullest[:MOST_LOCATIONS]:
        left -= len(by_location[location])
        if left < 0:
            break
        named.add(location)
    return named
