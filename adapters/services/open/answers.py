"""Translates what came back from the receiving side of the open target into what it means. Pure.

Statuses: RFC 9110, and "Delivery" in the specification of Standard Webhooks: 2xx is success, whatever else is not. Texts of
errors may quote the document: they are neither read nor told.
"""

import math
from datetime import UTC, datetime

from adapters.http.answers import Answer, Exchange, Lost, NotSent
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.retry_after import read_retry_after
from adapters.wire.standard_webhooks import ID
from canonical.outcome import AlreadyDone, Done, Outcome, Rejected, Throttled, Unavailable, Uncertain

LONGEST_REMOTE_ID = 120
_OF_THE_ENDPOINT = frozenset({401, 403, 404, 405, 407, 410, 421, 426})
"""Refusals that no document can help: of the signature, of the address, of the endpoint that was switched off."""
_AGAIN = frozenset({408, 425, 503})
"""The request was not taken in: RFC 9110, 15.5.9 and 15.6.4, and RFC 8470."""


def outcome_of(exchange: Exchange, told_id: str) -> Outcome:
    """What an exchange means for the effect that was told under ``told_id``. Never raises."""
    if isinstance(exchange, NotSent):
        return _not_sent(exchange)
    if isinstance(exchange, Lost):
        return Uncertain(exchange.reason)
    return _told(exchange, told_id)


def _not_sent(exchange: NotSent) -> Outcome:
    if exchange.wait_s is None:
        return Unavailable(exchange.reason)
    return Throttled(exchange.reason, None if math.isinf(exchange.wait_s) else exchange.wait_s, own=True)


def _told(answer: Answer, told_id: str) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Done(_named(answer) or told_id)
    if status == 409 and told_id in (answer.header(ID), _named(answer)):
        return AlreadyDone(told_id)
    if status == 429:
        return Throttled("429: too many requests", _wait_s(answer))
    return _later(answer) or _refused(status)


def _later(answer: Answer) -> Unavailable | None:
    status = answer.status
    if status in _AGAIN:
        return Unavailable(f"{status}: nothing is taken in now", _wait_s(answer))
    if status in _OF_THE_ENDPOINT or 300 <= status < 400:
        return Unavailable(f"{status}: the endpoint refuses us, not the document: see its address and our secret")
    return None


def _refused(status: int) -> Rejected | Uncertain:
    if 400 <= status < 500:
        remedy = "ask the receiving side what it refuses, correct the document or their data, then retry"
        return Rejected(f"open.{status}", f"the receiving side refused the document with {status}", remedy)
    return Uncertain(f"{status}: whether it was taken in is not said")


def _wait_s(answer: Answer) -> float | None:
    wait = read_retry_after(answer.header("retry-after"), now=datetime.now(UTC))
    return None if wait is None else wait.wait_s


def _named(answer: Answer) -> str | None:
    """The ``id`` that a JSON answer gives, in at most 120 characters; None where it gives none."""
    try:
        body = read_json(answer) if answer.body else None
    except UnreadableError:
        return None
    told = body.get("id") if isinstance(body, dict) else None
    if isinstance(told, bool) or not isinstance(told, str | int) or not 1 <= len(str(told)) <= LONGEST_REMOTE_ID:
        return None
    return str(told) if str(told).isprintable() else None
