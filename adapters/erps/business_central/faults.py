"""Translates what came back from Business Central, by its code's prefix rather than by status, into what it means. Pure.

                       a code we know?    ->  its row of CODES
    whole answer  -->  a prefix we know?  ->  its row of PREFIXES
                       a status we know?  ->  its row of STATUSES
                       anything else      ->  in doubt: Uncertain for a write, Unavailable for a read

Codes: Microsoft, "Error codes" and "Operational API limits" of Business Central. Their texts are localised and quote values:
they are neither read nor told.
"""

from collections.abc import Callable, Mapping

from adapters.http.answers import Exchange
from adapters.wire.odata import Reply, envelope
from adapters.wire.odata_faults import (
    Fault,
    LoginRefused,
    Told,
    changed,
    closed,
    doubtful,
    login_refused,
    throttled,
    told_of,
    undue,
)
from canonical.outcome import Rejected

Meaning = Fault | LoginRefused


def meaning_of(exchange: Exchange, name: str, *, writes: bool) -> Meaning:
    """What an exchange that is not the documented success means for the request ``name``. Never raises."""
    told = told_of(exchange, name, writes=writes)
    return _meaning(told) if isinstance(told, Told) else told


def meaning_of_reply(reply: Reply, name: str, *, writes: bool) -> Meaning:
    """What a request inside a batch was answered with, where that is not its documented success."""
    return _meaning(Told(name, writes, reply.status, envelope(reply.body)[0]))


def misplaced(operation: str, kind: str) -> Rejected:
    """An operation that the document's kind does not have: a fault of ours, told instead of raised."""
    return Rejected("business-central.operation", f"{operation} is no posting of a {kind}", "report it with the delivery's id")


def _meaning(told: Told) -> Meaning:
    if told.status < 400:
        return undue(told)
    by_prefix = next((row for prefix, row in PREFIXES.items() if told.code.startswith(prefix)), None)
    return (CODES.get(told.code) or by_prefix or STATUSES.get(told.status) or doubtful)(told)


def _rejected(remedy: str) -> Callable[[Told], Meaning]:
    def refuse(told: Told) -> Rejected:
        return Rejected(f"business-central.{(told.code or str(told.status)).lower()}", told.said, remedy)

    return refuse


def _bare_400(told: Told) -> Fault:
    # Without Business Central's envelope a 400 comes from something in between, which cannot say what became of the request.
    return _malformed(told) if told.code else doubtful(told)  # type: ignore[return-value]  # it refuses


_malformed = _rejected("compare the record's fields with the target's options and cross-references, then retry")
_forbidden = _rejected("give the application's user in Business Central the permission set for this record, then retry")
_business = _rejected("post the document by hand in Business Central to see the full message, correct what it names, then retry")
_missing = _rejected("correct the cross-reference: Business Central has no customer, item or account of that number; then retry")
_company = _rejected("correct the option 'company', then retry")

CODES: Mapping[str, Callable[[Told], Meaning]] = {
    "Application_TooManyRequests": throttled,
    "Request_EntityChanged": changed,
    "BadRequest_InvalidToken": changed,
    "Internal_EntityWithSameKeyExists": doubtful,
    "Internal_RecordNotFound": _missing,
    "Internal_InvalidTableRelation": _missing,
    "Internal_TenantUnavailable": closed,
    "Internal_CompanyNotFound": _company,
}
"""Meaning by Business Central's own code, whatever the status around it. A duplicate key may be our own doing: looked up."""

PREFIXES: Mapping[str, Callable[[Told], Meaning]] = {
    "Authentication_": login_refused,
    "Authorization_": _forbidden,
    "BadRequest_": _malformed,
    "Application_": _business,
    "Internal_": doubtful,
}
"""Meaning by the code's prefix: ``Application_`` is a business rule, ``Internal_`` may be anything."""

STATUSES: Mapping[int, Callable[[Told], Meaning]] = {
    400: _bare_400,
    401: login_refused,
    403: _forbidden,
    405: _malformed,
    409: changed,
    412: changed,
    413: _malformed,
    415: _malformed,
    429: throttled,
    503: closed,
}
"""Meaning by status where the code says nothing. 408 and 504 are time-outs: the operation may still be running."""
