"""Documents for tests: small, right, and easy to vary."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from canonical.count import Count
from canonical.milestone import Milestone
from canonical.order import Order
from canonical.reservation import Reservation
from canonical.returns import Return
from canonical.settlement import Settlement
from canonical.shipment import Shipment
from canonical.stock import StockPosition

MORNING = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """A moment that many seconds into the test's morning."""
    return MORNING + timedelta(seconds=seconds)


def an_order_line(
    *, key: str = "1", quantity: Any = 1, unit_price: str = "10.00", tax: str | None = None, **more: Any
) -> dict[str, Any]:
    """An order line as plain data."""
    taxes = [{"title": "Sales tax", "rate": "0.08", "amount": tax}] if tax else []
    return {"key": key, "sku": "SKU-0001", "quantity": quantity, "unit_price": unit_price, "taxes": taxes, **more}


def an_order(key: str = "1001", *, told_at: float = 0, source: str = "shopify", **more: Any) -> Order:
    """An order of one line."""
    whole = {
        "source": source,
        "key": key,
        "number": f"#{key}",
        "as_of": at(told_at),
        "placed_at": MORNING,
        "currency": "USD",
        "total": "10.00",
        "lines": [an_order_line()],
    }
    return Order.model_validate(whole | more)


def a_shipment(key: str = "f1", *, order_key: str = "1001", told_at: float = 0, source: str = "shopify", **more: Any) -> Shipment:
    """A shipment of one piece."""
    whole = {
        "source": source,
        "key": key,
        "order_key": order_key,
        "as_of": at(told_at),
        "shipped_at": MORNING,
        "lines": [{"order_line": "1", "sku": "SKU-0001", "quantity": 1}],
    }
    return Shipment.model_validate(whole | more)


def a_return(key: str = "r1", *, order_key: str = "1001", told_at: float = 0, source: str = "shopify", **more: Any) -> Return:
    """A return of one piece."""
    whole = {
        "source": source,
        "key": key,
        "order_key": order_key,
        "as_of": at(told_at),
        "returned_at": MORNING,
        "currency": "USD",
        "total": "10.00",
        "lines": [{"order_line": "1", "sku": "SKU-0001", "quantity": 1, "net": "10.00"}],
    }
    return Return.model_validate(whole | more)


def a_position(
    sku: str = "SKU-0001",
    *,
    available: int = 5,
    location: str = "berlin",
    told_at: float = 0,
    source: str = "shopify",
    **more: Any,
) -> StockPosition:
    """What can be sold of one SKU at one place."""
    whole = {"source": source, "sku": sku, "location": location, "as_of": at(told_at), "available": available}
    return StockPosition.model_validate(whole | more)


def a_count(
    sku: str = "SKU-0001", *, available: int = 5, location: str = "berlin", told_at: float = 0, source: str = "stores"
) -> Count:
    """What a receiving side believes that it can sell of one SKU at one place."""
    told = {"source": source, "sku": sku, "location": location, "as_of": at(told_at), "available": available}
    return Count.model_validate(told)


def a_reservation(
    key: str = "v1", *, order_key: str = "1001", told_at: float = 0, source: str = "shopify", **more: Any
) -> Reservation:
    """One piece set aside for an order."""
    whole = {
        "source": source,
        "key": key,
        "order_key": order_key,
        "as_of": at(told_at),
        "expires_at": at(3600),
        "lines": [{"sku": "SKU-0001", "quantity": 1, "location": "berlin"}],
    }
    return Reservation.model_validate(whole | more)


def a_milestone(
    step: str = "delivered",
    *,
    key: str | None = None,
    order_key: str = "1001",
    told_at: float = 0,
    source: str = "shopify",
    **more: Any,
) -> Milestone:
    """A step that was taken with an order at the moment it was told."""
    whole = {"source": source, "key": key or f"{order_key}-{step}", "order_key": order_key, "as_of": at(told_at), "step": step}
    return Milestone.model_validate(whole | {"at": at(told_at)} | more)


def a_settlement_line(
    key: str = "1", *, kind: str = "sale", amount: str = "10.00", order: str | None = "1001", **more: Any
) -> dict[str, Any]:
    """A row of a payout as plain data."""
    return {"key": key, "type": kind, "amount": amount, "order_key": order, **more}


def a_settlement(
    payout: str = "PO-1",
    *lines: dict[str, Any],
    told_at: float = 0,
    source: str = "shopify",
    total: str | None = None,
    **more: Any,
) -> Settlement:
    """A payout of these lines (of one sale without any); its total is their sum unless another one is given."""
    rows = lines or (a_settlement_line(),)
    whole = {
        "source": source,
        "payout": payout,
        "as_of": at(told_at),
        "paid_at": MORNING,
        "currency": "USD",
        "total": total or str(sum(Decimal(row["amount"]) for row in rows)),
        "lines": rows,
    }
    return Settlement.model_validate(whole | more)
