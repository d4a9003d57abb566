"""Tells what no sender should: forged, spoiled, orphaned and unknown webhooks, each with the end it must come to."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from workers.demo import portal_bodies, shopify_bodies
from workers.demo.draws import Draws
from workers.demo.goods import NEW_PRODUCT
from workers.demo.sale import Order
from workers.demo.stories import created, fulfilled, upserted
from workers.demo.webhook import PORTAL, SHOPIFY, Fact, Seal, Webhook

MALFORMED = "malformed"
REJECTED = "rejected"
TOO_LARGE = 2 * 1024 * 1024
UNAUTHORIZED, NOT_FOUND, CONTENT_TOO_LARGE = 401, 404, 413

_SHOPIFY_SEALS: tuple[Seal, ...] = ("wrong", "none", "cut", "doubled")
_PORTAL_SEALS: tuple[Seal, ...] = ("wrong", "none", "cut", "stale")


def forged(draws: Draws, at_s: float) -> list[Webhook]:
    """Orders nobody may accept: forged, unsigned, cut or doubled signatures, an old time, a strange address, too large."""
    shop = [created(draws, at_s, draws.order(at_s, "normal")) for _ in _SHOPIFY_SEALS]
    portal = [upserted(draws, at_s, draws.portal_order(at_s, "normal")) for _ in _PORTAL_SEALS]
    told = [
        replace(webhook, seal=seal, refusal=UNAUTHORIZED)
        for webhook, seal in zip([*shop, *portal], [*_SHOPIFY_SEALS, *_PORTAL_SEALS], strict=True)
    ]
    nowhere = created(draws, at_s, draws.order(at_s, "normal"))
    large = created(draws, at_s, draws.order(at_s, "normal"))
    told.append(replace(nowhere, path="/in/nobody", refusal=NOT_FOUND))
    told.append(replace(large, body=large.body + b" " * TOO_LARGE, refusal=CONTENT_TOO_LARGE))
    return told


def spoiled(draws: Draws, at_s: float) -> list[Webhook]:
    """Signed rightly, and still not to be understood: accepted, parked, and shown with the reason."""
    told = [_spoiled(draws, at_s, spoil, code) for spoil, code in _SPOILS]
    told.append(_unread(draws, at_s, b"<html><body>502 Bad Gateway</body></html>", "json.invalid"))
    told.append(_unread(draws, at_s, b'{"id": 1, "total_price": NaN}', "json.number"))
    told.append(_claimed(draws, at_s))
    return told


def unknown_article(draws: Draws, at_s: float) -> list[Webhook]:
    """An order of an article the ERP does not know: a business exception."""
    order = draws.order(at_s, "normal", product=NEW_PRODUCT)
    webhook = created(draws, at_s, order)
    return [replace(webhook, fact=replace(webhook.fact, parked=(REJECTED, "crossref.missing")))]


def disliked(draws: Draws, at_s: float) -> list[Webhook]:
    """An order the ERP itself will refuse; the run tells the ERP to."""
    webhook = created(draws, at_s, draws.order(at_s, "normal"))
    return [replace(webhook, fact=replace(webhook.fact, parked=(REJECTED, ""), refused_by_erp=True))]


def orphaned(draws: Draws, at_s: float) -> list[Webhook]:
    """A fulfilment whose order is never told: it waits, in real life for a day, before it is parked."""
    webhook = fulfilled(draws, at_s, draws.shipment(draws.order(at_s, "normal"), at_s))
    return [replace(webhook, fact=replace(webhook.fact, told="orphan"))]


def unknown_topic(draws: Draws, at_s: float) -> list[Webhook]:
    """A topic nobody asked for: kept, not worked on."""
    fact = Fact("kept", "", "", draws.opened_at)
    body = json.dumps({"id": 7_700_000_000_001, "title": "Ridgeline tent, 2 person", "status": "active"}).encode()
    return [Webhook(at_s, SHOPIFY, "products/update", draws.event_id(), body, fact)]


def _bad_money(fields: dict[str, Any]) -> None:
    fields["line_items"][0]["price_set"]["shop_money"] = {"amount": "12,50", "currency_code": "USD"}


def _no_lines(fields: dict[str, Any]) -> None:
    fields["line_items"] = []


def _less_than_nothing(fields: dict[str, Any]) -> None:
    fields["line_items"][0]["quantity"] = -1


def _unknown_currency(fields: dict[str, Any]) -> None:
    fields["currency"] = "ZZZ"


_SPOILS: tuple[tuple[Callable[[dict[str, Any]], None], str], ...] = (
    (_bad_money, "field.value-error"),
    (_no_lines, "field.too-short"),
    (_less_than_nothing, "field.greater-than-equal"),
    (_unknown_currency, "field.value-error"),
)


def _spoiled(draws: Draws, at_s: float, spoil: Callable[[dict[str, Any]], None], code: str) -> Webhook:
    order = draws.order(at_s, "normal")
    fields = shopify_bodies.order_fields(order)
    spoil(fields)
    return Webhook(at_s, SHOPIFY, "orders/create", draws.event_id(), json.dumps(fields).encode(), _broken(order, code))


def _unread(draws: Draws, at_s: float, body: bytes, code: str) -> Webhook:
    fact = _broken(draws.order(at_s, "normal"), code)
    return Webhook(at_s, SHOPIFY, "orders/create", draws.event_id(), body, fact)


def _claimed(draws: Draws, at_s: float) -> Webhook:
    """A portal that speaks in the shop's name."""
    order = draws.portal_order(at_s, "normal")
    body = portal_bodies.enveloped("order.upserted", order.as_of, portal_bodies.order_data(order) | {"source": SHOPIFY})
    return Webhook(at_s, PORTAL, "order.upserted", f"msg_{draws.event_id()}", body, _broken(order, "source.claimed"))


def _broken(order: Order, code: str) -> Fact:
    return Fact("broken", order.key, order.key, order.as_of, order.cls, parked=(MALFORMED, code))
