"""Reads what an answer says of the account's limits: rate-limit headers of the vendors, and Shopify's throttleStatus.

- BigCommerce: ``X-Rate-Limit-Requests-Left``, ``-Requests-Quota``, ``-Time-Reset-Ms`` (a window that all apps share).
- Shopify REST: ``X-Shopify-Shop-Api-Call-Limit: 39/40`` (a bucket: used and size).
- Shopify GraphQL: ``extensions.cost.throttleStatus`` in the body (a bucket of cost points).
- Amazon SP-API: ``x-amzn-RateLimit-Limit`` (the operation's rate, not what is left).
- Dataverse: ``x-ms-ratelimit-burst-remaining-xrm-requests`` (left on this web server).
- Others: ``RateLimit-Remaining``, ``-Limit``, ``-Reset`` and the same with ``X-`` or ``X-Rate-Limit`` (seconds, or the
  moment as epoch seconds); ``RateLimit: "name";r=50;t=30`` (IETF draft, structured).
"""

import math
import re
from collections.abc import Iterable, Mapping

from adapters.throttle.base import Hints

_EPOCH_FROM = 1e9
_NUMBER = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)", re.ASCII)
_PAIR = re.compile(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", re.ASCII)
_STRUCTURED = re.compile(r";\s*([rt])\s*=\s*(\d{1,12})", re.ASCII)
_STATUS = re.compile(
    rb'"(maximumAvailable|currentlyAvailable|restoreRate)"\s*:\s*(\d{1,9}(?:\.\d{1,6})?)',
)
_TAIL = 4096

_LEFT = (
    "x-rate-limit-requests-left", "x-rate-limit-remaining", "x-ratelimit-remaining", "ratelimit-remaining",
    "x-ms-ratelimit-burst-remaining-xrm-requests",
)  # fmt: skip
_LIMIT = ("x-rate-limit-requests-quota", "x-rate-limit-limit", "x-ratelimit-limit", "ratelimit-limit")
_RESET = ("x-rate-limit-reset", "x-ratelimit-reset", "ratelimit-reset")
_RESET_MS = "x-rate-limit-time-reset-ms"
_BUCKET = "x-shopify-shop-api-call-limit"
_RATE = "x-amzn-ratelimit-limit"
_DRAFT = "ratelimit"
_KNOWN = frozenset((*_LEFT, *_LIMIT, *_RESET, _RESET_MS, _BUCKET, _RATE, _DRAFT))


def read_hints(headers: Iterable[tuple[str, str]], body: bytes, now_s: float) -> Hints | None:
    """What an answer says, None if nothing. Header names are in lower case; ``now_s`` is epoch seconds. Never raises:
    what cannot be read is left out.
    """
    told = {name: value for name, value in headers if name in _KNOWN}
    # Shopify writes `extensions` last.
    points = _points(body[-_TAIL:]) if b'"throttleStatus"' in body[-_TAIL:] else {}
    if not told and not points:
        return None
    left, limit = _first(told, _LEFT), _first(told, _LIMIT)
    reset_s = _reset(told, now_s)
    bucket = _PAIR.fullmatch(told.get(_BUCKET, ""))
    if bucket is not None:
        used, size = float(bucket[1]), float(bucket[2])
        left, limit = max(0.0, size - used), size
    if left is None and _DRAFT in told:
        parameters = dict(_STRUCTURED.findall(told[_DRAFT]))
        left = float(parameters["r"]) if "r" in parameters else None
        reset_s = float(parameters["t"]) if "t" in parameters else None
    hints = Hints(
        remaining=left,
        limit=limit,
        reset_s=reset_s,
        rate_per_s=_first(told, (_RATE,)),
        points_left=points.get(b"currentlyAvailable"),
        points_capacity=points.get(b"maximumAvailable"),
        points_restore_per_s=points.get(b"restoreRate"),
    )
    return None if hints == Hints() else hints


def _first(told: Mapping[str, str], names: Iterable[str]) -> float | None:
    for name in names:
        found = _NUMBER.match(told.get(name, ""))
        if found is not None and math.isfinite(float(found[1])):
            return float(found[1])
    return None


def _reset(told: Mapping[str, str], now_s: float) -> float | None:
    in_ms = _first(told, (_RESET_MS,))
    if in_ms is not None:
        return in_ms / 1000
    reset = _first(told, _RESET)
    if reset is None:
        return None
    return max(0.0, reset - now_s) if reset > _EPOCH_FROM else reset


def _points(body: bytes) -> dict[bytes, float]:
    _, _, status = body.rpartition(b'"throttleStatus"')
    return {name: float(value) for name, value in _STATUS.findall(status)}
