"""Runs the reading of the living backlog as work for a plan: what stands, what it takes, what keeps coming."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import adapters.erps.base
from canonical.operation import Operation
from config.fleet import Fleet
from ledger.measured import Standing, Unread
from routing import names
from workers.rehearse.scaling import Work
from workers.rehearse.service import Service

_FIRST: Mapping[str, Operation] = {
    "orders": "order.create",
    "shipments": "shipment.create",
    "returns": "return.create",
    "stock": "stock.publish",
}
_KIND = {domain: operation.partition(".")[0] for domain, operation in _FIRST.items()}
_ROWS_A_PART = 4.0


def works_of(
    fleet: Fleet,
    erps: Mapping[str, adapters.erps.base.Erp],
    service: Service,
    standing: Sequence[Standing],
    unread: Sequence[Unread],
    inflow_per_s: float,
) -> list[Work]:
    """The work of every lane. Events that nobody has read yet count in their domain's lane and, as new documents, in the lanes
    that they are routed to. What keeps coming is spread over lanes as the backlog is, or evenly over all where there is none.
    """
    rows: dict[str, int] = dict.fromkeys((names.lane(target) for target in fleet.targets), 0)
    calls: dict[str, dict[str, int]] = {lane: {} for lane in rows}

    def add(target: str, operation: str, count: int, its_calls: int) -> None:
        lane = names.lane(target)
        rows[lane] += count
        calls[lane][operation] = calls[lane].get(operation, 0) + its_calls

    for one in standing:
        if one.target in fleet.targets:
            add(one.target, one.operation, one.rows, one.calls)
    for event in unread:
        for target in _targets(fleet, event):
            operation = _FIRST[event.domain]
            add(target, operation, event.rows, event.rows * erps[target].calls(operation))
    whole = sum(rows.values())
    coming = {lane: inflow_per_s * (count / whole if whole else 1 / len(rows)) for lane, count in rows.items()}
    preparing = [_preparing(domain, unread, service, inflow_per_s) for domain in _FIRST]
    return [*preparing, *(_delivering(lane, rows[lane], calls[lane], service, coming[lane]) for lane in rows)]


def _targets(fleet: Fleet, event: Unread) -> list[str]:
    kind = _KIND[event.domain]
    found = [
        route.target
        for route in fleet.routes
        if kind in route.kinds and any(fnmatchcase(event.source, pattern) for pattern in route.sources)
    ]
    return list(dict.fromkeys(found))


def _preparing(domain: str, unread: Sequence[Unread], service: Service, inflow_per_s: float) -> Work:
    rows = sum(one.rows for one in unread if one.domain == domain)
    whole = sum(one.rows for one in unread)
    row_s = service.prepare.row_ms.mean_s + service.prepare.part_ms.mean_s / _ROWS_A_PART
    part = rows / whole if whole else float(domain == "orders")
    return Work(domain, rows, {}, row_s, 0.0, inflow_per_s=inflow_per_s * part)


def _delivering(lane: str, rows: int, calls: Mapping[str, int], service: Service, inflow_per_s: float) -> Work:
    times = service.of(names.target_of(lane) or "")
    each = sum(calls.values()) / rows if rows else 1.0
    row_s = each * times.call_ms.mean_s + times.part_ms.mean_s / _ROWS_A_PART + times.cpu_ms / 1000
    return Work(lane, rows, calls, row_s, times.call_ms.mean_s, times.cpu_ms / 1000, inflow_per_s)
