"""Tells single orders as their senders would: in order, out of order, twice, cancelled, shipped, sent back."""

from collections.abc import Callable
from datetime import timedelta

from workers.demo import portal_bodies, shopify_bodies
from workers.demo.draws import Draws
from workers.demo.sale import Class, Order, Refund, Shipment
from workers.demo.webhook import PORTAL, SHOPIFY, Fact, Webhook

Story = Callable[[Draws, float, Class], list[Webhook]]

LATER_S = 3.0
"""A follow-up that the shop sends when its first message is surely there."""


def plain(draws: Draws, at_s: float, cls: Class) -> list[Webhook]:
    """An order, and nothing more."""
    return [created(draws, at_s, draws.order(at_s, cls))]


def shipped(draws: Draws, at_s: float, cls: Class) -> list[Webhook]:
    """An order, then its fulfilment."""
    order = draws.order(at_s, cls)
    return [created(draws, at_s, order), fulfilled(draws, at_s + LATER_S, draws.shipment(order, at_s + LATER_S))]


def changed(draws: Draws, at_s: float, cls: Class) -> list[Webhook]:
    """An order, then a change of mind."""
    order = draws.order(at_s, cls)
    newer = order.with_more(order.as_of + timedelta(seconds=2), extra=1)
    return [created(draws, at_s, order), updated(draws, at_s + 2, newer)]


def echoed(draws: Draws, at_s: float, cls: Class) -> list[Webhook]:
    """An order, then an update that changes nothing: Shopify sends several of these for one checkout."""
    order = draws.order(at_s, cls)
    again = order.at(order.as_of + timedelta(seconds=1))
    return [created(draws, at_s, order), updated(draws, at_s + 0.4, again)]


def changed_first(draws: Draws, at_s: float, cls: Class) -> list[Webhook]:
    """The change of mind arrives before the order it changes."""
    order = draws.order(at_s, cls)
    newer = order.with_more(order.as_of + timedelta(seconds=1), extra=2)
    return [updated(draws, at_s, newer), created(draws, at_s + 1.5, order)]


def shipped_first(draws: Draws, at_s: float, cls: Class) -> list[Webhook]:
    """The fulfilment arrives before its order."""
    order = draws.order(at_s, cls)
    return [fulfilled(draws, at_s, draws.shipment(order, at_s + 1)), created(draws, at_s + 2, order)]


def returned(draws: Draws, at_s: float, cls: Class) -> list[Webhook]:
    """Ordered, shipped, and partly sent back."""
    order = draws.order(at_s, cls)
    return [
        created(draws, at_s, order),
        fulfilled(draws, at_s + 1.5, draws.shipment(order, at_s + 1.5)),
        refunded(draws, at_s + 1.5 + LATER_S, draws.refund(order, at_s + 1.5 + LATER_S)),
    ]


def cancelled(draws: Draws, at_s: float, cls: Class) -> list[Webhook]:
    """An order, cancelled while it may or may not be in the ERP already."""
    order = draws.order(at_s, cls)
    return [created(draws, at_s, order), withdrawn(draws, at_s + LATER_S, order.at(order.as_of + timedelta(seconds=3)))]


def cancelled_first(draws: Draws, at_s: float, cls: Class) -> list[Webhook]:
    """A cancellation that overtakes its order: the order must never reach the ERP."""
    order = draws.order(at_s, cls)
    return [
        withdrawn(draws, at_s, order.at(order.as_of + timedelta(seconds=1))),
        created(draws, at_s + LATER_S, order),
    ]


def from_portal(draws: Draws, at_s: float, cls: Class) -> list[Webhook]:
    """An order of the B2B portal over the open channel."""
    return [upserted(draws, at_s, draws.portal_order(at_s, cls))]


def portal_shipped(draws: Draws, at_s: float, cls: Class) -> list[Webhook]:
    """An order of the portal, then its shipment."""
    order = draws.portal_order(at_s, cls)
    shipment = draws.shipment(order, at_s + LATER_S)
    body = portal_bodies.shipment_body(shipment)
    fact = Fact("shipment", order.key, shipment.key, shipment.shipped_at, order.cls, pieces=order.pieces)
    sent = Webhook(at_s + LATER_S, PORTAL, "shipment.upserted", f"msg_{draws.event_id()}", body, fact)
    return [upserted(draws, at_s, order), sent]


def created(draws: Draws, at_s: float, order: Order) -> Webhook:
    """orders/create of an order."""
    return _shopify(draws, at_s, "orders/create", shopify_bodies.order_body(order), _order_fact(order))


def updated(draws: Draws, at_s: float, order: Order) -> Webhook:
    """orders/updated of an order's newer state."""
    return _shopify(draws, at_s, "orders/updated", shopify_bodies.order_body(order), _order_fact(order))


def withdrawn(draws: Draws, at_s: float, order: Order) -> Webhook:
    """orders/cancelled."""
    body = shopify_bodies.order_body(order, cancelled_at=order.as_of)
    return _shopify(draws, at_s, "orders/cancelled", body, Fact("cancel", order.key, order.key, order.as_of, order.cls))


def fulfilled(draws: Draws, at_s: float, shipment: Shipment) -> Webhook:
    """fulfillments/create."""
    order = shipment.order
    fact = Fact("shipment", order.key, shipment.key, shipment.shipped_at, order.cls, pieces=order.pieces)
    return _shopify(draws, at_s, "fulfillments/create", shopify_bodies.fulfillment_body(shipment), fact)


def refunded(draws: Draws, at_s: float, refund: Refund) -> Webhook:
    """refunds/create."""
    fact = Fact("return", refund.order.key, refund.key, refund.returned_at, "low", refund.total, refund.quantity)
    return _shopify(draws, at_s, "refunds/create", shopify_bodies.refund_body(refund), fact)


def upserted(draws: Draws, at_s: float, order: Order) -> Webhook:
    """order.upserted of the open channel."""
    body = portal_bodies.order_body(order, order.as_of)
    return Webhook(at_s, PORTAL, "order.upserted", f"msg_{draws.event_id()}", body, _order_fact(order))


def _order_fact(order: Order) -> Fact:
    return Fact("order", order.key, order.key, order.as_of, order.cls, order.total, order.pieces)


def _shopify(draws: Draws, at_s: float, topic: str, body: bytes, fact: Fact) -> Webhook:
    return Webhook(at_s, SHOPIFY, topic, draws.event_id(), body, fact)
