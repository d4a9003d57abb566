"""Speaks Shopify's webhooks: who sent it, what it is about, and the documents it tells.

Contract: shopify.dev, apps/build/webhooks (delivery-structure, verify-deliveries, ignore-duplicates).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from adapters.channels.base import Identity, Inbound, Parsed, Refused, Told, Unreadable
from adapters.channels.shopify.milestones import milestone_of
from adapters.channels.shopify.orders import order_of
from adapters.channels.shopify.payload import (
    FulfillmentEventPayload,
    FulfillmentPayload,
    OrderPayload,
    Part,
    RefundPayload,
    checked,
)
from adapters.channels.shopify.peek import shipping_method_in
from adapters.channels.shopify.returns import return_of
from adapters.channels.shopify.shipments import shipment_of
from adapters.wire.exact_json import read_object, understand
from adapters.wire.shapes import shaped, unstorable
from canonical.document import Domain
from canonical.model import Moment

SIGNATURE = "x-shopify-hmac-sha256"
TOPIC = "x-shopify-topic"
SHOP = "x-shopify-shop-domain"
EVENT_ID = "x-shopify-event-id"
WEBHOOK_ID = "x-shopify-webhook-id"
TRIGGERED_AT = "x-shopify-triggered-at"

DOMAINS: Mapping[str, Domain] = {
    "orders/create": "orders",
    "orders/updated": "orders",
    "orders/cancelled": "orders",
    "fulfillments/create": "shipments",
    "fulfillments/update": "shipments",
    "fulfillment_events/create": "shipments",
    "refunds/create": "returns",
}
LONGEST_TOPIC = 120
LONGEST_KEY = 200
_NO_TOPIC = "unknown"
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


class Shopify:
    """Webhooks of Shopify apps. Shop-level notifications carry another secret: list both with the source."""

    kept_headers = frozenset({TOPIC, SHOP, EVENT_ID, WEBHOOK_ID, TRIGGERED_AT, "x-shopify-api-version", "x-shopify-test"})

    def verify(self, request: Inbound, keys: Sequence[bytes], now: datetime) -> Refused | None:
        """None if one of the secrets signed the body; the header is base64 of its HMAC-SHA256."""
        told = request.header(SIGNATURE)
        if told is None:
            return Refused("signature header missing or sent twice")
        try:
            # Shopify's own Ruby library sends the base64 with a newline at its end.
            signature = base64.b64decode(told.rstrip("\r\n"), validate=True)
        except (binascii.Error, ValueError):
            return Refused("signature is not base64")
        if len(signature) != hashlib.sha256().digest_size:
            return Refused("signature has the wrong length")
        matches = [hmac.compare_digest(hmac.digest(key, request.body, "sha256"), signature) for key in keys]
        return None if any(matches) else Refused("signed with none of the configured secrets")

    def identify(self, request: Inbound) -> Identity | Refused:
        """One event keeps one key through retries and double subscriptions; without any id the body's digest serves."""
        topic = (request.header(TOPIC) or _NO_TOPIC)[:LONGEST_TOPIC]
        shop = request.header(SHOP) or "?"
        told_id = request.header(EVENT_ID) or request.header(WEBHOOK_ID) or _digest(topic, request.body)
        key = f"{shop}/{topic}/{told_id}"
        if len(key) > LONGEST_KEY:
            key = _digest(key, b"")
        return Identity(key, topic, DOMAINS.get(topic))

    def peek(self, topic: str, body: bytes) -> str | None:
        """Title or code of an order's first shipping line."""
        return shipping_method_in(body) if DOMAINS.get(topic) == "orders" else None

    def parse(self, event: Told) -> Parsed | Unreadable:
        """The order, shipment, return or milestone of a body; none for what has not shipped yet or is no step of ours."""
        domain = DOMAINS.get(event.topic)
        if domain is None:
            return Unreadable("topic.unknown", "no document is read from this topic")
        raw = read_object(event.body)
        if isinstance(raw, Unreadable):
            return raw
        if domain == "orders":
            return _order(raw, event)
        if event.topic == "fulfillment_events/create":
            return _milestone(raw, event)
        return _shipment(raw, event) if domain == "shipments" else _return(raw, event)


def _order(raw: dict[str, Any], event: Told) -> Parsed | Unreadable:
    told = shaped(raw, OrderPayload, checked)
    if isinstance(told, Unreadable):
        return told
    as_of = told.updated_at or _fallback_time(event)
    cancelled = event.topic == "orders/cancelled"
    return _parsed(told, understand(lambda: order_of(told, event.source, as_of, cancelled=cancelled), "order"))


def _shipment(raw: dict[str, Any], event: Told) -> Parsed | Unreadable:
    told = shaped(raw, FulfillmentPayload, checked)
    if isinstance(told, Unreadable):
        return told
    as_of = told.updated_at or _fallback_time(event)
    return _parsed(told, understand(lambda: shipment_of(told, event.source, as_of), "shipment"))


def _milestone(raw: dict[str, Any], event: Told) -> Parsed | Unreadable:
    told = shaped(raw, FulfillmentEventPayload, checked)
    if isinstance(told, Unreadable):
        return told
    as_of = told.updated_at or _fallback_time(event)
    return _parsed(told, understand(lambda: milestone_of(told, event.source, as_of), "milestone"))


def _return(raw: dict[str, Any], event: Told) -> Parsed | Unreadable:
    told = shaped(raw, RefundPayload, checked)
    if isinstance(told, Unreadable):
        return told
    # A refund never changes, so it has no updated_at: it is as old as its creation.
    as_of = told.created_at or _fallback_time(event)
    return _parsed(told, understand(lambda: return_of(told, event.source, as_of), "return"))


def _parsed(told: Part, document: Any) -> Parsed | Unreadable:
    if isinstance(document, Unreadable):
        # The sender knows his own field's name, not ours.
        path = unstorable(told)
        return document if path is None else replace(document, path=path)
    return Parsed(() if document is None else (document,))


def _fallback_time(event: Told) -> datetime:
    try:
        return _MOMENT.validate_python(event.headers.get(TRIGGERED_AT))
    except (ValidationError, ArithmeticError):
        return event.received_at


def _digest(text: str, body: bytes) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass") + b"\x00" + body, digest_size=16).hexdigest()
