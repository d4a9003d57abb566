"""Names the outcomes of one attempt to take effect on an outside system: a closed set of values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """The target took the document now; ``remote_id`` is the number it gave."""

    remote_id: str


@dataclass(frozen=True, slots=True)
class AlreadyDone:
    """The target had the document before this attempt: success, nothing was sent twice."""

    remote_id: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """The target refused for its limits. Costs no attempt; ``retry_after_s`` is the target's own hint.

    ``own``: our own limiter had no call left to give; the target was not asked and has not refused anything.
    """

    reason: str
    retry_after_s: float | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The target could not work (down, maintenance, 5xx before any effect): later it may."""

    reason: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The target understood and refused the document: a business exception for a person, never retried by itself."""

    code: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """The record changed under us: read again, then try again. Costs an attempt."""

    reason: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The answer was lost (timeout, reset, 504, truncated): the effect may exist. Looked up by key before any resend."""

    reason: str


@dataclass(frozen=True, slots=True)
class Absent:
    """A look-up found no effect under the key (answer of ``Erp.find`` only, never an outcome of a post)."""


Outcome = Done | AlreadyDone | Throttled | Unavailable | Rejected | Conflict | Uncertain
Finding = AlreadyDone | Absent | Throttled | Unavailable | Rejected | Conflict | Uncertain
