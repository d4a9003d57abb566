"""Writes the bodies Shopify sends: order, cancellation, fulfilment and refund, as its REST resources look."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from workers.demo.sale import Buyer, Freight, Line, Order, Refund, Shipment

CURRENCY = "USD"
LOCATION = 84_218_300_101
_SHOP_ZONE = timezone(timedelta(hours=-5))


def order_body(order: Order, *, cancelled_at: datetime | None = None) -> bytes:
    """Body of orders/create, orders/updated and, with ``cancelled_at``, orders/cancelled."""
    return _json(order_fields(order, cancelled_at=cancelled_at))


def order_fields(order: Order, *, cancelled_at: datetime | None = None) -> dict[str, Any]:
    """The order resource as a dictionary, for those who want to spoil it first."""
    money = {
        "current_subtotal_price": order.goods,
        "current_total_discounts": order.discount,
        "current_total_price": order.total,
        "current_total_tax": order.tax,
        "subtotal_price": order.goods,
        "total_discounts": order.discount,
        "total_line_items_price": order.goods + order.discount,
        "total_outstanding": Decimal(0),
        "total_price": order.total,
        "total_tax": order.tax,
    }
    return (
        _order_head(order, cancelled_at)
        | {name: _plain(amount) for name, amount in money.items()}
        | {f"{name}_set": _set(amount) for name, amount in money.items() if name != "total_outstanding"}
        | {
            "customer": _customer(order.buyer),
            "billing_address": _address(order.buyer),
            "shipping_address": _address(order.buyer),
            "line_items": [_line(line, order) for line in order.lines],
            "shipping_lines": [_freight(order.freight, order)],
            "tax_lines": _tax_lines(order.tax, order),
            "fulfillments": [],
            "refunds": [],
        }
    )


def fulfillment_body(shipment: Shipment) -> bytes:
    """Body of fulfillments/create."""
    order = shipment.order
    number = shipment.tracking_number
    return _json(
        {
            "id": int(shipment.key),
            "order_id": int(order.key),
            "status": "success",
            "created_at": _stamp(shipment.shipped_at),
            "updated_at": _stamp(shipment.shipped_at),
            "service": "manual",
            "tracking_company": "Millwheel Express",
            "shipment_status": None,
            "location_id": LOCATION,
            "origin_address": None,
            "email": order.buyer.email,
            "destination": _address(order.buyer),
            "line_items": [_line(line, order) | {"fulfillment_status": "fulfilled"} for line in order.lines],
            "tracking_number": number,
            "tracking_numbers": [number],
            "tracking_url": f"https://track.millwheel.example/{number}",
            "receipt": {},
            "name": f"{order.number}.1",
            "admin_graphql_api_id": f"gid://shopify/Fulfillment/{shipment.key}",
        }
    )


def refund_body(refund: Refund) -> bytes:
    """Body of refunds/create: amounts of the lines are JSON numbers beside sets of strings, as Shopify sends them."""
    order, line = refund.order, refund.line
    part = {
        "id": int(refund.key) + 1,
        "line_item_id": int(line.key),
        "quantity": refund.quantity,
        "restock_type": "return",
        "location_id": LOCATION,
        "subtotal": float(refund.net),
        "subtotal_set": _set(refund.net),
        "total_tax": float(refund.tax),
        "total_tax_set": _set(refund.tax),
        "line_item": _line(line, order),
    }
    payment = {
        "id": int(refund.key) + 2,
        "order_id": int(order.key),
        "kind": "refund",
        "gateway": "shopify_payments",
        "status": "success",
        "amount": _plain(refund.total),
        "currency": CURRENCY,
        "created_at": _stamp(refund.returned_at),
    }
    return _json(
        {
            "id": int(refund.key),
            "order_id": int(order.key),
            "created_at": _stamp(refund.returned_at),
            "processed_at": _stamp(refund.returned_at),
            "note": "did not fit",
            "user_id": None,
            "restock": True,
            "refund_line_items": [part],
            "refund_shipping_lines": [],
            "order_adjustments": [],
            "duties": [],
            "transactions": [payment],
            "admin_graphql_api_id": f"gid://shopify/Refund/{refund.key}",
        }
    )


def _order_head(order: Order, cancelled_at: datetime | None) -> dict[str, Any]:
    return {
        "id": int(order.key),
        "admin_graphql_api_id": f"gid://shopify/Order/{order.key}",
        "app_id": 580_111,
        "buyer_accepts_marketing": False,
        "cancel_reason": "customer" if cancelled_at else None,
        "cancelled_at": _stamp(cancelled_at) if cancelled_at else None,
        "confirmed": True,
        "contact_email": order.buyer.email,
        "created_at": _stamp(order.placed_at),
        "currency": CURRENCY,
        "presentment_currency": CURRENCY,
        "customer_locale": "en-US",
        "discount_codes": [{"code": "FLASH", "amount": _plain(order.discount), "type": "percentage"}] if order.discount else [],
        "email": order.buyer.email,
        "financial_status": "voided" if cancelled_at else "paid",
        "fulfillment_status": None,
        "landing_site": "/collections/flash-sale",
        "location_id": None,
        "name": order.number,
        "note": None,
        "note_attributes": [],
        "order_number": int(order.number.lstrip("#")),
        "payment_gateway_names": ["shopify_payments"],
        "phone": None,
        "processed_at": _stamp(order.placed_at),
        "source_name": "web",
        "tags": "flash-sale",
        "taxes_included": False,
        "duties_included": False,
        "test": False,
        "updated_at": _stamp(order.as_of),
    }


def _line(line: Line, order: Order) -> dict[str, Any]:
    allocations = [{"amount": _plain(line.discount), "amount_set": _set(line.discount), "discount_application_index": 0}]
    product = sum(line.product.sku.encode())
    return {
        "id": int(line.key),
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line.key}",
        "product_id": 7_700_000_000_000 + product,
        "variant_id": 44_100_000_000_000 + product,
        "sku": line.product.sku,
        "title": line.product.title,
        "name": line.product.title,
        "vendor": "Ridgeline",
        "quantity": line.quantity,
        "current_quantity": line.quantity,
        "fulfillable_quantity": line.quantity,
        "fulfillment_service": "manual",
        "fulfillment_status": None,
        "gift_card": False,
        "grams": 450,
        "price": _plain(line.product.price),
        "price_set": _set(line.product.price),
        "product_exists": True,
        "properties": [],
        "requires_shipping": True,
        "taxable": True,
        "total_discount": "0.00",
        "total_discount_set": _set(Decimal(0)),
        "discount_allocations": allocations if line.discount else [],
        "duties": [],
        "tax_lines": _tax_lines(line.tax, order),
    }


def _freight(freight: Freight, order: Order) -> dict[str, Any]:
    return {
        "id": int(order.key) + 7,
        "code": freight.code,
        "title": freight.title,
        "source": "shopify",
        "price": _plain(freight.price),
        "price_set": _set(freight.price),
        "discounted_price": _plain(freight.price),
        "discounted_price_set": _set(freight.price),
        "discount_allocations": [],
        "tax_lines": _tax_lines(freight.tax, order),
        "is_removed": False,
    }


def _tax_lines(tax: Decimal, order: Order) -> list[dict[str, Any]]:
    town = order.buyer.town
    if not tax:
        return []
    return [
        {
            "title": f"{town.region} State Tax",
            "rate": float(town.tax),
            "price": _plain(tax),
            "price_set": _set(tax),
            "channel_liable": False,
        }
    ]


def _customer(buyer: Buyer) -> dict[str, Any]:
    return {
        "id": int(buyer.key),
        "email": buyer.email,
        "first_name": buyer.given_name,
        "last_name": buyer.family_name,
        "state": "enabled",
        "verified_email": True,
        "tax_exempt": False,
        "currency": CURRENCY,
        "default_address": _address(buyer),
    }


def _address(buyer: Buyer) -> dict[str, Any]:
    return {
        "first_name": buyer.given_name,
        "last_name": buyer.family_name,
        "name": f"{buyer.given_name} {buyer.family_name}",
        "address1": buyer.street,
        "address2": None,
        "company": None,
        "city": buyer.town.city,
        "province": buyer.town.region,
        "province_code": buyer.town.region_code,
        "zip": buyer.town.postal_code,
        "country": "United States",
        "country_code": "US",
        "phone": None,
    }


def _set(amount: Decimal) -> dict[str, Any]:
    money = {"amount": _plain(amount), "currency_code": CURRENCY}
    return {"shop_money": money, "presentment_money": money}


def _plain(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _stamp(moment: datetime) -> str:
    return moment.astimezone(_SHOP_ZONE).isoformat(timespec="seconds")


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
