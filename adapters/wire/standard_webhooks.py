"""Speaks Standard Webhooks 1.0.0 as a sender: the headers that let a receiver prove who told it what, and when.

Source: the specification at standardwebhooks.com, "Signature scheme": HMAC-SHA256 over ``id.timestamp.body``, kind ``v1``.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"
_PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64


def secret_bytes(secret: str) -> bytes:
    """The key in ``whsec_<base64>``. Raises ValueError, naming no part of it, for another form or length."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"a webhook's secret looks like whsec_ and then base64 of {LEAST_BYTES} to {MOST_BYTES} bytes")
    return key


def signed_headers(keys: Sequence[bytes], told_id: str, seconds: int, body: bytes) -> tuple[tuple[str, str], ...]:
    """Headers of one attempt: ``told_id`` is the same at every attempt, ``seconds`` (Unix time) is that of this one.

    One signature by each of the ``keys``: while they rotate a receiver that knows any of them is content.
    """
    content = f"{told_id}.{seconds}.".encode("ascii") + body
    signatures = (base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    return ((ID, told_id), (TIMESTAMP, str(seconds)), (SIGNATURE, " ".join(f"v1,{one}" for one in signatures)))
