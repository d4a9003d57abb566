"""Does the putting of the standing backlog under a change of peak profile: classes by its rules, rests by its quiet hours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast

import ledger.peak_backlog
import ledger.peaks
from canonical.kinds import read_document
from canonical.order import Order
from config.fleet import Fleet
from ledger.deliveries import Ready
from ledger.peak_backlog import STAGES, Standing
from ledger.peaks import Change
from ledger.session import Session
from routing.classes import class_of_document, class_of_event
from routing.names import Class
from routing.quiet import rests_until
from tasks.context import Context
from tasks.forward import forward, letters_for_deliveries
from tasks.in_force import Rules, rules_of

PART = 500
SETTLES_AFTER = timedelta(seconds=3)
"""By then every process prepares by the new rules: what was written meanwhile is gone through then."""
OVERLAP = 1_000
"""Numbers below the newest one that may be of transactions which were not over when it was read."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A change as the backlog meets it: the rules before it, since ``before_since``, and those after it. ``half``: rules of
    changes before that one which it was not wholly put under.
    """

    before: Rules
    after: Rules
    before_since: datetime | None
    half: tuple[Rules, ...] = ()

    @property
    def by_class(self) -> bool:
        """Whether any class may differ: only then documents are read."""
        return any(rules.classes != self.after.classes for rules in (self.before, *self.half))

    @property
    def changes_rows(self) -> bool:
        """Whether any row may differ."""
        return self.by_class or any(rules.defer != self.after.defer for rules in (self.before, *self.half))


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the backlog: behind delivery ``last`` of a stage. ``top``: the newest delivery as the way through began; the
    second way, ``again``, is only through what came later.
    """

    stage: str = STAGES[0]
    last: int = 0
    top: int = 0
    again: bool = False

    @classmethod
    def read(cls, told: str) -> "Place":
        """The place that a text names, the beginning for none."""
        if not told:
            return cls()
        stage, last, top, again = told.split("|")
        return cls(stage, int(last), int(top), again == "again")

    def __str__(self) -> str:
        return f"{self.stage}|{self.last}|{self.top}|{'again' if self.again else ''}"

    def next(self) -> "Place | None":
        """The beginning of the next stage; None at the end."""
        floor = max(0, self.top - OVERLAP) if self.again else 0
        following = STAGES.index(self.stage) + 1
        if following < len(STAGES):
            return replace(self, stage=STAGES[following], last=floor)
        return None if self.again else Place(STAGES[0], max(0, self.top - OVERLAP), self.top, again=True)


@dataclass(slots=True)
class Judged:
    """What becomes of some deliveries: other classes (by the class before and after), rests until a moment, ends of rests."""

    classes: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    rests: dict[datetime, list[int]] = field(default_factory=dict)
    wakes: list[int] = field(default_factory=list)


def turned(fleet: Fleet, change: Change, half_done: Sequence[Change] = ()) -> Turned:
    """A change as the backlog meets it. Raises ConfigError if its profiles cannot be read by this release."""
    half = tuple(rules_of(fleet, one.before_profile) for one in half_done)
    return Turned(rules_of(fleet, change.before_profile), rules_of(fleet, change.profile), change.before_since, half)


def judge(fleet: Fleet, turn: Turned, rows: Sequence[Standing], at: datetime) -> Judged:
    """What a change makes of deliveries that wait. One whose class is not what the rules before gave it was moved by hand: it
    keeps its class. One that rested before, or was tried, does not rest.
    """
    found = Judged()
    for row in rows:
        cls = _class_of(fleet, turn, row, at) if turn.by_class else cast("Class", row.cls)
        if cls != row.cls:
            found.classes.setdefault((row.cls, cls), []).append(row.id)
        until = rests_until(turn.after.defer, row.kind, row.source, cls, row.target, at)
        if row.due_at is None and until is not None and row.state in ("ready", "queued", "waiting"):
            found.rests.setdefault(until, []).append(row.id)
        elif row.due_at is not None and row.due_at > at and until is None and row.state in ("deferred", "waiting"):
            found.wakes.append(row.id)
    return found


def put_under(context: Context, change: Change, half_done: Sequence[Change] = (), *, most_parts: int) -> bool:
    """Go on putting the backlog under a change, at most so many parts of it; True once all of it is. Safe to repeat, and to go on
    with in another process. ``half_done``: earlier changes that it was not wholly put under.
    """
    turn = turned(context.fleet, change, half_done)
    if not turn.changes_rows:
        with context.ledger.write() as session:
            ledger.peaks.note_place(session, change.id, change.place, 0, context.now())
            ledger.peaks.settle_before(session, change.id, context.now())
        return True
    place: Place | None = Place.read(change.place)
    for _ in range(most_parts):
        if place is None or (place.again and context.now() < change.at + SETTLES_AFTER):
            break
        place, ready = _put_part(context, change.id, turn, place)
        forward(context, letters_for_deliveries(ready))
    return place is None


def release(context: Context, most: int) -> int:
    """Let deliveries go whose rest is over; returns how many."""
    with context.ledger.read() as session:
        if not ledger.peak_backlog.rested(session, context.now()):
            return 0
    with context.ledger.write() as session:
        ready = ledger.peak_backlog.release(session, context.now(), most)
    forward(context, letters_for_deliveries(ready))
    return len(ready)


def looked_at(session: Session, most: int, *, bodies: bool) -> Iterator[Standing]:
    """What waits, at most ``most`` deliveries of each state, oldest first: for those who want to know beforehand."""
    for state in STAGES:
        last, left = 0, most
        while left > 0:
            rows = ledger.peak_backlog.part(session, state, last, min(PART, left), bodies=bodies)
            yield from rows
            if len(rows) < PART:
                break
            last, left = rows[-1].id, left - len(rows)


def _put_part(context: Context, change_id: int, turn: Turned, place: Place) -> tuple[Place | None, list[Ready]]:
    """One part; returns the place behind it, None at the end, and what needs a message."""
    now = context.now()
    with context.ledger.write() as session:
        if not place.again and place.top == 0:
            place = replace(place, top=ledger.peak_backlog.newest(session))
        rows = ledger.peak_backlog.part(session, place.stage, place.last, PART, bodies=turn.by_class)
        ready, moved = _write(session, judge(context.fleet, turn, rows, now), now)
        behind = replace(place, last=rows[-1].id) if len(rows) == PART else place.next()
        told = str(behind) if behind else ledger.peaks.BEGINNING
        ledger.peaks.note_place(session, change_id, told, moved, None if behind else now)
        if behind is None:
            ledger.peaks.settle_before(session, change_id, now)
    return behind, ready


def _write(session: Session, judged: Judged, now: datetime) -> tuple[list[Ready], int]:
    resting = {row for ids in judged.rests.values() for row in ids}
    moved = sum(len(ids) for ids in judged.classes.values())
    ready: list[Ready] = []
    for (before, after), ids in judged.classes.items():
        ready += ledger.peak_backlog.move(session, ids, before, after)
    for until, ids in judged.rests.items():
        moved += ledger.peak_backlog.defer(session, ids, until)
    if judged.wakes:
        moved += ledger.peak_backlog.wake(session, judged.wakes, now)
    return [row for row in ready if row.id not in resting], moved


def _class_of(fleet: Fleet, turn: Turned, row: Standing, at: datetime) -> Class:
    source = fleet.sources.get(row.source)
    cls = cast("Class", row.cls)
    if row.body is None or source is None:
        return cls
    told = class_of_event(source, row.topic)
    document = read_document(row.body)
    order = read_document(row.order_body) if row.order_body else document
    owner = order if isinstance(order, Order) else None
    then = max(row.created_at, turn.before_since or row.created_at)
    ruled = {class_of_document(rules.classes, document, owner, told, then) for rules in (turn.before, *turn.half)}
    if cls not in ruled:
        return cls
    return class_of_document(turn.after.classes, document, owner, told, at)
