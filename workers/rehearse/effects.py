"""Runs the deciding of a rehearsal: an arrival becomes what the fleet's rules, routes and quiet hours make of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from adapters.erps.base import Erp, batch_of
from canonical.document import DOMAIN_OF
from canonical.kinds import AnyDocument
from canonical.operation import Operation
from canonical.order import Order, OrderLine
from canonical.reservation import Reservation, ReservationLine
from canonical.returns import Return
from canonical.shipment import Shipment, ShipmentLine
from canonical.stock import StockPosition
from config.fleet import Fleet
from routing import names
from routing.classes import class_of_document, class_of_event, class_of_method
from routing.destinations import operation_of, targets_of
from routing.names import Class
from routing.quiet import rests_until
from tasks.in_force import Rules
from workers.rehearse.arrivals import Arrival


@dataclass(frozen=True, slots=True)
class Effect:
    """One posting that an arrival leads to; ``rests_until`` epoch seconds, None: at once."""

    target: str
    domain: str
    operation: Operation
    cls: Class
    calls: int
    rests_until: float | None


class Effects:
    """Decides as preparing does, by the same functions. ``erps`` say how many requests a posting takes."""

    def __init__(self, fleet: Fleet, rules: Rules, erps: Mapping[str, Erp], lanes: frozenset[str]) -> None:
        self._fleet = fleet
        self._rules = rules
        self._erps = erps
        self._lanes = lanes
        self._batches: dict[tuple[str, str], int] = {}

    def class_of_event(self, arrival: Arrival) -> Class:
        """The class in which it waits to be prepared."""
        if arrival.cls is not None:
            return arrival.cls
        told = class_of_event(self._fleet.sources[arrival.source], arrival.topic)
        if arrival.kind != "order" or not arrival.method:
            return told
        return class_of_method(self._fleet.classes, arrival.source, arrival.method, told)

    def of(self, arrival: Arrival, key: str, at_s: float, now_s: float) -> list[Effect]:
        """What preparing it ``now_s`` makes of it, for the lanes that are rehearsed; it was accepted ``at_s``."""
        accepted, now = (datetime.fromtimestamp(moment, UTC) for moment in (at_s, now_s))
        order = None if arrival.kind == "stock" else _order(arrival, key, accepted)
        document = order if order is not None and arrival.kind == "order" else _other(arrival, key, accepted)
        operation = operation_of(document, "first", "")
        if operation is None:
            return []
        told = class_of_event(self._fleet.sources[arrival.source], arrival.topic)
        cls = arrival.cls or class_of_document(self._rules.classes, document, order, told, now)
        targets = targets_of(self._rules.sourcing, document, order) or targets_of(self._rules.routes, document, order)
        domain = DOMAIN_OF[arrival.kind]
        return [
            Effect(target, domain, operation, cls, self._erps[target].calls(operation), self._rest(arrival, cls, target, now))
            for target in targets
            if names.lane(target) in self._lanes
        ]

    def batch(self, target: str, operation: str) -> int:
        """Postings that one request to a target may carry."""
        known = self._batches.get((target, operation))
        if known is None:
            known = self._batches[target, operation] = batch_of(self._erps[target], operation)
        return known

    def _rest(self, arrival: Arrival, cls: Class, target: str, now: datetime) -> float | None:
        rests = rests_until(self._rules.defer, arrival.kind, arrival.source, cls, target, now)
        return None if rests is None else rests.timestamp()


def _order(arrival: Arrival, key: str, at: datetime) -> Order:
    promised_s = arrival.promised_in_s
    return Order(
        source=arrival.source,
        key=key,
        as_of=at,
        number=key,
        placed_at=at,
        currency="USD",
        lines=(OrderLine(key="1", sku="SKU", quantity=1, unit_price=Decimal(1)),),
        total=arrival.value,
        shipping_method=arrival.method or None,
        sales_channel=arrival.sales_channel or None,
        customer_tier=arrival.tier or None,
        promised_by=None if promised_s is None else at + timedelta(seconds=promised_s),
    )


def _other(arrival: Arrival, key: str, at: datetime) -> AnyDocument:
    if arrival.kind == "stock":
        return StockPosition.model_validate({"source": arrival.source, "as_of": at, "sku": key, "location": "L", "available": 1})
    told = {"source": arrival.source, "key": f"{key}-{arrival.kind}", "as_of": at, "order_key": key}
    if arrival.kind == "reservation":
        return Reservation.model_validate(told | {"lines": (ReservationLine(sku="SKU", quantity=1),)})
    if arrival.kind == "shipment":
        return Shipment.model_validate(told | {"shipped_at": at, "lines": (ShipmentLine(order_line="1", sku="SKU", quantity=1),)})
    return Return.model_validate(told | {"returned_at": at, "currency": "USD", "total": arrival.value})
