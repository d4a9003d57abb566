"""Does the one wrapper around deliveries: claims a bundle, runs each row, settles them all, sends on what follows."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import ledger.deliveries
from adapters.throttle.base import Granted
from config.fleet import Target
from ledger.deliveries import Claimed, Ready, Settlement, Unclaimed
from ledger.delivery_statements import CLAIMABLE
from ledger.session import LedgerUnavailable
from routing import names
from routing.backoff import SOON_S, rest_s, rung_for
from routing.letters import DELIVER_TASK, Letter, parts
from tasks.attempts import Attempts
from tasks.context import Context
from tasks.forward import forward, letters_for_deliveries
from telemetry.bus import emit
from telemetry.events import Name

LEDGER_REST_S = 4
"""Rest of a message whose rows cannot be read or settled because the ledger is away."""


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery message as it was fetched."""

    queue: str
    rows: tuple[int, ...]
    operation: str = ""
    since: int = 0

    @property
    def cls(self) -> names.Class:
        """The class it was written for; a row's own may have changed since."""
        return names.class_of(self.queue)

    def again(self, rows: tuple[int, ...], calls: int, rung_s: int | None, cls: names.Class | None = None) -> Letter:
        """A message that brings some of the rows back, of the same operation and no younger; ``cls``: in another class."""
        shown = f"again: {', '.join(str(row) for row in rows)}"
        queue = self.queue if cls is None else names.queue(names.family_of(self.queue), cls)
        return Letter(queue, DELIVER_TASK, rows, shown, calls, rung_s=rung_s, operation=self.operation, since=self.since)


def run(context: Context, message: Message, permit: Granted) -> int:
    """Claim, post and settle a bundle; returns how many of its rows were there to be posted.

    Raises ConnectionError only if the message could not be sent round either.
    """
    target_name = names.target_of(names.family_of(message.queue)) or ""
    target = context.fleet.targets[target_name]
    try:
        with context.caller(target_name, permit) as caller:
            claimed, left = claim(context, message, target, uuid.uuid4().hex)
            settlements = Attempts(context, target_name, caller, probe=permit.probe, at_once=permit.at_once).run(claimed)
        successors = settle(context, settlements)
    except LedgerUnavailable as error:
        # Outcomes may be lost, claims are not: when they end, each row is looked up by key before anything is sent.
        emit(Name.LEDGER_WRITE_FAILED, stage="deliver", target=target_name, error=error)
        send_round(context, message)
        return len(message.rows)
    calls = {row.id: row.calls for row in claimed} | {row.id: row.calls for row in left}
    again = letters_again(context, message, settlements, left, calls)
    forward(context, [*again, *letters_for_deliveries(successors)])
    return len(claimed)


def claim(context: Context, message: Message, target: Target, token: str) -> tuple[list[Claimed], list[Unclaimed]]:
    """Take the message's rows. A claim outlives any request it covers by the target's own execution time."""
    now = context.now()
    until = now + timedelta(seconds=2 * target.posting_time_s + target.max_execution_s)
    with context.ledger.write() as session:
        return ledger.deliveries.claim(session, message.rows, token, now, now + timedelta(seconds=SOON_S), until, message.cls)


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
        (rung_for(rest_s(row.look_again_at, now), context.topology.ladder_s), (row.id,))
        for row in left
        if row.look_again_at and not _below(row, message)
    ]
    again = [message.again(part, sum(calls[i] for i in part), rung_s) for rung_s, part in bundles]
    return [*again, *_moved_down(context, message, left, calls)]


def send_round(context: Context, message: Message) -> None:
    """Send the whole message once round the shortest fitting rung. Raises ConnectionError if the broker did not take it."""
    rung_s = rung_for(LEDGER_REST_S, context.topology.ladder_s)
    if not context.publisher.publish([message.again(message.rows, len(message.rows), rung_s)]):
        raise ConnectionError("neither the ledger nor the broker took the deliveries; the message stays where it was")


def _below(row: Unclaimed, message: Message) -> bool:
    return row.state in CLAIMABLE and names.CLASSES.index(cast("names.Class", row.cls)) > names.CLASSES.index(message.cls)


def _moved_down(context: Context, message: Message, left: Sequence[Unclaimed], calls: Mapping[int, int]) -> list[Letter]:
    """Messages for rows that an operator moved to a lower class since this one was written: they go on there."""
    now = context.now()
    by_place: dict[tuple[names.Class, int | None], list[int]] = {}
    for row in left:
        if _below(row, message):
            rung_s = rung_for(rest_s(row.look_again_at, now), context.topology.ladder_s)
            by_place.setdefault((cast("names.Class", row.cls), rung_s), []).append(row.id)
    return [message.again(tuple(ids), sum(calls[i] for i in ids), rung_s, cls) for (cls, rung_s), ids in by_place.items()]


def _settle(context: Context, settlements: Sequence[Settlement]) -> list[Ready]:
    with context.ledger.write() as session:
        return ledger.deliveries.settle(session, settlements, context.now())
