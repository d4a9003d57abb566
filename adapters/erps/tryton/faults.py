"""Translates what came back from Tryton: a whole answer into the outcome it means, told apart by status and text."""

import math
import re
from datetime import UTC, datetime

from adapters.http.answers import Answer, Lost, NotSent
from adapters.http.retry_after import read_retry_after
from canonical.outcome import Conflict, Rejected, Throttled, Unavailable, Uncertain

Fault = Throttled | Unavailable | Rejected | Conflict | Uncertain


class Moved:
    """The record has left the state the action needs: read it and decide again."""


class Taken:
    """A sale has this shop and web id already: read it and continue there."""


_QUOTED = re.compile(r'"[^"]*"')
_FIELD = re.compile(r'field "([^"]{1,60})" in "([^"]{1,60})"')


def refuse(code: str, reason: str, remedy: str) -> Rejected:
    """A business exception this adapter finds by itself."""
    return Rejected(f"tryton.{code}", reason, remedy)


def fault_of(  # noqa: PLR0911  one line for each kind of answer reads best
    answer: Answer | NotSent | Lost, name: str, *, writes: bool
) -> Fault | Moved | Taken:
    """What an exchange other than a readable 2xx means for the request ``name``.

    500 and a 503 without Retry-After are in doubt on a change: Tryton processes a confirmed sale after its commit, inside
    the same request, so the change may stand although the answer says it failed. A wrong field or type answers 500 every
    time: it is looked up, tried again and parked when its attempts are spent.
    """
    if isinstance(answer, NotSent):
        return _not_sent(answer)
    if isinstance(answer, Lost):
        return _in_doubt(f"{name}: {answer.reason}", writes=writes)
    if answer.status == 400:
        return _refused(answer, name)
    wait_s = _wait_s(answer)
    if answer.status == 429:
        return Throttled(f"{name}: too many requests", wait_s)
    if answer.status in (409, 423):
        return Conflict(f"{name}: the record is being changed by somebody else")
    if answer.status == 503 and wait_s is not None:
        return Unavailable(f"{name}: maintenance", wait_s)
    if answer.status >= 500 or answer.status < 400:
        return _in_doubt(f"{name}: status {answer.status}; Tryton's own log has the cause", writes=writes)
    return _denied(answer.status, name)


def _wait_s(answer: Answer) -> float | None:
    told = read_retry_after(answer.header("retry-after"), now=datetime.now(UTC))
    return None if told is None else told.wait_s


def _not_sent(answer: NotSent) -> Fault:
    if answer.wait_s is None:
        return Unavailable(answer.reason)
    return Throttled(answer.reason, answer.wait_s if math.isfinite(answer.wait_s) else None, own=True)


def _in_doubt(reason: str, *, writes: bool) -> Fault:
    return Uncertain(reason) if writes else Unavailable(reason)


def _denied(status: int, name: str) -> Fault:
    if status == 401:
        # Every document meets this one: it waits for a new key instead of being parked one by one.
        return Unavailable(f"{name}: the key is refused (401): validate the user application or renew the secret", 60.0)
    if status == 403:
        remedy = "give the integration user the groups Sales, Stock, Stock Force Assignment and Accounting, then retry"
        return Rejected("tryton.forbidden", f"the integration user may not do {name}", remedy)
    if status == 404:
        remedy = "check the target's URL and database, and whether the record was deleted in Tryton; then retry"
        return Rejected("tryton.not_found", f"Tryton knows no record or model for {name}", remedy)
    return Rejected(
        f"tryton.http_{status}", f"status {status} for {name}", "report it with the delivery's id; retry after the fix"
    )


def _refused(answer: Answer, name: str) -> Fault | Moved | Taken:
    plain = answer.body.decode("utf-8", "replace").replace('\\"', '"')
    return refusal_of(plain, _message(plain), name)


def refusal_of(plain: str, said: str, name: str) -> Fault | Moved | Taken:
    """What a refusal by a rule of the ERP means, told apart by its English text; ``said`` is the part that is for people."""
    if "must be unique per shop" in plain:
        return Taken()
    if "You can not call" in plain:
        return Moved()
    named = _FIELD.search(plain)
    where = f"field {named[1]} of {named[2]}" if named else "a rule of the ERP"
    if "does not exist" in plain:
        remedy = "correct the cross-reference to Tryton's id of an existing record, then retry"
        return Rejected("tryton.unknown_record", f"{name}: {where} names a record Tryton does not have", remedy)
    if "value is required" in plain:
        return Rejected("tryton.missing_value", f"{name}: {where} is required", "complete the record or the mapping, then retry")
    # The text names records and people between quotation marks: only what stands outside them is kept.
    return Rejected(
        "tryton.refused", f"{name}: {_QUOTED.sub('…', said)[:160]}", "settle it in Tryton as the text says, then retry"
    )


def _message(text: str) -> str:
    begin = text.find('"message": "')
    end = text.rfind('", "description"')
    return text[begin + 12 : end] if 0 <= begin < end else "no reason given"
