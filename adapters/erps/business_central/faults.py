"""Translates what came back from Business Central, by its code's prefix rather than by status, into what it means. Pure.

                       a code we know?    ->  its row of CODES
    whole answer  -->  a prefix we know?  ->  its row of PREFIXES
                       a status we know?  ->  its row of STATUSES
                       anything else      ->  in doubt: Uncertain for a write, Unavailable for a read

Codes: Microsoft, "Error codes" and "Operational API limits" of Business Central. Their texts are localised and quote values:
they are neither read nor told.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.http.answers import Answer, Exchange, Lost, NotSent
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.retry_after import read_retry_after
from adapters.wire.odata import Reply, envelope
from canonical.outcome import Conflict, Rejected, Throttled, Unavailable, Uncertain

Fault = Throttled | Unavailable | Rejected | Conflict | Uncertain


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The token is not accepted."""


Meaning = Fault | LoginRefused


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
    return _meaning(told)


def meaning_of_reply(reply: Reply, name: str, *, writes: bool) -> Meaning:
    """What a request inside a batch was answered with, where that is not its documented success."""
    return _meaning(Told(name, writes, reply.status, envelope(reply.body)[0], None))


def in_doubt(reason: str, *, writes: bool) -> Uncertain | Unavailable:
    """The request may have taken effect: on a write that is looked up, a read is simply asked again."""
    return Uncertain(reason) if writes else Unavailable(reason)


def misplaced(operation: str, kind: str) -> Rejected:
    """An operation that the document's kind does not have: a fault of ours, told instead of raised."""
    return Rejected("business-central.operation", f"{operation} is no posting of a {kind}", "report it with the delivery's id")


def _meaning(told: Told) -> Meaning:
    if told.status < 400:
        return in_doubt(f"{told.said}, and not the answer that was due", writes=told.writes)
    by_prefix = next((row for prefix, row in PREFIXES.items() if told.code.startswith(prefix)), None)
    return (CODES.get(told.code) or by_prefix or STATUSES.get(told.status) or _doubtful)(told)


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


def _rejected(remedy: str) -> Callable[[Told], Meaning]:
    def refuse(told: Told) -> Rejected:
        return Rejected(f"business-central.{(told.code or str(told.status)).lower()}", told.said, remedy)

    return refuse


def _bare_400(told: Told) -> Fault:
    # Without Business Central's envelope a 400 comes from something in between, which cannot say what became of the request.
    return _malformed(told) if told.code else _doubtful(told)  # type: ignore[return-value]  # it refuses


_malformed = _rejected("compare the record's fields with the target's options and cross-references, then retry")
_forbidden = _rejected("give the application's user in Business Central the permission set for this record, then retry")
_business = _rejected("post the document by hand in Business Central to see the full message, correct what it names, then retry")
_missing = _rejected("correct the cross-reference: Business Central has no customer, item or account of that number; then retry")
_company = _rejected("correct the option 'company', then retry")

CODES: Mapping[str, Callable[[Told], Meaning]] = {
    "Application_TooManyRequests": _throttled,
    "Request_EntityChanged": _changed,
    "BadRequest_InvalidToken": _changed,
    "Internal_EntityWithSameKeyExists": _doubtful,
    "Internal_RecordNotFound": _missing,
    "Internal_InvalidTableRelation": _missing,
    "Internal_TenantUnavailable": _closed,
    "Internal_CompanyNotFound": _company,
}
"""Meaning by Business Central's own code, whatever the status around it. A duplicate key may be our own doing: looked up."""

PREFIXES: Mapping[str, Callable[[Told], Meaning]] = {
    "Authentication_": _login,
    "Authorization_": _forbidden,
    "BadRequest_": _malformed,
    "Application_": _business,
    "Internal_": _doubtful,
}
"""Meaning by the code's prefix: ``Application_`` is a business rule, ``Internal_`` may be anything."""

STATUSES: Mapping[int, Callable[[Told], Meaning]] = {
    400: _bare_400,
    401: _login,
    403: _forbidden,
    405: _malformed,
    409: _changed,
    412: _changed,
    413: _malformed,
    415: _malformed,
    429: _throttled,
    503: _closed,
}
"""Meaning by status where the code says nothing. 408 and 504 are time-outs: the operation may still be running."""
