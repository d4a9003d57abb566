"""Runs the figures for business users: what is on its way by channel and stage, how long it took, what was completed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from config.fleet import Fleet, ServiceLevels
from config.topology import load_topology
from ledger import business, performance
from ledger.business import Backlog, Stock
from ledger.session import Ledger, Session
from telemetry.gauges import Reading
from workers.watch import promises_of

LATELY = timedelta(minutes=10)
A_DAY = timedelta(days=1)
QUANTILES = (("0.5", "p50_s"), ("0.95", "p95_s"), ("0.99", "p99_s"))


def business_of(opened: Ledger, fleet: Fleet, at: datetime) -> list[Reading]:
    """Every business figure of `telemetry.figures`. Raises one of LedgerUnavailable."""
    targets = list(fleet.targets)
    levels, domains = fleet.service_levels, load_topology().domains
    with opened.read() as session:
        return [
            *_orders(session, targets, at),
            *_backlog(business.backlog(session, targets, domains), at),
            *_overdue(session, targets, levels, at),
            *_latency(session, levels, at),
            *_completed(session, domains, at),
        ]


def _orders(session: Session, targets: Sequence[str], at: datetime) -> Iterable[Reading]:
    for stock in business.orders_awaiting_posting(session, targets):
        labels = _place(stock)
        yield Reading("millrace_orders_awaiting_posting", stock.count, labels)
        yield Reading("millrace_orders_awaiting_posting_parked", stock.parked, labels)
        yield Reading("millrace_orders_awaiting_posting_oldest_age_seconds", _age_s(stock.oldest_at, at), labels)
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


def _overdue(session: Session, targets: Sequence[str], levels: ServiceLevels, at: datetime) -> Iterable[Reading]:
    told_before = at - timedelta(seconds=levels.shipment_confirmation_s)
    for stock in business.shipments_not_reconciled(session, targets, told_before):
        yield Reading("millrace_shipments_not_reconciled", stock.count, _place(stock))
    told_before = at - timedelta(seconds=levels.refund_posting_s)
    for stock in business.refunds_not_in_finance(session, targets, told_before):
        yield Reading("millrace_refunds_not_in_finance", stock.count, _place(stock))


def _latency(session: Session, levels: ServiceLevels, at: datetime) -> Iterable[Reading]:
    for promise in promises_of(levels):
        took = performance.posting_latency(session, at - LATELY, promise.operation)
        yield Reading("millrace_posting_latency_samples", took.count, {"flow": promise.flow})
        for quantile, field in QUANTILES:
            value = getattr(took, field)
            if value is not None:
                yield Reading("millrace_posting_latency_seconds", value, {"flow": promise.flow, "quantile": quantile})


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


def _place(stock: Stock) -> dict[str, str]:
    return {"channel": stock.channel, "target": stock.target, "class": stock.cls}


def _age_s(moment: datetime, at: datetime) -> float:
    return max(0.0, (at - moment).total_seconds())
