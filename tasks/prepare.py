"""Does the preparing: a bundle of events becomes document versions and deliveries in one transaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec import Struct

import ledger.deliveries
import ledger.documents
import ledger.events
import ledger.moves
import ledger.peak_backlog
import ledger.places
from adapters.channels.base import Parsed, Told, Unreadable
from canonical.failure import Failure, FailureClass
from canonical.kinds import AnyDocument
from canonical.milestone import Milestone
from ledger.deliveries import NewDelivery, Ready
from ledger.events import EventEnd, EventRow, Waiting
from ledger.moves import Made
from ledger.session import Session
from routing.classes import class_of_event
from routing.destinations import WHOLE_STATES
from routing.names import Class
from tasks.context import Context
from tasks.decide import Draft, Plan, Written, domain_of, entity_of, first_states, key_of, order_key_of, order_name_of, written
from tasks.enrich import Wish, look_up, missing, references_of
from tasks.forward import forward, letters_for_deliveries, letters_for_events
from tasks.journeys import note_journeys
from tasks.payouts import note_payouts
from tasks.stock_notes import note_stock
from telemetry.bus import emit
from telemetry.events import Name
from telemetry.trace import of_order


def prepare(context: Context, ids: Sequence[int], cls: Class = "low") -> None:
    """Prepare a message's events; those that were prepared before are left alone, those that were moved below the message's
    class ``cls`` since it was written go on in theirs.

    Raises one of LedgerUnavailable before anything is written; the caller brings the message back.
    """
    began = context.now()
    with context.ledger.write() as session:
        loaded = ledger.events.load(session, ids, cls)
        moved = ledger.events.moved_down(session, ids, cls) if len(loaded) < len(ids) and cls != "low" else []
        told = read(context, loaded)
        plan = decide(context, session, told)
        ready, released = write(context, session, plan)
    report(context, plan, (context.now() - began) / max(1, len(plan.ends)))
    forward(context, [*letters_for_deliveries(ready), *letters_for_events([*released, *moved])])


class Reading(Struct, frozen=True):
    """An event with what its channel reads in it, or why it cannot."""

    event: EventRow
    parsed: Parsed | Unreadable | Failure


@dataclass(slots=True)
class Decided:
    """Everything one bundle leads to, ready to be written."""

    plan: Plan
    ends: list[EventEnd] = field(default_factory=list)
    events: dict[int, EventRow] = field(default_factory=dict)
    subjects: dict[int, AnyDocument] = field(default_factory=dict)
    """The first document of each event that was understood."""
    superseded: list[tuple[str, str]] = field(default_factory=list)
    """Target and operation of each whole state that a newer one took the place of."""


def read(context: Context, events: Sequence[EventRow]) -> list[Reading]:
    """Parse each event by its source's channel."""
    return [Reading(event, _parse(context, event)) for event in events]


def decide(context: Context, session: Session, told: Sequence[Reading]) -> Decided:
    """Judge every told state against the locked documents, in the order in which the events were accepted."""
    documents = {reading.event.id: _written(reading) for reading in told}
    keys = {
        (key, one.document.order)
        for known in documents.values()
        for one in known
        for key in (key_of(one.document), order_key_of(one.document))
    }
    heads = ledger.documents.lock(session, keys, context.now(), first_states(documents.values()))
    orders = ledger.documents.bodies(session, [h for h in heads.values() if h.key.kind == "order" and h.version])
    now = context.now()
    rules = context.peak.current(session, context.fleet, now)
    entities = sorted({f"{order_key.source}/{order_key.key}" for order_key, _ in keys if order_key.kind == "order"})
    placed = ledger.peak_backlog.placed(session, entities) if rules.sourced else {}
    decided = Decided(Plan(context.fleet, rules, heads, orders, now, placed))
    for reading in told:
        decided.events[reading.event.id] = reading.event
        if isinstance(reading.parsed, Parsed) and reading.parsed.documents:
            decided.subjects[reading.event.id] = reading.parsed.documents[0]
        decided.ends.append(_end_of(reading, documents[reading.event.id], decided.plan))
    return decided


def write(context: Context, session: Session, decided: Decided) -> tuple[list[Ready], list[Waiting]]:
    """Write versions, deliveries and the events' ends; returns the rows to publish after the commit."""
    now = context.now()
    plan = decided.plan
    ledger.documents.write(session, plan.versions, now, begun={head.id for head in plan.heads.values() if head.begun})
    ledger.documents.touch(session, list(plan.touched.items()))
    note_journeys(session, plan)
    note_stock(session, plan, now)
    note_payouts(session, plan)
    wishes = [_wish(context, draft) for draft in plan.drafts]
    found = look_up(session, wishes)
    new = [
        _delivery(context, decided.events[draft.event_id], draft, references_of(wish, found), missing(wish, found))
        for draft, wish in zip(plan.drafts, wishes, strict=True)
    ]
    if plan.rules.defer:
        awake = sorted({(delivery.target, delivery.entity) for delivery in new if delivery.rests_until is None})
        ledger.peak_backlog.wake_for(session, awake, now)
    taken = ledger.places.take(session, new, now)
    decided.superseded = taken.superseded
    ready = [*taken.ready, *ledger.deliveries.write(session, taken.left, now)]
    _follow_moves(session, decided)
    # Ends first: an event of this very bundle may wait for an order that a later one told.
    ledger.events.settle(session, decided.ends, now)
    released = ledger.events.release(session, [str(key) for key in plan.first_told])
    return ready, released


def report(context: Context, decided: Decided, each: timedelta) -> None:
    """Tell what became of each event; ``each`` is its part of the bundle's time."""
    now = context.now()
    for end in decided.ends:
        event = decided.events[end.id]
        subject = decided.subjects.get(event.id)
        step = subject if isinstance(subject, Milestone) else None
        with of_order(None if subject is None else order_name_of(subject)):
            emit(
                Name.EVENT_PARK_DONE if end.failure else Name.EVENT_PREPARE_STOP,
                correlation_id=event.correlation_id,
                event_id=event.id,
                source=event.source,
                topic=event.topic,
                domain=event.domain,
                cls=event.cls,
                state=end.state,
                outcome=end.state,
                stage=step.step if step else None,
                age_s=_seconds(now - step.at) if step else None,
                duration_s=_seconds(each),
                waited_s=_seconds(now - event.received_at),
                failure=end.failure.cls.value if end.failure else None,
                error_code=end.failure.code if end.failure else None,
                reason=end.failure.reason if end.failure else None,
            )
    for (target, operation), count in Counter(decided.superseded).items():
        emit(Name.DELIVERY_SUPERSEDE_DONE, target=target, operation=operation, count=count)


def _parse(context: Context, event: EventRow) -> Parsed | Unreadable | Failure:
    channel = context.channels.get(event.source)
    if channel is None:
        return Failure(
            FailureClass.MALFORMED,
            "source.unknown",
            f"source {event.source!r} is not configured any more",
            "put it back into fleet.toml, then retry",
        )
    try:
        return channel.parse(Told(event.source, event.topic, event.headers, event.body, event.received_at))
    except Exception as error:  # noqa: BLE001  one event our own code fails on must not take its bundle along
        emit(Name.STEP_RUN_FAILED, stage="parse", source=event.source, topic=event.topic, event_id=event.id, error=error)
        return Failure(
            FailureClass.DEFECT,
            type(error).__name__,
            f"the {event.source} channel failed on this event",
            "report it with the event's id; retry after the fix",
        )


def _written(reading: Reading) -> list[Written]:
    return [written(document) for document in reading.parsed.documents] if isinstance(reading.parsed, Parsed) else []


def _end_of(reading: Reading, documents: Sequence[Written], plan: Plan) -> EventEnd:
    event, parsed = reading.event, reading.parsed
    if isinstance(parsed, Unreadable):
        at = f" at {parsed.path}" if parsed.path else ""
        remedy = "correct it at the sender and have it sent again, or mend the mapping and retry"
        failure = Failure(FailureClass.MALFORMED, parsed.code, f"{parsed.reason}{at}", remedy)
        return EventEnd(event.id, "parked", failure=failure)
    if isinstance(parsed, Failure):
        return EventEnd(event.id, "parked", failure=parsed)
    return plan.take(event.id, _class_told(plan, event), documents, event.moved_to)


def _follow_moves(session: Session, decided: Decided) -> None:
    """Have the effects of events that an operator moved belong to that move: undoing it gives them their own class back."""
    moved = [draft for draft in decided.plan.drafts if decided.events[draft.event_id].moved_to]
    if moved:
        made = [Made(d.event_id, d.head.id, d.version, d.target, d.operation, d.ruled) for d in moved]
        ledger.moves.follow(session, made)


def _class_told(plan: Plan, event: EventRow) -> str:
    """The class that the event's source and topic give. The row's own may come from a glance at the body, which is a hint
    for the order of preparing and nothing more.
    """
    source = plan.fleet.sources.get(event.source)
    return event.cls if source is None else class_of_event(source, event.topic)


def _wish(context: Context, draft: Draft) -> Wish:
    return Wish(draft.target, draft.document.source, context.erps[draft.target].needs(draft.document))


def _delivery(
    context: Context, event: EventRow, draft: Draft, references: dict[str, dict[str, str]], failure: Failure | None
) -> NewDelivery:
    document = draft.document
    return NewDelivery(
        document_id=draft.head.id,
        version=draft.version,
        target=draft.target,
        operation=draft.operation,
        business_key=str(draft.head.key),
        entity=entity_of(document),
        domain=domain_of(document),
        cls=draft.cls,
        calls=context.erps[draft.target].calls(draft.operation),
        references=references,
        correlation_id=event.correlation_id,
        accepted_at=event.received_at,
        failure=failure,
        rests_until=draft.rests_until,
        replaces_lost_before=_lost_before(context, draft),
    )


def _lost_before(context: Context, draft: Draft) -> datetime | None:
    """Until when an answer must have been lost for its request to be over; None for an effect that is no whole state."""
    if draft.operation not in WHOLE_STATES:
        return None
    return context.now() - timedelta(seconds=context.fleet.targets[draft.target].max_execution_s)


def _seconds(span: timedelta) -> float:
    return span / timedelta(seconds=1)
