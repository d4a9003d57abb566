"""Decides where a document goes and what is to happen there."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import assert_never

from canonical.count import Count
from canonical.kinds import AnyDocument
from canonical.milestone import Milestone
from canonical.operation import Operation
from canonical.order import Order
from canonical.reservation import Reservation
from canonical.returns import Return
from canonical.settlement import Settlement
from canonical.shipment import Shipment
from canonical.stock import StockPosition
from config.fleet import Route
from routing.verdict import Verdict

WHOLE_STATES: frozenset[Operation] = frozenset({"stock.publish"})
"""Effects that carry all there is to know: of those that wait for one document only the newest is worth sending."""


def targets_of(routes: Sequence[Route], document: AnyDocument, order: Order | None) -> tuple[str, ...]:
    """Targets of every matching route, each once, in the routes' order. ``order`` is the order the document belongs to."""
    test = order is not None and order.test
    matching = (
        route.target
        for route in routes
        if document.kind in route.kinds
        and (route.test_orders or not test)
        and any(fnmatchcase(document.source, pattern) for pattern in route.sources)
    )
    return tuple(dict.fromkeys(matching))


def operation_of(document: AnyDocument, verdict: Verdict, known_status: str) -> Operation | None:
    """The effect a new state asks for; None if the outside has nothing to learn from it.

    An order, shipment or reservation that is taken back already when it is first told was never posted: nothing is to be undone.
    """
    first = verdict == "first"
    match document:
        case Order():
            return _order_operation(document, first, known_status)
        case Shipment():
            return _shipment_operation(document, first, known_status)
        case Return():
            return "return.create" if first else None
        case StockPosition():
            return "stock.publish"
        case Reservation():
            return _reservation_operation(document, first, known_status)
        case Milestone() | Count() | Settlement():
            return None
        case _:
            assert_never(document)


def _order_operation(order: Order, first: bool, known_status: str) -> Operation | None:
    if order.status == "cancelled":
        return None if first or known_status == "cancelled" else "order.cancel"
    return "order.create" if first else "order.update"


def _shipment_operation(shipment: Shipment, first: bool, known_status: str) -> Operation | None:
    if first:
        return "shipment.create" if shipment.status == "shipped" else None
    if known_status == "cancelled":
        return "shipment.create" if shipment.status == "shipped" else None
    return "shipment.update"


def _reservation_operation(reservation: Reservation, first: bool, known_status: str) -> Operation | None:
    if reservation.status == "released":
        return None if first or known_status == "released" else "reservation.release"
    return "reservation.create" if first or known_status == "released" else "reservation.update"
