"""Documents for tests: small, right, and easy to vary."""

from datetime import UTC, datetime, timedelta
from typing import Any

from canonical.order import Order
from canonical.returns import Return
from canonical.shipment import Shipment

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
