"""Does the last step of every task: publish what the committed rows wait for, and note what the broker confirmed."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import cast

import ledger.deliveries
import ledger.events
from ledger.deliveries import Ready
from ledger.events import Waiting
from ledger.session import LedgerUnavailable
from routing import names
from routing.letters import DELIVER_TASK, MOST_ROWS, Letter, Parcel, deliver_letters, prepare_letters
from tasks.context import Context
from telemetry.bus import emit
from telemetry.events import Name


def forward(context: Context, letters: Sequence[Letter]) -> None:
    """Publish after the commit. What the broker does not confirm stays unpublished in its row, for the relay."""
    if not letters:
        return
    began = time.monotonic()
    confirmed = context.publisher.publish(letters)
    emit(Name.PUBLISH_BATCH_STOP, count=len(confirmed), outcome="confirmed", duration_s=time.monotonic() - began)
    if len(confirmed) < len(letters):
        emit(Name.PUBLISH_BATCH_FAILED, count=len(letters) - len(confirmed))
    deliveries = [row for letter in confirmed if letter.task == DELIVER_TASK for row in letter.rows]
    events = [row for letter in confirmed if letter.task != DELIVER_TASK for row in letter.rows]
    if not deliveries and not events:
        return
    if context.marking is not None:
        context.marking.note(events, deliveries)
        return
    try:
        with context.ledger.write() as session:
            ledger.deliveries.mark_published(session, deliveries, context.now())
            ledger.events.mark_published(session, events, context.now())
    except LedgerUnavailable as error:
        # The messages are out; unmarked rows are published once more by the relay, and the second message finds them done.
        emit(Name.LEDGER_WRITE_FAILED, stage="mark_published", error=error)


def letters_for_deliveries(ready: Sequence[Ready], *, singly: bool = False) -> list[Letter]:
    """Messages for ready deliveries, many rows in each, or one a message."""
    return deliver_letters([_parcel(row) for row in ready], 1 if singly else MOST_ROWS)


def letters_for_events(waiting: Sequence[Waiting]) -> list[Letter]:
    """Messages for accepted events, bundled by queue."""
    grouped: dict[tuple[str, names.Class], list[Waiting]] = {}
    for row in waiting:
        grouped.setdefault((row.family, cast("names.Class", row.cls)), []).append(row)
    return [
        letter
        for (family, cls), rows in grouped.items()
        for letter in prepare_letters(family, cls, [row.id for row in rows], since=min(_epoch(row.received_at) for row in rows))
    ]


def _parcel(row: Ready) -> Parcel:
    cls = cast("names.Class", row.cls)
    return Parcel(row.id, row.target, row.domain, cls, row.operation, row.calls, row.business_key, _epoch(row.accepted_at))


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
