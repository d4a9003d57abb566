"""Does the moving of what stands in the queues to another class: counted first, in bounded batches, audited, to be undone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import ledger.actions
import ledger.moves
import ledger.standing_rows
from adapters.channels.base import Parsed, Told
from canonical.kinds import AnyDocument, read_document
from canonical.order import Order
from ledger.actions import Action, Actor
from ledger.deliveries import Ready
from ledger.moves import Freed, Move
from ledger.session import Session
from ledger.standing_rows import PLACES, Filter, Place, RowStage, Standing
from routing.backoff import rest_s, rung_for
from routing.letters import Letter
from routing.names import CLASSES, Class
from tasks.context import Context
from tasks.forward import forward, letters_for_deliveries, letters_for_events

BATCH_ROWS = 500
"""Rows of one transaction: what others wait for at most."""
MOST_PASSES = 5
"""A row that is just being published or settled is met by the next pass."""

Tell = Callable[[int], None]
"""Told how many rows have been moved so far."""


class MoveRefusedError(ValueError):
    """Nothing was moved; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a move would take along, by place; rows that are of the class already are not counted."""

    cls: Class
    places: tuple[Place, ...]

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(place.count for place in self.places)


def preview(context: Context, wanted: Filter, cls: Class) -> Preview:
    """Count what `move` would move now. Reads only; filters of content read the documents, the others count."""
    _check(context, wanted, cls)
    if not wanted.of_content:
        with context.ledger.read() as session:
            return Preview(cls, tuple(ledger.standing_rows.counted(session, wanted, cls)))
    found: dict[tuple[str, str, str, str], int] = {}
    with context.ledger.read() as session:
        until = ledger.standing_rows.newest_ids(session)
        for place in PLACES:
            for rows in _batches(context, session, wanted, place, cls, until[place[0]]):
                for row in rows:
                    where = (row.lane, row.domain, row.cls, row.state)
                    found[where] = found.get(where, 0) + 1
    return Preview(cls, tuple(Place(*where, count) for where, count in found.items()))


def move(context: Context, wanted: Filter, cls: Class, actor: Actor, tell: Tell = lambda _: None) -> int:
    """Move what stands now and meets the filter to a class; returns the move's id. What comes later is not moved.

    A process that dies on the way leaves whole batches moved: made again, the same move takes the rest along.
    """
    counted = preview(context, wanted, cls)
    now = context.now()
    with context.ledger.write() as session:
        until = ledger.standing_rows.newest_ids(session)
        move_id = ledger.moves.begin(session, wanted, cls, actor.by, actor.why, until, now)
        before = {f"{p.lane} {p.domain} {p.cls} {p.state}": p.count for p in counted.places}
        after = {"class": cls, "filter": wanted.words()}
        done = Action(now, actor.by, "reprioritize", f"move {move_id}", actor.why, before, after, actor.role)
        ledger.actions.write(session, done)
    moved = 0
    for _ in range(MOST_PASSES):
        found = 0
        for place in PLACES:
            for count in _move_place(context, move_id, wanted, place, cls, until[place[0]]):
                found += count
                tell(moved + found)
        moved += found
        if not found:
            break
    with context.ledger.write() as session:
        ledger.moves.end(session, move_id, "done", context.now())
    return move_id


def undo(context: Context, move_id: int, actor: Actor, tell: Tell = lambda _: None) -> Move:
    """Give back their class to all rows of a move that still stand in the one it gave them. Raises MoveRefusedError."""
    with context.ledger.write() as session:
        made = ledger.moves.find(session, move_id)
        if made is None:
            raise MoveRefusedError(f"there is no move {move_id}; see millrace reprioritize list")
        if not ledger.moves.take_back(session, move_id):
            raise MoveRefusedError(f"move {move_id} is undone already")
        before = {"class": made.cls, "moved": made.moved}
        done = Action(context.now(), actor.by, "reprioritize.undo", f"move {move_id}", actor.why, before, {}, actor.role)
        ledger.actions.write(session, done)
    back = 0
    stages: tuple[RowStage, ...] = ("event", "delivery")
    # Events first: what is prepared meanwhile has its deliveries among the move's rows, which come after.
    for _ in range(MOST_PASSES):
        found = 0
        for stage in stages:
            for count in _restore_stage(context, made, stage):
                found += count
                tell(back + found)
        back += found
        if not found:
            break
    with context.ledger.write() as session:
        ledger.moves.end(session, move_id, "undone", context.now())
        undone = ledger.moves.find(session, move_id)
    return undone or made


def meets(wanted: Filter, document: AnyDocument, order: Order | None) -> bool:
    """Whether a document's order is as the filter's content conditions say; a document without a known order is not."""
    subject = document if isinstance(document, Order) else order
    if subject is None:
        return not wanted.of_content
    if wanted.total_at_least is not None and subject.total < wanted.total_at_least:
        return False
    if wanted.total_below is not None and subject.total >= wanted.total_below:
        return False
    if wanted.promised_before is not None and (subject.promised_by is None or subject.promised_by >= wanted.promised_before):
        return False
    if wanted.customer_tier is not None and wanted.customer_tier.casefold() != (subject.customer_tier or "").casefold():
        return False
    method = wanted.shipping_method
    return method is None or method.casefold() in (subject.shipping_method or "").casefold()


def _check(context: Context, wanted: Filter, cls: str) -> None:
    if cls not in CLASSES:
        raise MoveRefusedError(f"no class {cls!r}: write {', '.join(CLASSES)}")
    if wanted.lane is not None and wanted.lane not in context.fleet.families:
        raise MoveRefusedError(f"no lane {wanted.lane!r}: there are {', '.join(context.fleet.families)}")


def _move_place(
    context: Context, move_id: int, wanted: Filter, place: tuple[RowStage, str], cls: Class, until: int
) -> Iterator[int]:
    after, full = 0, True
    while full:
        with context.ledger.write() as session:
            rows = ledger.standing_rows.batch(session, wanted, place, cls, (after, until), BATCH_ROWS, lock=True)
            chosen = _chosen(context, wanted, rows)
            freed = ledger.moves.move(session, move_id, chosen, cls)
        _publish(context, freed)
        if chosen:
            yield len(chosen)
        full = len(rows) == BATCH_ROWS
        after = rows[-1].id if rows else after


def _restore_stage(context: Context, made: Move, stage: RowStage) -> Iterator[int]:
    after, full = 0, True
    while full:
        with context.ledger.write() as session:
            items = ledger.moves.items(session, made.id, stage, after, BATCH_ROWS)
            back, freed = ledger.moves.restore(session, made.id, items, made.cls)
        _publish(context, freed)
        if back:
            yield back
        full = len(items) == BATCH_ROWS
        after = items[-1].row_id if items else after


def _batches(
    context: Context, session: Session, wanted: Filter, place: tuple[RowStage, str], cls: str, until: int
) -> Iterator[list[Standing]]:
    after, full = 0, True
    while full:
        rows = ledger.standing_rows.batch(session, wanted, place, cls, (after, until), BATCH_ROWS, lock=False)
        yield _chosen(context, wanted, rows)
        full = len(rows) == BATCH_ROWS
        after = rows[-1].id if rows else after


def _chosen(context: Context, wanted: Filter, rows: Sequence[Standing]) -> list[Standing]:
    if not wanted.of_content:
        return list(rows)
    return [row for row in rows if _meets_in_content(context, wanted, row)]


def _meets_in_content(context: Context, wanted: Filter, row: Standing) -> bool:
    if row.stage == "event":
        return any(meets(wanted, document, None) for document in _told(context, row))
    order = read_document(row.order_body) if row.order_body else None
    return meets(wanted, read_document(row.body), order if isinstance(order, Order) else None)


def _told(context: Context, row: Standing) -> Sequence[AnyDocument]:
    """What an event that nobody has prepared yet tells; nothing if its channel cannot read it."""
    channel = context.channels.get(row.source)
    if channel is None or row.received_at is None or not isinstance(row.body, bytes):
        return ()
    try:
        parsed = channel.parse(Told(row.source, row.topic, row.headers or {}, row.body, row.received_at))
    except Exception:  # noqa: BLE001  the worker that prepares it parks it with the reason; here it only meets no condition
        return ()
    return parsed.documents if isinstance(parsed, Parsed) else ()


def _publish(context: Context, freed: Freed) -> None:
    """Send messages for what the committed rows wait for; those that are retried later go by the ladder."""
    now = context.now()
    letters: list[Letter] = [*letters_for_deliveries(freed.ready), *letters_for_events(freed.waiting)]
    by_rung: dict[int | None, list[Ready]] = {}
    for row, due_at in freed.due:
        by_rung.setdefault(rung_for(rest_s(due_at, now), context.topology.ladder_s), []).append(row)
    for rung_s, rows in by_rung.items():
        letters += [replace(letter, rung_s=rung_s) for letter in letters_for_deliveries(rows)]
    forward(context, letters)
