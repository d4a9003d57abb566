"""Reads what an error of any OData target means before its own codes are looked at: not sent, lost, or told. Pure."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.http.answers import Answer, Exchange, Lost, NotSent
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.retry_after import read_retry_after
from adapters.wire.odata import envelope
from canonical.outcome import Conflict, Rejected, Throttled, Unavailable, Uncertain

Fault = Throttled | Unavailable | Rejected | Conflict | Uncertain


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The token is not accepted."""


@dataclass(frozen=True, slots=True)
class Told:
    """An error as far as it may be told on: never its text, which quotes values."""

    name: str
    writes: bool
    status: int
    code: str
    wait_s: float | None = None

    @property
    def said(self) -> str:
        """What was asked and what came back."""
        return f"{self.name}: {self.status} {self.code}".rstrip()


def told_of(exchange: Exchange, name: str, *, writes: bool) -> Told | Fault:
    """What the target said to the request ``name``, or what it means that it said nothing. Never raises."""
    if isinstance(exchange, NotSent):
        return _not_sent(exchange)
    if isinstance(exchange, Lost):
        return in_doubt(f"{name}: {exchange.reason}", writes=writes)
    wait = read_retry_after(exchange.header("retry-after"), now=datetime.now(UTC))
    return Told(name, writes, exchange.status, _code(exchange), None if wait is None else wait.wait_s)


def in_doubt(reason: str, *, writes: bool) -> Uncertain | Unavailable:
    """The request may have taken effect: on a write that is looked up, a read is simply asked again."""
    return Uncertain(reason) if writes else Unavailable(reason)


def undue(told: Told) -> Fault:
    """An answer that is no error, and not the documented success."""
    return in_doubt(f"{told.said}, and not the answer that was due", writes=told.writes)


def doubtful(told: Told) -> Fault:
    """An error that does not say whether anything was done."""
    return in_doubt(f"{told.said}, cause unknown", writes=told.writes)


def throttled(told: Told) -> Throttled:
    """The target is full for us."""
    return Throttled(told.said, told.wait_s)


def login_refused(_: Told) -> LoginRefused:
    """The token is to be renewed once."""
    return LoginRefused()


def closed(told: Told) -> Unavailable:
    """The target works for nobody now."""
    return Unavailable(f"{told.said}: the environment does not work now", told.wait_s)


def changed(told: Told) -> Conflict:
    """The record is to be read again."""
    return Conflict(f"{told.said}: somebody else changed the record")


def _not_sent(exchange: NotSent) -> Throttled | Unavailable:
    if exchange.wait_s is None:
        return Unavailable(exchange.reason)
    return Throttled(exchange.reason, exchange.wait_s if math.isfinite(exchange.wait_s) else None, own=True)


def _code(answer: Answer) -> str:
    try:
        return envelope(read_json(answer))[0]
    except UnreadableError:
        return ""
