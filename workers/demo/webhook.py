"""One webhook of the sale: its bytes, how it is sealed, and the plain fact it tells, which the demo's model believes."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from workers.demo.sale import Class

SHOP = "ridgeline-outdoor.myshopify.com"
SHOPIFY = "shopify"
PORTAL = "portal"

Seal = Literal["right", "wrong", "none", "cut", "doubled", "stale"]
"""How it is signed: only ``right`` may be taken; ``stale`` is signed rightly an hour ago (open channel)."""

Told = Literal["order", "cancel", "shipment", "return", "orphan", "kept", "broken"]

STALE_S = 3_600


@dataclass(frozen=True, slots=True)
class Fact:
    """What a webhook says, in the model's words. ``parked`` is the failure (class, code) it must end in, if any.

    For an order ``total`` and ``pieces`` are the state it tells; for a shipment ``pieces``; for a return both.
    """

    told: Told
    order: str
    key: str
    as_of: datetime
    cls: Class = "normal"
    total: Decimal = Decimal(0)
    pieces: int = 0
    parked: tuple[str, str] | None = None
    refused_by_erp: bool = False


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook to be sent ``at_s`` seconds after the sale opened.

    ``gives_up``: the sender hangs up before the first answer, as one whose patience ends does, and sends it again.
    ``refusal``: the status it must be refused with.
    """

    at_s: float
    source: str
    topic: str
    event_id: str
    body: bytes
    fact: Fact
    seal: Seal = "right"
    gives_up: bool = False
    path: str = ""
    refusal: int | None = None

    @property
    def url_path(self) -> str:
        """Where it is posted."""
        return self.path or f"/in/{self.source}"

    @property
    def event_key(self) -> str:
        """The sender's name of the event, as an idempotent receiver must know it."""
        return f"{SHOP}/{self.topic}/{self.event_id}" if self.source == SHOPIFY else self.event_id

    @property
    def known_as(self) -> tuple[str, str]:
        """Source and event key: equal for every repeat of one event."""
        return self.source, self.event_key


def headers_of(webhook: Webhook, secret: bytes, attempt_id: str, now: datetime) -> list[tuple[str, str]]:
    """The headers of one attempt to send it."""
    if webhook.source == SHOPIFY:
        return _shopify(webhook, secret, attempt_id, now)
    return _standard(webhook, secret, now)


def _shopify(webhook: Webhook, secret: bytes, attempt_id: str, now: datetime) -> list[tuple[str, str]]:
    key = secret if webhook.seal != "wrong" else b"some-other-app"
    told = base64.b64encode(hmac.digest(key, webhook.body, hashlib.sha256)).decode()
    plain: Mapping[str, str] = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": webhook.topic,
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-API-Version": "2026-07",
        "X-Shopify-Webhook-Id": attempt_id,
        "X-Shopify-Event-Id": webhook.event_id,
        "X-Shopify-Triggered-At": now.astimezone(UTC).isoformat(),
    }
    return [*plain.items(), *_sealed("X-Shopify-Hmac-Sha256", told, webhook.seal)]


def _standard(webhook: Webhook, secret: bytes, now: datetime) -> list[tuple[str, str]]:
    seconds = int(now.timestamp()) - (STALE_S if webhook.seal == "stale" else 0)
    key = base64.b64decode(secret.removeprefix(b"whsec_")) if webhook.seal != "wrong" else b"some-other-endpoint-of-ours"
    content = f"{webhook.event_id}.{seconds}.".encode() + webhook.body
    told = "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    plain = {"Content-Type": "application/json", "webhook-id": webhook.event_id, "webhook-timestamp": str(seconds)}
    return [*plain.items(), *_sealed("webhook-signature", told, webhook.seal)]


def _sealed(name: str, told: str, seal: Seal) -> list[tuple[str, str]]:
    if seal == "none":
        return []
    if seal == "doubled":
        return [(name, told), (name, told)]
    return [(name, told[:-7] if seal == "cut" else told)]
