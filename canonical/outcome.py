"""Names the outcomes of one attempt to take effect on an outside system: a closed set of values."""

from msgspec import Struct


class Done(Struct, frozen=True):
    """The target took the document now; ``remote_id`` is the number it gave."""

    remote_id: str


class AlreadyDone(Struct, frozen=True):
    """The target had the document before this attempt: success, nothing was sent twice."""

    remote_id: str


class Throttled(Struct, frozen=True):
    """The target refused for its limits. Costs no attempt; ``retry_after_s`` is the target's own hint.

    ``own``: our own limiter had no call left to give; the target was not asked and has not refused anything.
    """

    reason: str
    retry_after_s: float | None = None
    own: bool = False


class Unavailable(Struct, frozen=True):
    """The target could not work (down, maintenance, 5xx before any effect): later it may."""

    reason: str
    retry_after_s: float | None = None


class Rejected(Struct, frozen=True):
    """The target understood and refused the document: a business exception for a person, never retried by itself."""

    code: str
    reason: str
    remedy: str


class Conflict(Struct, frozen=True):
    """The record changed under us: read again, then try again. Costs an attempt."""

    reason: str


class Uncertain(Struct, frozen=True):
    """The answer was lost (timeout, reset, 504, truncated): the effect may exist. Looked up by key before any resend."""

    reason: str


class Absent(Struct, frozen=True):
    """A look-up found no effect under the key (answer of ``Erp.find`` only, never an outcome of a post)."""


Outcome = Done | AlreadyDone | Throttled | Unavailable | Rejected | Conflict | Uncertain
Finding = AlreadyDone | Absent | Throttled | Unavailable | Rejected | Conflict | Uncertain
