"""Does the one wrapper around deliveries: claims a bundle, runs each row, settles them all, sends on what follows."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import ledger.deliveries
from adapters.http.caller import Caller
from adapters.throttle.base import Granted
from canonical.failure import Failure, FailureClass
from canonical.outcome import AlreadyDone, Conflict, Done, Outcome, Rejected, Throttled, Unavailable, Uncertain
from config.fleet import Target
from ledger.deliveries import Claimed, Ready, Settlement, Unclaimed
from ledger.session import LedgerUnavailable
from routing import names
from routing.backoff import SOON_S, rest_s, rung_for
from routing.fate import Fate, Rules, fate_of
from routing.letters import DELIVER_TASK, Letter, parts
from tasks.context import Context
from tasks.deliver import deliver
from tasks.forward import forward, letters_for_deliveries
from telemetry.bus import bind, emit
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

LEDGER_REST_S = 4
"""Rest of a message whose rows cannot be read or settled because the ledger is away."""


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery message as it was fetched."""

    queue: str
    rows: tuple[int, ...]
    operation: str = ""
    since: int = 0

    def again(self, rows: tuple[int, ...], calls: int, rung_s: int | None) -> Letter:
        """A message that brings some of the rows back, of the same operation and no younger."""
        shown = f"again: {', '.join(str(row) for row in rows)}"
        return Letter(self.queue, DELIVER_TASK, rows, shown, calls, rung_s=rung_s, operation=self.operation, since=self.since)


def run(context: Context, message: Message, permit: Granted) -> None:
    """Claim, post and settle a bundle. Raises ConnectionError only if the message could not be sent round either."""
    target_name = names.target_of(names.family_of(message.queue)) or ""
    target = context.fleet.targets[target_name]
    try:
        with context.caller(target_name, permit) as caller:
            claimed, left = claim(context, message, target, uuid.uuid4().hex)
            settlements = list(attempts(context, target_name, target, claimed, caller))
        successors = settle(context, settlements)
    except LedgerUnavailable as error:
        # Outcomes may be lost, claims are not: when they end, each row is looked up by key before anything is sent.
        emit(Name.LEDGER_WRITE_FAILED, stage="deliver", target=target_name, error=error)
        send_round(context, message)
        return
    calls = {row.id: row.calls for row in claimed} | {row.id: row.calls for row in left}
    again = letters_again(context, message, settlements, left, calls)
    forward(context, [*again, *letters_for_deliveries(successors)])


def claim(context: Context, message: Message, target: Target, token: str) -> tuple[list[Claimed], list[Unclaimed]]:
    """Take the message's rows. A claim outlives any request it covers by the target's own execution time."""
    now = context.now()
    until = now + timedelta(seconds=2 * target.posting_time_s + target.max_execution_s)
    with context.ledger.write() as session:
        return ledger.deliveries.claim(session, message.rows, token, now, now + timedelta(seconds=SOON_S), until)


def attempts(
    context: Context, target_name: str, target: Target, claimed: Sequence[Claimed], caller: Caller
) -> Iterator[Settlement]:
    """Run each row under the one permit; the first answer that says the target is full or down spares it the rest."""
    sent_until = context.now() + timedelta(seconds=2 * target.posting_time_s)
    stopped: Fate | None = None
    for position, row in enumerate(claimed):
        started_at = context.now()
        if stopped is not None:
            handed_back = replace(stopped, attempts=row.attempts, uncertain=row.uncertain)
            yield _settlement(context, row, handed_back, started_at, outcome="HandedBack")
            continue
        if row.lost_claims >= context.topology.delivery_limit:
            yield _poisoned(row, started_at)
            continue
        if sent_until - started_at < timedelta(seconds=target.posting_time_s):
            sent_until = started_at + timedelta(seconds=2 * target.posting_time_s)
            if row.id not in _renew(context, claimed[position:], target, sent_until):
                continue
        outcome = _outcome(context, target_name, row, caller)
        fate = fate_of(outcome, row.attempts, row.uncertain, _rules(context, target), context.draw)
        if fate.pause_s is not None:
            context.throttles[target_name].pause(fate.pause_s, type(outcome).__name__)
            emit(Name.LANE_THROTTLE_PAUSED, target=target_name, wait_s=fate.pause_s, reason=type(outcome).__name__)
        if fate.stop:
            stopped = replace(fate, failure=None, state="retrying", wait_s=max(fate.wait_s, 1.0))
        _tell(context, row, outcome, fate, started_at)
        yield _settlement(context, row, fate, started_at, outcome=type(outcome).__name__, detail=getattr(outcome, "reason", ""))


def settle(context: Context, settlements: Sequence[Settlement]) -> list[Ready]:
    """Write the outcomes in one transaction; returns the successors that may go out. Tried twice before it gives up."""
    if not settlements:
        return []
    try:
        return _settle(context, settlements)
    except LedgerUnavailable as error:
        emit(Name.LEDGER_WRITE_RETRIED, stage="settle", error=error)
        return _settle(context, settlements)


def letters_again(
    context: Context,
    message: Message,
    settlements: Sequence[Settlement],
    left: Sequence[Unclaimed],
    calls: Mapping[int, int],
) -> list[Letter]:
    """Messages for the rows that are to be worked on again: by the ladder, in bundles of the same rest."""
    now = context.now()
    by_rung: dict[int | None, list[int]] = {}
    for settled in settlements:
        if settled.state == "retrying":
            rung_s = rung_for(rest_s(settled.due_at, now), context.topology.ladder_s)
            by_rung.setdefault(rung_s, []).append(settled.id)
    bundles = [(rung_s, part) for rung_s, rows in by_rung.items() for part in parts(tuple(rows), len(message.rows))]
    # A row that another worker holds is asked for again, alone, when that claim ends: if the worker died of it, only it
    # shows; if the worker lives, the row is done by then and the letter ends there.
    bundles += [
        (rung_for(rest_s(row.look_again_at, now), context.topology.ladder_s), (row.id,)) for row in left if row.look_again_at
    ]
    return [message.again(part, sum(calls[i] for i in part), rung_s) for rung_s, part in bundles]


def send_round(context: Context, message: Message) -> None:
    """Send the whole message once round the shortest fitting rung. Raises ConnectionError if the broker did not take it."""
    rung_s = rung_for(LEDGER_REST_S, context.topology.ladder_s)
    if not context.publisher.publish([message.again(message.rows, len(message.rows), rung_s)]):
        raise ConnectionError("neither the ledger nor the broker took the deliveries; the message stays where it was")


def _settle(context: Context, settlements: Sequence[Settlement]) -> list[Ready]:
    with context.ledger.write() as session:
        return ledger.deliveries.settle(session, settlements, context.now())


def _outcome(context: Context, target_name: str, row: Claimed, caller: Caller) -> Outcome:
    with bind(correlation_id=row.correlation_id):
        emit(Name.DELIVERY_POST_START, delivery_id=row.id, target=target_name, operation=row.operation)
        try:
            return deliver(context.erps[target_name], row, caller)
        except Exception as error:  # noqa: BLE001  the outermost step parks what it cannot name, and keeps the bundle going
            emit(Name.STEP_RUN_FAILED, stage="deliver", delivery_id=row.id, target=target_name, error=error)
            remedy = "report it with the delivery's id; retry after the fix"
            return Rejected("defect", f"{type(error).__name__} in the {target_name} adapter", remedy)


def _renew(context: Context, rows: Sequence[Claimed], target: Target, sent_until: datetime) -> set[int]:
    until = sent_until + timedelta(seconds=target.max_execution_s)
    with context.ledger.write() as session:
        return ledger.deliveries.extend(session, [r.id for r in rows], rows[0].claim, until)


def _rules(context: Context, target: Target) -> Rules:
    waits = context.fleet.waits
    return Rules(target.max_attempts, waits.first_retry_s, waits.longest_retry_s, target.max_execution_s)


def _poisoned(row: Claimed, started_at: datetime) -> Settlement:
    failure = Failure(
        FailureClass.POISON,
        "worker.lost",
        f"{row.lost_claims} workers died while they worked on it",
        "find out why with the delivery's id in the workers' logs; retry after the fix",
    )
    return Settlement(
        row.id,
        row.claim,
        "parked",
        "Poison",
        failure.reason,
        started_at,
        attempts=row.attempts,
        uncertain=True,
        failure=failure,
    )


def _settlement(
    context: Context, row: Claimed, fate: Fate, started_at: datetime, *, outcome: str, detail: str = ""
) -> Settlement:
    failure = fate.failure
    if failure is not None and failure.code == "defect":
        failure = replace(failure, cls=FailureClass.DEFECT)
    return Settlement(
        id=row.id,
        claim=row.claim,
        state=fate.state,
        outcome=outcome,
        detail=detail,
        started_at=started_at,
        remote_id=fate.remote_id,
        attempts=fate.attempts,
        uncertain=fate.uncertain or (failure is not None and failure.cls is FailureClass.DEFECT),
        due_at=context.now() + timedelta(seconds=fate.wait_s) if fate.state == "retrying" else None,
        failure=failure,
    )


def _tell(context: Context, row: Claimed, outcome: Outcome, fate: Fate, started_at: datetime) -> None:
    now = context.now()
    told: dict[str, Any] = {
        "correlation_id": row.correlation_id,
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
    end_to_end_s = (now - row.accepted_at) / timedelta(seconds=1) if fate.state == "done" else None
    duration_s = (now - started_at) / timedelta(seconds=1)
    emit(Name.DELIVERY_POST_STOP, **told, remote_id=fate.remote_id, duration_s=duration_s, end_to_end_s=end_to_end_s)
    if fate.state == "retrying":
        emit(Name.DELIVERY_RETRY_SCHEDULED, **told, wait_s=fate.wait_s)
    elif fate.failure is not None:
        emit(Name.DELIVERY_PARK_DONE, **told, failure=fate.failure.cls.value, error_code=fate.failure.code)
