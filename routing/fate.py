"""Decides the fate of a delivery after one attempt: done, again later, or to the failure desk. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, assert_never

from msgspec import Struct

from canonical.failure import Failure, FailureClass
from canonical.outcome import AlreadyDone, Conflict, Done, Outcome, Rejected, Throttled, Unavailable, Uncertain
from routing.backoff import retry_wait_s

THROTTLE_REST_S = 1.0
"""Rest of a row after a throttle answer that names none."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a target's table allows: attempts before a row is parked, the backoff's bounds, how long a lost request may act."""

    max_attempts: int
    first_retry_s: float
    longest_retry_s: float
    max_execution_s: float


class Fate(Struct, frozen=True):
    """What becomes of the row. ``wait_s`` for a retry; ``pause_s`` closes the whole lane; ``stop`` spares the target the
    rest of the bundle.
    """

    state: Literal["done", "retrying", "parked"]
    attempts: int
    remote_id: str | None = None
    wait_s: float = 0.0
    uncertain: bool = False
    failure: Failure | None = None
    pause_s: float | None = None
    stop: bool = False


def fate_of(
    outcome: Outcome, attempts: int, uncertain: bool, rules: Rules, draw: Callable[[], float], *, probe: bool = False
) -> Fate:
    """Five failures, five fates. ``attempts`` and ``uncertain`` are the row's before this attempt.

    Whether an effect may exist is remembered until it is known: a throttle answer to the look-up leaves the doubt.
    ``probe``: it was sent to see whether the target works again; that it does not is no fault of the row's and costs no attempt.
    """
    spent = attempts + (0 if probe else 1)
    match outcome:
        case Done(remote_id) | AlreadyDone(remote_id):
            return Fate("done", attempts + 1, remote_id=remote_id)
        case Rejected(code, reason, remedy):
            return Fate("parked", attempts + 1, failure=Failure(FailureClass.REJECTED, code, reason, remedy))
        case Throttled(_, retry_after_s, own):
            # Without a hint the limiter chooses how long the lane rests: it knows the rate it works at.
            rest_s = THROTTLE_REST_S if retry_after_s is None else retry_after_s
            pause_s = None if own else retry_after_s
            return Fate("retrying", attempts, wait_s=rest_s, uncertain=uncertain, pause_s=pause_s, stop=True)
        case Unavailable(reason, retry_after_s):
            retry = _retry("unavailable", reason, spent, uncertain, rules, retry_after_s or 0.0, draw)
            return _with_stop(retry, retry_after_s)
        case Conflict(reason):
            return _retry("conflict", reason, attempts + 1, uncertain, rules, 0.0, draw)
        case Uncertain(reason):
            return _retry("uncertain", reason, spent, True, rules, rules.max_execution_s, draw)
        case _:
            assert_never(outcome)


def _retry(
    code: str, reason: str, attempts: int, uncertain: bool, rules: Rules, at_least_s: float, draw: Callable[[], float]
) -> Fate:
    if attempts >= rules.max_attempts:
        remedy = "see that the target works again, then retry; it is looked up by key before anything is sent"
        failure = Failure(FailureClass.EXHAUSTED, code, f"gave up after {attempts} attempts: {reason}", remedy)
        return Fate("parked", attempts, uncertain=uncertain, failure=failure)
    wait_s = at_least_s + retry_wait_s(attempts, rules.first_retry_s, rules.longest_retry_s, draw)
    return Fate("retrying", attempts, wait_s=wait_s, uncertain=uncertain)


def _with_stop(fate: Fate, pause_s: float | None) -> Fate:
    return Fate(fate.state, fate.attempts, None, fate.wait_s, fate.uncertain, fate.failure, pause_s, stop=True)
