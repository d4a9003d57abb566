"""Does the replay of parked rows: enriched anew, published after the commit, idempotent against double submission."""

from collections.abc import Sequence
from dataclasses import dataclass

import ledger.failures
from canonical.kinds import read_document
from ledger.deliveries import Ready
from ledger.events import Waiting
from ledger.failures import FailureKey
from tasks.context import Context
from tasks.enrich import Wish, look_up, missing, references_of
from tasks.forward import forward, letters_for_deliveries, letters_for_events
from telemetry.bus import emit
from telemetry.events import Name


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a retry did: rows given back to work, and rows left parked with the reason."""

    retried: tuple[FailureKey, ...]
    left: tuple[tuple[FailureKey, str], ...]


def retry(context: Context, keys: Sequence[FailureKey]) -> Replayed:
    """Give parked rows back to work. A row that is not parked any more is left alone: submitting twice acts once."""
    retried, left, ready, waiting = _retry(context, keys)
    forward(context, [*letters_for_deliveries(ready), *letters_for_events(waiting)])
    emit(Name.FAILURE_REPLAY_DONE, count=len(retried))
    return Replayed(tuple(retried), tuple(left))


def drop(context: Context, key: FailureKey, reason: str) -> bool:
    """Give a parked row up for good; False if it is not parked. What waited behind a delivery goes on.

    ``reason`` is kept with the row and told.
    """
    now = context.now()
    ready: list[Ready] = []
    with context.ledger.write() as session:
        if key.stage == "delivery":
            dropped, ready = ledger.failures.drop_delivery(session, key.id, reason, now)
        elif key.stage == "event":
            dropped = ledger.failures.drop_event(session, key.id, reason, now)
        else:
            dropped = ledger.failures.drop_message(session, key.id)
    if dropped:
        emit(Name.FAILURE_DROP_DONE, key=str(key), reason=reason)
    forward(context, letters_for_deliveries(ready))
    return dropped


def _retry(
    context: Context, keys: Sequence[FailureKey]
) -> tuple[list[FailureKey], list[tuple[FailureKey, str]], list[Ready], list[Waiting]]:
    now = context.now()
    retried: list[FailureKey] = []
    left: list[tuple[FailureKey, str]] = []
    ready: list[Ready] = []
    with context.ledger.write() as session:
        waiting = ledger.failures.retry_events(session, [k.id for k in keys if k.stage == "event"], now)
        retried += [FailureKey("event", row.id) for row in waiting]
        parked = ledger.failures.parked_deliveries(session, [k.id for k in keys if k.stage == "delivery"])
        wishes = [Wish(p.target, p.source, context.erps[p.target].needs(read_document(p.body))) for p in parked]
        found = look_up(session, wishes)
        for row, wish in zip(parked, wishes, strict=True):
            failure = missing(wish, found)
            key = FailureKey("delivery", row.id)
            if failure is not None:
                left.append((key, f"{failure.reason}: {failure.remedy}"))
                continue
            ready += ledger.failures.retry_delivery(session, row.id, references_of(wish, found), now)
            retried.append(key)
    known = {*retried, *(key for key, _ in left)}
    left += [(k, _why_left(k)) for k in dict.fromkeys(keys) if k not in known]
    return retried, left, ready, waiting


def _why_left(key: FailureKey) -> str:
    if key.stage == "message":
        return "a message that names no row cannot be run again; drop it when its sender is found"
    return "it is not parked (any more)"
