"""Translates what came back from NetSuite, by code and body rather than by status, into what it means. Pure.

                       a code we know?  ->  its row of CODES
    whole answer  -->  a status we know? -> its row of STATUSES
                       anything else    ->  in doubt: Uncertain for a write, Unavailable for a read

Codes and statuses: Oracle's help pages "REST web services error handling" and "concurrency governance".
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.http.answers import Answer, Exchange, Lost, NotSent
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.retry_after import read_retry_after
from canonical.outcome import Conflict, Rejected, Throttled, Unavailable, Uncertain

Fault = Throttled | Unavailable | Rejected | Conflict | Uncertain


@dataclass(frozen=True, slots=True)
class Gone:
    """NetSuite says that no record has the id."""


@dataclass(frozen=True, slots=True)
class Taken:
    """NetSuite says that a record of this type has the external id already."""


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The token is not accepted: it ended, it is wrong, or the account is over its limit and says so badly."""


Meaning = Fault | Gone | Taken | LoginRefused


@dataclass(frozen=True, slots=True)
class Told:
    """An error answer as far as it may be told on: never its text, which quotes values."""

    name: str
    writes: bool
    status: int
    code: str
    path: str
    detail: str
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
    told = _told(exchange, name, writes=writes)
    if exchange.status < 400:
        return in_doubt(f"{told.said}, and not the answer that was due", writes=writes)
    return (CODES.get(told.code) or STATUSES.get(told.status) or _doubtful)(told)


def code_of(answer: Answer) -> str:
    """NetSuite's own error code of an answer, empty for none."""
    return _envelope(answer)[0]


def in_doubt(reason: str, *, writes: bool) -> Uncertain | Unavailable:
    """The request may have taken effect: on a write that is looked up, a read is simply asked again."""
    return Uncertain(reason) if writes else Unavailable(reason)


def misplaced(operation: str, kind: str) -> Rejected:
    """An operation that the document's kind does not have: a fault of ours, told instead of raised."""
    return Rejected("netsuite.operation", f"{operation} is no posting of a {kind}", "report it with the delivery's id")


def _not_sent(exchange: NotSent) -> Throttled | Unavailable:
    if exchange.wait_s is None:
        return Unavailable(exchange.reason)
    return Throttled(exchange.reason, exchange.wait_s if math.isfinite(exchange.wait_s) else None, own=True)


def _told(answer: Answer, name: str, *, writes: bool) -> Told:
    wait = read_retry_after(answer.header("retry-after"), now=datetime.now(UTC))
    code, path, detail = _envelope(answer)
    return Told(name, writes, answer.status, code, path, detail, None if wait is None else wait.wait_s)


_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,60}")
_PATH = re.compile(r"[A-Za-z0-9_.\[\]]{1,120}")


def _envelope(answer: Answer) -> tuple[str, str, str]:
    """Code, path and detail of the first error told; empty where the body is no error of NetSuite's."""
    try:
        body = read_json(answer)
    except UnreadableError:
        return "", "", ""
    if not isinstance(body, Mapping):
        return "", "", ""
    details = body.get("o:errorDetails")
    first = details[0] if isinstance(details, list) and details else body.get("error")
    found = first if isinstance(first, Mapping) else body
    code = _matching(_CODE, found.get("o:errorCode") or found.get("code"))
    return code, _matching(_PATH, found.get("o:errorPath")), str(found.get("detail") or "")


def _matching(pattern: re.Pattern[str], value: object) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _throttled(told: Told) -> Throttled:
    return Throttled(told.said, told.wait_s)


def _login(_: Told) -> LoginRefused:
    return LoginRefused()


def _gone(_: Told) -> Gone:
    return Gone()


def _doubtful(told: Told) -> Fault:
    return in_doubt(f"{told.said}, cause unknown", writes=told.writes)


def _closed(told: Told) -> Unavailable:
    return Unavailable(f"{told.said}: the account does not work now", told.wait_s)


def _changed(told: Told) -> Conflict:
    return Conflict(f"{told.said}: somebody else is changing the record")


def _accepted_before(told: Told) -> Fault:
    # An asynchronous request with the same key was accepted: whether it has worked out is seen under the external id.
    return in_doubt(f"{told.said}: accepted before, its result is not known", writes=told.writes)


def _forbidden(told: Told) -> Rejected:
    remedy = "give the integration's role the permission for this record type, then retry"
    return Rejected("netsuite.forbidden", f"{told.said}: the integration's role may not do this", remedy)


def _bare_400(told: Told) -> Fault | Taken:
    # A 400 without NetSuite's envelope comes from something in between, which cannot say what became of the request.
    return _refused(told) if told.code else _doubtful(told)


def _refused(told: Told) -> Rejected | Taken:
    if "already exists" in told.detail.lower():
        return Taken()
    where = f" at {told.path}" if told.path else ""
    return Rejected(f"netsuite.{(told.code or str(told.status)).lower()}", f"{told.said}{where}", _remedy(told))


_REMEDIES = (
    ("orderLine", "see that the order in NetSuite has this line open, then retry"),
    ("quantity", "compare what the order in NetSuite has left with what was told, settle the difference there, then retry"),
    ("location", "set the location's cross-reference or the option 'location' to an active location, then retry"),
    ("custbody", "create this custom field in NetSuite, or name another one in the target's options, then retry"),
    ("custcol", "create this custom column in NetSuite, or name another one in the target's options, then retry"),
    ("entity", "correct the customer's cross-reference or the option 'guest_customer', then retry"),
    ("currency", "name the currency's internal id in the option 'currencies', then retry"),
    ("tax", "correct the tax's cross-reference or the option 'tax_code', then retry"),
    (".item", "correct the item's cross-reference to an active item's internal id, then retry"),
    ("ddress", "complete the address in NetSuite's terms, or switch the option 'addresses' off, then retry"),
)


def _remedy(told: Told) -> str:
    if "initialize reference" in told.detail.lower():
        return "see in NetSuite whether the order's status allows it (approved, shipped, not closed), then retry"
    fitting = (remedy for part, remedy in _REMEDIES if part.lower() in told.path.lower())
    return next(fitting, "look the error up in NetSuite's integration log by time and record, correct it, then retry")


CODES: Mapping[str, Callable[[Told], Meaning]] = {
    "CONCURRENCY_LIMIT_EXCEEDED": _throttled,
    "REQUEST_LIMIT_EXCEEDED": _throttled,
    "SSS_REQUEST_LIMIT_EXCEEDED": _throttled,
    "WS_CONCUR_SESSION_DISALLWD": _throttled,
    "WS_REQUEST_BLOCKED": _throttled,
    "INVALID_LOGIN": _login,
    "INVALID_LOGIN_ATTEMPT": _login,
    "NONEXISTENT_ID": _gone,
    "RCRD_DSNT_EXIST": _gone,
    "DUP_RCRD": lambda _: Taken(),
    "IDEMPOTENCY_ERROR": _accepted_before,
    "RCRD_HAS_BEEN_CHANGED": _changed,
    "UNEXPECTED_ERROR": _doubtful,
    "INSUFFICIENT_PERMISSION": _forbidden,
    "INVALID_CONTENT": _refused,
    "INVALID_REQUEST": _refused,
}
"""Meaning by NetSuite's own error code, whatever the status around it."""

STATUSES: Mapping[int, Callable[[Told], Meaning]] = {
    400: _bare_400,
    401: _login,
    403: _forbidden,
    404: _doubtful,
    405: _refused,
    409: _changed,
    413: _refused,
    415: _refused,
    422: _bare_400,
    429: _throttled,
    503: _closed,
}
"""Meaning by status where the code says nothing. A bare 404 is not NetSuite's word that a record is absent."""
