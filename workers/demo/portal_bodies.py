"""Writes the bodies a B2B portal sends over the open channel: canonical documents in an envelope."""

import json
from datetime import datetime
from typing import Any

from workers.demo.sale import Buyer, Freight, Line, Order, Shipment


def order_body(order: Order, sent_at: datetime) -> bytes:
    """Body of order.upserted."""
    return enveloped("order.upserted", sent_at, order_data(order))


def order_data(order: Order) -> dict[str, Any]:
    """The canonical order as a dictionary, for those who want to spoil it first."""
    return {
        "schema_version": 1,
        "kind": "order",
        "key": order.key,
        "as_of": order.as_of.isoformat(),
        "number": order.number,
        "placed_at": order.placed_at.isoformat(),
        "currency": "USD",
        "customer": {"key": order.buyer.key, "name": _name(order.buyer), "email": order.buyer.email},
        "shipping": _address(order.buyer),
        "lines": [_line(line) for line in order.lines],
        "charges": [_freight(order.freight)],
        "total_tax": str(order.tax),
        "total": str(order.total),
        "sales_channel": "b2b-portal",
        "shipping_method": order.freight.title,
    }


def shipment_body(shipment: Shipment) -> bytes:
    """Body of shipment.upserted."""
    lines = [{"order_line": one.key, "sku": one.product.sku, "quantity": one.quantity} for one in shipment.order.lines]
    data = {
        "kind": "shipment",
        "key": shipment.key,
        "as_of": shipment.shipped_at.isoformat(),
        "order_key": shipment.order.key,
        "shipped_at": shipment.shipped_at.isoformat(),
        "carrier": "Millwheel Freight",
        "tracking_numbers": [shipment.tracking_number],
        "lines": lines,
    }
    return enveloped("shipment.upserted", shipment.shipped_at, data)


def enveloped(told: str, sent_at: datetime, data: dict[str, Any]) -> bytes:
    """The envelope of the open channel."""
    return json.dumps({"type": told, "timestamp": sent_at.isoformat(), "data": data}, separators=(",", ":")).encode()


def _line(line: Line) -> dict[str, Any]:
    taxes = [{"title": "Sales tax", "amount": str(line.tax)}] if line.tax else []
    return {
        "key": line.key,
        "sku": line.product.sku,
        "title": line.product.title,
        "quantity": line.quantity,
        "unit_price": str(line.product.price),
        "discount": str(line.discount),
        "taxes": taxes,
    }


def _freight(freight: Freight) -> dict[str, Any]:
    taxes = [{"title": "Sales tax", "amount": str(freight.tax)}] if freight.tax else []
    return {"code": "shipping", "title": freight.title, "price": str(freight.price), "taxes": taxes}


def _address(buyer: Buyer) -> dict[str, Any]:
    town = buyer.town
    return {
        "name": _name(buyer),
        "line1": buyer.street,
        "city": town.city,
        "region": town.region_code,
        "postal_code": town.postal_code,
        "country": "US",
    }


def _name(buyer: Buyer) -> str:
    return f"{buyer.given_name} {buyer.family_name}"
