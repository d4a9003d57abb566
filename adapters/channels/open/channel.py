"""Speaks Standard Webhooks 1.0.0 (standardwebhooks.com) with canonical documents inside.

Signatures of kind ``v1`` (HMAC-SHA256) are checked; ``v1a`` (ed25519) is not, as it would need a cryptography package:
a sender with both kinds passes by its ``v1``.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from adapters.channels.base import Identity, Inbound, Parsed, Refused, Told, Unreadable
from adapters.channels.open.envelope import DOMAINS, MODELS, Envelope
from adapters.wire.exact_json import read_object, understand

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

TOLERANCE_S = 300
MOST_SIGNATURES = 16
LONGEST_TOPIC = 120
LONGEST_ID = 200
_SECRET_PREFIX = b"whsec_"
_METHOD = re.compile(rb'"shipping_method"\s*:\s*"((?:[^"\\]|\\.){1,200})"')
_SECONDS = re.compile(r"[0-9]{1,12}")


class OpenChannel:
    """Our own format: mobile apps, B2B portals, social commerce, customer service. Secrets are ``whsec_<base64>``."""

    kept_headers = frozenset({ID, TIMESTAMP})

    def verify(self, request: Inbound, keys: Sequence[bytes], now: datetime) -> Refused | None:
        """None if a ``v1`` signature is by one of the secrets and the signed time is within five minutes of now."""
        told_id, told_time, told = (request.header(name) for name in (ID, TIMESTAMP, SIGNATURE))
        if not told_id or not told_time or not told or not told_id.isascii():
            return Refused("a webhook header is missing, sent twice or not ASCII")
        if not _SECONDS.fullmatch(told_time):
            return Refused("timestamp is no number of seconds")
        signatures = list(_signatures(told))
        if not signatures:
            return Refused("no v1 signature of the right length")
        content = f"{told_id}.{told_time}.".encode("ascii") + request.body
        matches = [
            hmac.compare_digest(hmac.digest(secret, content, "sha256"), signature)
            for secret in _secrets(keys)
            for signature in signatures
        ]
        if not any(matches):
            return Refused("signed with none of the configured secrets")
        if abs(now.timestamp() - int(told_time)) > TOLERANCE_S:
            return Refused("signed more than five minutes away from now; check the sender's clock")
        return None

    def identify(self, request: Inbound) -> Identity | Refused:
        """The webhook id is stable over retries; the topic is the body's type, an unknown one is kept."""
        told_id = request.header(ID)
        if not told_id or not told_id.isascii():
            return Refused("webhook-id missing, sent twice or not ASCII")
        told_type = _type_of(request.body)
        if told_type is None:
            return Refused("the body is no JSON object with a type")
        key = told_id if len(told_id) <= LONGEST_ID else hashlib.blake2b(told_id.encode(), digest_size=16).hexdigest()
        return Identity(key, told_type, DOMAINS.get(told_type))

    def peek(self, topic: str, body: bytes) -> str | None:
        """The shipping method of an order, wherever its key stands; in a text its quotes would be escaped."""
        found = _METHOD.search(body) if DOMAINS.get(topic) == "orders" else None
        return found[1].decode("utf-8", "replace") if found else None

    def parse(self, event: Told) -> Parsed | Unreadable:
        """The document in ``data``; its source is the configured one, a claimed one is refused."""
        raw = read_object(event.body)
        if isinstance(raw, Unreadable):
            return raw
        envelope = understand(lambda: Envelope.model_validate(raw))
        if isinstance(envelope, Unreadable):
            return envelope
        if "source" in envelope.data:
            return Unreadable("source.claimed", "leave the source out: it is the one that signs", "data.source")
        model = MODELS[envelope.type]
        document = understand(lambda: model.model_validate({**envelope.data, "source": event.source}), "data")
        return document if isinstance(document, Unreadable) else Parsed((document,))


def _signatures(told: str) -> Iterator[bytes]:
    for part in told.split(maxsplit=MOST_SIGNATURES)[:MOST_SIGNATURES]:
        version, _, text = part.partition(",")
        signature = _decoded(text.encode("ascii", "replace")) if version == "v1" else None
        if signature is not None and len(signature) == hashlib.sha256().digest_size:
            yield signature


def _secrets(keys: Sequence[bytes]) -> Iterator[bytes]:
    for key in keys:
        secret = _decoded(key.strip().removeprefix(_SECRET_PREFIX))
        if secret:
            yield secret


def _decoded(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _type_of(body: bytes) -> str | None:
    """The type, cleaned to what a column and a log can hold; None if the body cannot be an envelope."""
    try:
        # The sender waits: the exact reading is done by the worker.
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    told = value.get("type") if isinstance(value, dict) else None
    if not isinstance(told, str) or not told.strip():
        return None
    return re.sub(r"[^\w./:-]", "?", told, flags=re.ASCII)[:LONGEST_TOPIC]
