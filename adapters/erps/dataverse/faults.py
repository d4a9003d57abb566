"""Translates what came back from Dataverse, by its code rather than by status, into what it means. Pure.

Codes: Microsoft, "Service protection API limits" and "Web service error codes" of Dataverse. Error texts quote values: they are
neither read nor told.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.http.answers import Answer, Exchange, Lost, NotSent
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.retry_after import read_retry_after
from adapters.wire.odata import envelope
from canonical.outcome import Conflict, Rejected, Throttled, Unavailable, Uncertain

Fault = Throttled | Unavailable | Rejected | Conflict | Uncertain


@dataclass(frozen=True, slots=True)
class Gone:
    """Dataverse says that no record has the key."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Dataverse says that a record has the key already."""


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The token is not accepted."""


Meaning = Fault | Gone | Taken | LoginRefused


@dataclass(frozen=True, slots=True)
class Told:
    """An error as far as it may be told on."""

    name: str
    writes: bool
    status: int
    code: str
    wait_s: float | None

    @property
    def said(self) -> str:
        """What was asked and what came back."""
        return f"{self.name}: {self.status} {self.code}".rstrip()


def meaning_of(exchange: Exchange, name: str, *, writes: bool) -> Meaning:
    """What an exchange that is not the documented success means for the request ``name``. Never raises."""
    if isinstance(exchange, NotSent):
        return _not_sent(exchange)
    if isinstance(exchange, Lost):
        return in_doubt(f"{name}: {exchange.reason}", writes=writes)
    wait = read_retry_after(exchange.header("retry-after"), now=datetime.now(UTC))
    told = Told(name, writes, exchange.status, _code(exchange), None if wait is None else wait.wait_s)
    if told.status < 400:
        return in_doubt(f"{told.said}, and not the answer that was due", writes=writes)
    return (CODES.get(told.code.lower()) or STATUSES.get(told.status) or _doubtful)(told)


def in_doubt(reason: str, *, writes: bool) -> Uncertain | Unavailable:
    """The request may have taken effect: on a write that is looked up, a read is simply asked again."""
    return Uncertain(reason) if writes else Unavailable(reason)


def _not_sent(exchange: NotSent) -> Throttled | Unavailable:
    if exchange.wait_s is None:
        return Unavailable(exchange.reason)
    return Throttled(exchange.reason, exchange.wait_s if math.isfinite(exchange.wait_s) else None, own=True)


def _code(answer: Answer) -> str:
    try:
        return envelope(read_json(answer))[0]
    except UnreadableError:
        return ""


def _throttled(told: Told) -> Throttled:
    return Throttled(told.said, told.wait_s)


def _login(_: Told) -> LoginRefused:
    return LoginRefused()


def _doubtful(told: Told) -> Fault:
    return in_doubt(f"{told.said}, cause unknown", writes=told.writes)


def _closed(told: Told) -> Unavailable:
    return Unavailable(f"{told.said}: the environment does not work now", told.wait_s)


def _changed(told: Told) -> Conflict:
    return Conflict(f"{told.said}: somebody else changed the record")


def _forbidden(told: Told) -> Rejected:
    remedy = "give the application user's security role the privilege for this table, then retry"
    return Rejected("dataverse.forbidden", told.said, remedy)


def _refused(told: Told) -> Fault:
    if not told.code:
        # Without Dataverse's envelope it comes from something in between, which cannot say what became of the request.
        return _doubtful(told)
    remedy = "look the code up in Dataverse's list of error codes, correct the reference or column it names, then retry"
    return Rejected(f"dataverse.{told.code.lower()}", told.said, remedy)


def _gone(told: Told) -> Gone | Fault:
    return Gone() if told.code else _doubtful(told)


CODES: Mapping[str, Callable[[Told], Meaning]] = {
    "0x80072322": _throttled,
    "0x80072321": _throttled,
    "0x80072326": _throttled,
    "0x80060892": lambda _: Taken(),
    "0x80040237": lambda _: Taken(),
    "0x80060882": _changed,
    "0x80040217": _gone,
    "0x80060891": _gone,
    "0x80040220": _forbidden,
}
"""Requests in 300 s, execution time, requests at once; duplicate alternate key, duplicate record; stale version; absent twice;
missing privilege.
"""

STATUSES: Mapping[int, Callable[[Told], Meaning]] = {
    400: _refused,
    401: _login,
    403: _forbidden,
    404: _gone,
    405: _refused,
    412: _changed,
    413: _refused,
    429: _throttled,
    503: _closed,
}
"""Meaning by status where the code says nothing. 500 and 504 may hide an effect."""
