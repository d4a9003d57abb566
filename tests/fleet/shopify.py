"""Shopify's webhook bodies for fleet tests: an order, its fulfilment and its refund, of SKUs every test ERP has."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

MORNING = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
"""Yesterday: a real ERP books no shipment of tomorrow."""


def an_order(
    number: int, *, quantity: int = 2, price: str = "10.99", express: bool = False, told_at: int = 0, **more: Any
) -> dict[str, Any]:
    """An order of one line with 8 % tax and a shipping charge."""
    goods = Decimal(price) * quantity
    tax = (goods * Decimal("0.08")).quantize(Decimal("0.01"))
    when = (MORNING + timedelta(seconds=told_at)).isoformat()
    return {
        "id": number,
        "name": f"#{number}",
        "created_at": MORNING.isoformat(),
        "updated_at": when,
        "currency": "USD",
        "taxes_included": False,
        "total_tax": str(tax),
        "total_price": str(goods + tax + Decimal("4.99")),
        "line_items": [
            {
                "id": number * 10,
                "sku": "SKU-0001",
                "title": "Item 1",
                "quantity": quantity,
                "price": price,
                "requires_shipping": True,
                "tax_lines": [{"title": "Sales tax", "rate": 0.08, "price": str(tax)}],
            }
        ],
        "shipping_lines": [
            {"id": 1, "title": "Express" if express else "Standard", "code": "SHIPPING", "price": "4.99", "tax_lines": []}
        ],
        "shipping_address": {"name": "Test Buyer", "address1": "1 Test Street", "city": "Springfield", "country_code": "US"},
    } | more


def a_fulfilment(order: dict[str, Any], *, quantity: int | None = None) -> dict[str, Any]:
    """A fulfilment of the order's line."""
    line = order["line_items"][0]
    when = (MORNING + timedelta(minutes=5)).isoformat()
    return {
        "id": order["id"] * 10 + 1,
        "order_id": order["id"],
        "status": "success",
        "created_at": when,
        "updated_at": when,
        "tracking_company": "UPS",
        "tracking_numbers": ["1Z999"],
        "line_items": [line | {"quantity": quantity or line["quantity"]}],
    }


def a_refund(order: dict[str, Any], *, quantity: int = 1) -> dict[str, Any]:
    """A refund of pieces of the order's line, with their tax, restocked."""
    line = order["line_items"][0]
    net = Decimal(line["price"]) * quantity
    tax = (net * Decimal("0.08")).quantize(Decimal("0.01"))
    when = (MORNING + timedelta(minutes=9)).isoformat()
    return {
        "id": order["id"] * 10 + 2,
        "order_id": order["id"],
        "created_at": when,
        "processed_at": when,
        "refund_line_items": [
            {
                "id": 1,
                "line_item_id": line["id"],
                "line_item": line,
                "quantity": quantity,
                "restock_type": "return",
                "subtotal": str(net),
                "total_tax": str(tax),
            }
        ],
        "transactions": [{"id": 1, "kind": "refund", "status": "success", "amount": str(net + tax), "currency": "USD"}],
        "order_adjustments": [],
    }
