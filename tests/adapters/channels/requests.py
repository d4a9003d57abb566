"""Builds signed requests as the senders would, for every registered channel."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.channels.base import Inbound, Told
from adapters.channels.registry import CHANNELS

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "fixtures"
OWN = ROOT / "tests" / "fixtures"
NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SECRETS = {"shopify": b"shop-secret", "open": b"whsec_" + base64.b64encode(b"a secret of twenty-four b")}
OTHER_SECRETS = {"shopify": b"another-one", "open": b"whsec_" + base64.b64encode(b"another of twenty-four by")}
TOPICS = {"shopify": "orders/create", "open": "order.upserted"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A signed request and the secret that signed it."""

    request: Inbound
    secret: bytes
    signature_header: str

    def with_body(self, body: bytes) -> Inbound:
        return replace(self.request, body=body)

    def with_signature(self, *values: str) -> Inbound:
        kept = [pair for pair in self.request.headers if pair[0] != self.signature_header]
        return replace(self.request, headers=[*kept, *((self.signature_header, value) for value in values)])

    @property
    def signature(self) -> str:
        return next(value for name, value in self.request.headers if name == self.signature_header)


def sent(kind: str, body: bytes | None = None, *, secret: bytes | None = None, event: str = "ev-1") -> Sent:
    """What a sender of this channel sends, validly signed at NOW."""
    content = example(kind) if body is None else body
    return (_by_shopify if kind == "shopify" else _by_open)(content, secret or SECRETS[kind], event)


def shopify_headers(body: bytes, secret: bytes, topic: str = "orders/create", event: str = "ev-1") -> list[tuple[str, str]]:
    signature = base64.b64encode(hmac.digest(secret, body, hashlib.sha256)).decode()
    return [
        ("x-shopify-topic", topic),
        ("x-shopify-shop-domain", "toys.myshopify.com"),
        ("x-shopify-api-version", "2026-07"),
        ("x-shopify-webhook-id", f"delivery-{event}"),
        ("x-shopify-event-id", event),
        ("x-shopify-hmac-sha256", signature),
    ]


def open_headers(body: bytes, secret: bytes, event: str = "ev-1", at: datetime = NOW) -> list[tuple[str, str]]:
    seconds = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix(b"whsec_"))
    signed = base64.b64encode(hmac.digest(key, f"{event}.{seconds}.".encode() + body, hashlib.sha256)).decode()
    return [("webhook-id", event), ("webhook-timestamp", seconds), ("webhook-signature", f"v1,{signed}")]


def told(kind: str, body: bytes | dict[str, Any], topic: str | None = None, **headers: str) -> Told:
    """An accepted event as the ledger gives it to the parser."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    kept = {name.replace("_", "-"): value for name, value in headers.items()}
    return Told(f"{kind}-eu", topic or TOPICS[kind], kept, raw, NOW)


def parse(kind: str, body: bytes | dict[str, Any], topic: str | None = None, **headers: str) -> Any:
    return CHANNELS[kind].parse(told(kind, body, topic, **headers))


def example(kind: str) -> bytes:
    """A whole order of this channel."""
    return (OWN / f"{kind}_order.json").read_bytes()


def _by_shopify(body: bytes, secret: bytes, event: str) -> Sent:
    headers = shopify_headers(body, secret, event=event)
    return Sent(Inbound("shopify-eu", headers, body, NOW), secret, "x-shopify-hmac-sha256")


def _by_open(body: bytes, secret: bytes, event: str) -> Sent:
    return Sent(Inbound("open-eu", open_headers(body, secret, event), body, NOW), secret, "webhook-signature")
