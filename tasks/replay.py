"""Does the replay of parked rows: enriched anew, published after the commit, idempotent against double submission."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import ledger.actions
import ledger.cases
import ledger.failures
from canonical.kinds import read_document
from ledger.actions import Actor
from ledger.deliveries import Ready
from ledger.events import Waiting
from ledger.failures import FailureKey, Stage
from ledger.session import Session
from tasks.context import Context
from tasks.enrich import Wish, look_up, missing, references_of
from tasks.forward import forward, letters_for_deliveries, letters_for_events
from telemetry.bus import emit
from telemetry.events import Name

GONE = "it is not parked (any more)"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a retry did: rows given back to work, and rows left parked with the reason."""

    retried: tuple[FailureKey, ...]
    left: tuple[tuple[FailureKey, str], ...]


@dataclass(slots=True)
class Given:
    """What a transaction gave back to work, and what is to be published after its commit."""

    retried: list[FailureKey] = field(default_factory=list)
    left: list[tuple[FailureKey, str]] = field(default_factory=list)
    ready: list[Ready] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)

    def publish(self, context: Context) -> None:
        """Publish what the committed rows wait for."""
        forward(context, [*letters_for_deliveries(self.ready), *letters_for_events(self.waiting)])
        emit(Name.FAILURE_REPLAY_DONE, count=len(self.retried))


def retry(context: Context, keys: Sequence[FailureKey], actor: Actor) -> Replayed:
    """Give parked rows back to work. A row that is not parked any more is left alone: submitting twice acts once."""
    now = context.now()
    with context.ledger.write() as session:
        given = give_back(context, session, keys)
        subjects = [str(key) for key in given.retried]
        before = {subject: {"state": "parked"} for subject in subjects}
        ledger.actions.record(session, actor, "retry", subjects, now, before=before, state="given back")
    given.publish(context)
    return Replayed(tuple(given.retried), tuple(given.left))


def drop(context: Context, key: FailureKey, actor: Actor) -> bool:
    """Give a parked row up for good; False if it is not parked. What waited behind a delivery goes on.

    The reason is kept with the row and told.
    """
    now = context.now()
    ready: list[Ready] = []
    with context.ledger.write() as session:
        if key.stage == "delivery":
            dropped, ready = ledger.failures.drop_delivery(session, key.id, actor.why, now)
        elif key.stage == "event":
            dropped = ledger.failures.drop_event(session, key.id, actor.why, now)
        else:
            dropped = ledger.failures.drop_message(session, key.id, now)
        if dropped:
            before = {str(key): {"state": "filed" if key.stage == "message" else "parked"}}
            ledger.actions.record(session, actor, "drop", [str(key)], now, before=before, state="dropped")
    if dropped:
        emit(Name.FAILURE_DROP_DONE, key=str(key), reason=actor.why)
    forward(context, letters_for_deliveries(ready))
    return dropped


def give_back(
    context: Context, session: Session, keys: Sequence[FailureKey], times: Mapping[FailureKey, int] | None = None
) -> Given:
    """Give parked rows back to work within a transaction. ``times``: only if the row did not fail anew since it was chosen."""
    now = context.now()
    given = Given()
    parked = ledger.failures.parked_deliveries(session, [k.id for k in keys if k.stage == "delivery"])
    locked = ledger.failures.lock_events(session, [k.id for k in keys if k.stage == "event"])
    # Read under the locks: what another replay did with these rows is either seen here, or waits for this one.
    given.left += _kept_back(session, [*(FailureKey("delivery", p.id) for p in parked), *locked], times)
    kept = {key for key, _ in given.left}
    _give_back_events(session, [key.id for key in locked if key not in kept], given, context)
    parked = [row for row in parked if FailureKey("delivery", row.id) not in kept]
    wishes = [Wish(p.target, p.source, context.erps[p.target].needs(read_document(p.body))) for p in parked]
    found = look_up(session, wishes)
    for row, wish in zip(parked, wishes, strict=True):
        failure = missing(wish, found)
        key = FailureKey("delivery", row.id)
        if failure is not None:
            given.left.append((key, f"{failure.reason}: {failure.remedy}"))
            continue
        given.ready += ledger.failures.retry_delivery(session, row.id, references_of(wish, found), now)
        given.retried.append(key)
    known = {*given.retried, *(key for key, _ in given.left)}
    given.left += [(k, _why_left(k)) for k in dict.fromkeys(keys) if k not in known]
    return given


def _give_back_events(session: Session, ids: Sequence[int], given: Given, context: Context) -> None:
    waiting = ledger.failures.retry_events(session, ids, context.now())
    given.waiting += waiting
    given.retried += [FailureKey("event", row.id) for row in waiting]


def _kept_back(
    session: Session, keys: Sequence[FailureKey], times: Mapping[FailureKey, int] | None
) -> list[tuple[FailureKey, str]]:
    """Rows that stay where they are: archived, or come to the desk anew since they were chosen."""
    kept = []
    stages: tuple[Stage, ...] = ("delivery", "event")
    for stage in stages:
        wanted = [key for key in keys if key.stage == stage]
        seen = ledger.cases.occurrences(session, stage, [key.id for key in wanted])
        for key in wanted:
            state, known = seen.get(key.id, ("open", 1))
            if state == "archived":
                kept.append((key, "it is archived; restore it first"))
            elif times is not None and times.get(key) != known:
                kept.append((key, "it was retried and failed again since it was chosen"))
    return kept


def _why_left(key: FailureKey) -> str:
    if key.stage == "message":
        return "a message that names no row cannot be run again; drop it when its sender is found"
    return GONE
