"""Translates what came back from Dataverse, by its code rather than by status, into what it means. Pure.

Codes: Microsoft, "Service protection API limits" and "Web service error codes" of Dataverse. Error texts quote values: they are
neither read nor told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Gone:
    """Dataverse says that no record has the key."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Dataverse says that a record has the key already."""


Meaning = Fault | Gone | Taken | LoginRefused


def meaning_of(exchange: Exchange, name: str, *, writes: bool) -> Meaning:
    """What an exchange that is not the documented success means for the request ``name``. Never raises."""
    told = told_of(exchange, name, writes=writes)
    return _meaning(told) if isinstance(told, Told) else told


def meaning_of_reply(reply: Reply, name: str) -> Meaning:
    """What a write inside a batch was answered with, where that is not its documented success."""
    return _meaning(Told(name, True, reply.status, envelope(reply.body)[0]))


def _meaning(told: Told) -> Meaning:
    if told.status < 400:
        return undue(told)
    return (CODES.get(told.code.lower()) or STATUSES.get(told.status) or doubtful)(told)


def _forbidden(told: Told) -> Rejected:
    remedy = "give the application user's security role the privilege for this table, then retry"
    return Rejected("dataverse.forbidden", told.said, remedy)


def _refused(told: Told) -> Fault:
    if not told.code:
        # Without Dataverse's envelope it comes from something in between, which cannot say what became of the request.
        return doubtful(told)
    remedy = "look the code up in Dataverse's list of error codes, correct the reference or column it names, then retry"
    return Rejected(f"dataverse.{told.code.lower()}", told.said, remedy)


def _gone(told: Told) -> Gone | Fault:
    return Gone() if told.code else doubtful(told)


CODES: Mapping[str, Callable[[Told], Meaning]] = {
    "0x80072322": throttled,
    "0x80072321": throttled,
    "0x80072326": throttled,
    "0x80060892": lambda _: Taken(),
    "0x80040237": lambda _: Taken(),
    "0x80060882": changed,
    "0x80040217": _gone,
    "0x80060891": _gone,
    "0x80040220": _forbidden,
}
"""Requests in 300 s, execution time, requests at once; duplicate alternate key, duplicate record; stale version; absent twice;
missing privilege.
"""

STATUSES: Mapping[int, Callable[[Told], Meaning]] = {
    400: _refused,
    401: login_refused,
    403: _forbidden,
    404: _gone,
    405: _refused,
    412: changed,
    413: _refused,
    429: throttled,
    503: closed,
}
"""Meaning by status where the code says nothing. 500 and 504 may hide an effect."""
