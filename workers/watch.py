"""Runs the look at what is watched: every figure that metrics show and alerts are made of, by a few small reads."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import ledger.alerts
import ledger.notices
import ledger.peaks
from config.fleet import Fleet, ServiceLevels
from ledger import audit, business, service_levels, watched
from ledger.service_levels import Misses, Promise
from ledger.session import Ledger, Session
from telemetry.gauges import Reading
from workers.bootstrap import now
from workers.broker_alarm import BrokerAlarm
from workers.lanes import LaneView, Lookout
from workers.settlement_figures import exceptions_of

FAST, SLOW = (
    ((timedelta(hours=1), timedelta(minutes=5), 14.4), (timedelta(hours=6), timedelta(minutes=30), 6.0)),
    ((timedelta(days=3), timedelta(hours=6), 1.0),),
)
"""Windows, long and short, and how many times the even spending of a 30-day budget calls a person: the multi-window,
multi-burn-rate alerts of Google's SRE workbook, chapter 5."""
LEAST_MISSED = 3
"""One late order in a quiet night is no burning budget."""
HOUR, TEN_MINUTES = timedelta(hours=1), timedelta(minutes=10)
MOST_OWNERS = 50
LEAST_ANSWERS = 10


def promises_of(levels: ServiceLevels) -> tuple[Promise, ...]:
    """What the fleet file promises, flow by flow."""
    return (
        Promise("order_creation", "orders", "order.create", levels.order_creation_s),
        Promise("shipment_confirmation", "shipments", "shipment.create", levels.shipment_confirmation_s),
        Promise("stock_publication", "stock", "stock.publish", levels.stock_publication_s),
        Promise("refund_posting", "returns", "return.create", levels.refund_posting_s),
    )


@dataclass(frozen=True, slots=True)
class Watch:
    """Reads every figure of `telemetry.figures`. ``alarm`` None: the broker's alarms cannot be asked for."""

    ledger: Ledger
    fleet: Fleet
    lookout: Lookout
    alarm: BrokerAlarm | None = None
    now: Callable[[], datetime] = now

    def chain(self) -> list[Reading]:
        """Whether the audit chain verifies; reads all of it. Raises one of LedgerUnavailable."""
        with self.ledger.read() as session:
            return [Reading("millrace_audit_chain_broken", float(not audit.check(session).whole))]

    def read(self) -> list[Reading]:
        """All of it now. Raises one of LedgerUnavailable."""
        at = self.now()
        with self.ledger.read() as session:
            found = [
                *_service(session, self.fleet.service_levels, at),
                *_in_the_way(session, at),
                *_peak(session, at),
                *_people(session, self.fleet, at),
                *exceptions_of(session, at),
            ]
        return [*found, *_lanes(self.lookout, self.lookout.look(self.fleet.families, at)), *self._broker()]

    def _broker(self) -> list[Reading]:
        if self.alarm is None:
            return []
        why = self.alarm.look()
        return [Reading("millrace_broker_alarm", float(bool(why)), why=why)]


def _service(session: Session, levels: ServiceLevels, at: datetime) -> Iterable[Reading]:
    for level in service_levels.levels(session):
        for result in ("kept", "late", "parked"):
            labels = {"flow": level.flow, "result": result}
            yield Reading("millrace_service_judged_total", getattr(level, result), labels)
    windows = {window for pace in (FAST, SLOW) for pair in pace for window in pair[:2]}
    misses = {window: service_levels.misses(session, at - window) for window in windows}
    for promise in promises_of(levels):
        yield Reading("millrace_service_level_objective", levels.objective, {"flow": promise.flow})
        for pace, pairs in (("fast", FAST), ("slow", SLOW)):
            burn = max(_burn(misses[long], misses[short], promise.flow, levels.objective) / times for long, short, times in pairs)
            yield Reading("millrace_service_level_burn", burn, {"flow": promise.flow, "pace": pace})


def _burn(long: dict[str, Misses], short: dict[str, Misses], flow: str, objective: float) -> float:
    """How many times as fast as the budget allows, by the window that says less: the short one ends an alert soon."""
    whole = long.get(flow, Misses())
    if whole.missed < LEAST_MISSED:
        return 0.0
    return min(whole.ratio, short.get(flow, Misses()).ratio) / (1 - objective)


def _in_the_way(session: Session, at: datetime) -> Iterable[Reading]:
    unsent = {heap.name: heap for heap in watched.unsent(session)}
    for stage in ("event", "delivery"):
        heap = unsent.get(stage)
        yield Reading("millrace_outbox_rows", heap.count if heap else 0, {"stage": stage})
        age_s = (at - heap.oldest_at).total_seconds() if heap else 0.0
        yield Reading("millrace_outbox_oldest_age_seconds", max(0.0, age_s), {"stage": stage})
    doubtful = watched.uncertain(session)
    ages = watched.ages(doubtful, at)
    for heap in doubtful:
        yield Reading("millrace_uncertain_rows", heap.count, {"target": heap.name})
        yield Reading("millrace_uncertain_oldest_age_seconds", ages[heap.name], {"target": heap.name})
    yield Reading("millrace_dead_letters_recent", watched.dead_lettered(session, at - HOUR))
    yield Reading("millrace_poison_recent", watched.poisoned(session, at - TEN_MINUTES))


def _peak(session: Session, at: datetime) -> Iterable[Reading]:
    standing = ledger.peaks.in_force(session)
    if standing is None:
        return
    labels = {"profile": standing.name}
    yield Reading("millrace_peak_profile_in_force", 1.0, labels)
    if standing.ends_at is not None:
        yield Reading("millrace_peak_profile_rest_seconds", max(0.0, (standing.ends_at - at).total_seconds()), labels)


def _people(session: Session, fleet: Fleet, at: datetime) -> Iterable[Reading]:
    for owned in business.exceptions_by_owner(session, fleet.desk, at)[:MOST_OWNERS]:
        yield Reading("millrace_exceptions_open", owned.count, {"owner": owned.owner})
        yield Reading("millrace_exceptions_overdue", owned.overdue, {"owner": owned.owner})
    for action, count in watched.deeds(session):
        yield Reading("millrace_operator_deeds_total", count, {"action": action})
    firing = [alert.severity for alert in ledger.alerts.live(session) if alert.state == "firing"]
    for severity in ("page", "ticket"):
        yield Reading("millrace_alerts_firing", firing.count(severity), {"severity": severity})
    notices = ledger.notices.counts(session)
    for state in ("waiting", "sent", "failed"):
        yield Reading("millrace_notices", notices.get(state, 0), {"state": state})


def _lanes(lookout: Lookout, views: Sequence[LaneView]) -> Iterable[Reading]:
    for view in views:
        held = view.state.word == "paused"
        yield Reading("millrace_lane_held_by_hand", float(held), {"family": view.lane}, view.state.why if held else "")
        if view.target is not None and view.status is not None and view.status.answered_60s >= LEAST_ANSWERS:
            share = view.status.throttled_60s / view.status.answered_60s
            yield Reading("millrace_lane_throttled_share", share, {"target": view.target})
    if lookout.shares_limits:
        silent = any(view.target is not None and view.status is None for view in views)
        yield Reading("millrace_limiter_unshared", float(silent))
