"""Runs the figures for business users: what is on its way by channel and stage, how long it took, what was completed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from config.fleet import Fleet, ServiceLevels
from config.topology import load_topology
from ledger import business, performance
from ledger.business import Backlog, Pending
from ledger.session import Ledger, Session
from telemetry.gauges import Reading
from workers.journey_figures import journeys_of
from workers.settlement_figures import mismatches_of
from workers.stock_figures import stock_of
from workers.watch import promises_of

LATELY = timedelta(minutes=10)
A_DAY = timedelta(days=1)
PERCENTILES = (("50", "p50_s"), ("95", "p95_s"), ("99", "p99_s"))


def business_of(opened: Ledger, fleet: Fleet, at: datetime) -> list[Reading]:
    """Every business figure of `telemetry.figures`. Raises one of LedgerUnavailable."""
    targets = list(fleet.targets)
    levels, domains = fleet.service_levels, load_topology().domains
    with opened.read() as session:
        rows = business.backlog(session, targets, domains)
        return [
            *_orders(rows, at),
            *_money(session, targets),
            *_backlog(rows, at),
            *_reservations(rows, at),
            *_overdue(session, rows, targets, levels, at),
            *_latency(session, levels, at),
            *_completed(session, domains, at),
            *journeys_of(session, fleet, at),
            *stock_of(session, fleet, at),
            *mismatches_of(session, at),
        ]


def _orders(rows: Sequence[Backlog], at: datetime) -> Iterable[Reading]:
    """Out of the one look at everything: orders that the ERP does not know yet, and what was not read yet."""
    places: dict[tuple[str, str, str], list[Backlog]] = defaultdict(list)
    for row in rows:
        if row.domain == "orders" and row.operation in ("order.create", ""):
            places[row.channel, row.target, row.cls].append(row)
    for (channel, target, cls), some in places.items():
        labels = {"channel": channel, "target": target, "class": cls}
        parked = sum(row.count for row in some if row.stage == "parked")
        yield Reading("millrace_orders_awaiting_posting", sum(row.count for row in some), labels)
        yield Reading("millrace_orders_awaiting_posting_parked", parked, labels)
        oldest_at = min(row.oldest_at for row in some)
        yield Reading("millrace_orders_awaiting_posting_oldest_age_seconds", _age_s(oldest_at, at), labels)


def _money(session: Session, targets: Sequence[str]) -> Iterable[Reading]:
    for money in business.money_awaiting_posting(session, targets):
        labels = {"channel": money.channel, "target": money.target, "class": money.cls, "currency": money.currency}
        yield Reading("millrace_money_awaiting_posting", float(money.amount), labels)


def _backlog(rows: Sequence[Backlog], at: datetime) -> Iterable[Reading]:
    stages: dict[tuple[str, str, str, str], list[Backlog]] = defaultdict(list)
    for row in rows:
        stages[row.channel, row.domain, row.target, row.stage].append(row)
    for (channel, domain, target, stage), some in stages.items():
        labels = {"channel": channel, "domain": domain, "target": target, "stage": stage}
        yield Reading("millrace_business_backlog", sum(row.count for row in some), labels)
        oldest_at = min(row.oldest_at for row in some)
        yield Reading("millrace_business_backlog_oldest_age_seconds", _age_s(oldest_at, at), labels)


def _reservations(rows: Sequence[Backlog], at: datetime) -> Iterable[Reading]:
    for pending in business.reservations_pending(rows):
        yield Reading("millrace_reservations_pending", pending.count, _place(pending))
        yield Reading("millrace_reservations_pending_oldest_age_seconds", _age_s(pending.oldest_at, at), _place(pending))


def _overdue(
    session: Session, rows: Sequence[Backlog], targets: Sequence[str], levels: ServiceLevels, at: datetime
) -> Iterable[Reading]:
    """Looked at again only where the oldest is past its promise: most of the time there is none."""
    shipped, refunded = (
        at - timedelta(seconds=within_s) for within_s in (levels.shipment_confirmation_s, levels.refund_posting_s)
    )
    if any(row.domain == "shipments" and row.oldest_at < shipped for row in rows):
        for pending in business.shipments_not_reconciled(session, targets, shipped):
            yield Reading("millrace_shipments_not_reconciled", pending.count, _place(pending))
    if any(row.domain == "returns" and row.oldest_at < refunded for row in rows):
        for pending in business.refunds_not_in_finance(session, targets, refunded):
            yield Reading("millrace_refunds_not_in_finance", pending.count, _place(pending))


def _latency(session: Session, levels: ServiceLevels, at: datetime) -> Iterable[Reading]:
    for promise in promises_of(levels):
        took = performance.posting_latency(session, at - LATELY, promise.operation)
        yield Reading("millrace_posting_latency_samples", took.count, {"flow": promise.flow})
        for percentile, field in PERCENTILES:
            value = getattr(took, field)
            if value is not None:
                yield Reading("millrace_posting_latency_seconds", value, {"flow": promise.flow, "percentile": percentile})


def _completed(session: Session, domains: Sequence[str], at: datetime) -> Iterable[Reading]:
    for one in performance.completion(session, domains, at - A_DAY):
        if one.told:
            yield Reading("millrace_completion_ratio", one.done / one.told, {"domain": one.domain})
            yield Reading("millrace_exception_ratio", one.parked / one.told, {"domain": one.domain})
    replays = performance.replay_success(session, at - A_DAY)
    for state in ("done", "failed", "under_way"):
        yield Reading("millrace_replay_rows", getattr(replays, state), {"state": state})
    if replays.rate is not None:
        yield Reading("millrace_replay_success_ratio", replays.rate)


def _place(pending: Pending) -> dict[str, str]:
    return {"channel": pending.channel, "target": pending.target, "class": pending.cls}


def _age_s(moment: datetime, at: datetime) -> float:
    return max(0.0, (at - moment).total_seconds())
