"""Tells what becomes of a delivery's attempt: the events of the outermost step, each with the row it is about.

They are told where the row's correlation id is bound.
"""

from datetime import datetime, timedelta
from typing import Any

from canonical.outcome import AlreadyDone, Conflict, Done, Outcome, Rejected, Throttled, Unavailable, Uncertain
from ledger.deliveries import Claimed
from routing.fate import Fate
from telemetry.bus import emit
from telemetry.events import Name

_WORD_OF: dict[type[Outcome], str] = {
    Done: "done",
    AlreadyDone: "already_done",
    Throttled: "throttled",
    Unavailable: "unavailable",
    Rejected: "rejected",
    Conflict: "conflict",
    Uncertain: "uncertain",
}
_SECOND = timedelta(seconds=1)


def tell_start(row: Claimed) -> None:
    """A posting begins."""
    emit(
        Name.DELIVERY_POST_START,
        delivery_id=row.id,
        target=row.target,
        operation=row.operation,
    )


def tell_defect(row: Claimed, error: Exception) -> None:
    """An adapter raised: a fault of ours, told with the row at hand."""
    emit(Name.STEP_RUN_FAILED, stage="deliver", delivery_id=row.id, target=row.target, error=error)


def tell_pause(target: str, wait_s: float, reason: str) -> None:
    """The target asked the fleet to stay away."""
    emit(Name.LANE_THROTTLE_PAUSED, target=target, wait_s=wait_s, reason=reason)


def tell_attempt(row: Claimed, outcome: Outcome, fate: Fate, started_at: datetime, now: datetime) -> None:
    """An attempt ended: one event for what is done, one more for what is tried again or parked."""
    told: dict[str, Any] = {
        "delivery_id": row.id,
        "key": row.business_key,
        "target": row.target,
        "operation": row.operation,
        "domain": row.domain,
        "cls": row.cls,
        "version": row.version,
        "attempt": fate.attempts,
        "outcome": _WORD_OF[type(outcome)],
        "state": fate.state,
        "uncertain": fate.uncertain,
        "reason": getattr(outcome, "reason", None),
    }
    end_to_end_s = (now - row.accepted_at) / _SECOND if fate.state == "done" else None
    duration_s = (now - started_at) / _SECOND
    emit(Name.DELIVERY_POST_STOP, **told, remote_id=fate.remote_id, duration_s=duration_s, end_to_end_s=end_to_end_s)
    if fate.state == "retrying":
        emit(Name.DELIVERY_RETRY_SCHEDULED, **told, wait_s=fate.wait_s)
    elif fate.failure is not None:
        emit(Name.DELIVERY_PARK_DONE, **told, failure=fate.failure.cls.value, error_code=fate.failure.code)
