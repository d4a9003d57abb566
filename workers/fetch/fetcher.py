"""Runs the picking: whenever the pool has a free slot, the next part by share, weight and age among what may go."""

import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from adapters.throttle.base import Ask
from routing import names
from routing.names import CLASSES, Class
from routing.weights import Turn, Wheel
from telemetry.bus import emit
from telemetry.events import Name
from workers.fetch.delivered import Delivered, Part
from workers.fetch.holding import Holding
from workers.fetch.intake import Intake
from workers.fetch.lane import Lane
from workers.fetch.parts import Parts
from workers.fetch.permits import Hold, PermitBook
from workers.fetch.plan import FetchPlan, Gate

_log = logging.getLogger(__name__)

PAUSE_HOLD_S = 60.0
"""A lane closed longer than this holds nothing here: what is buffered goes back and the consumers end."""

BUFFER_AGE_MAX_S = 600.0
"""RabbitMQ ends a channel that holds one delivery for 30 minutes; a buffered message goes back long before."""

CLOSED_LONG_S = 5.0
"""An operation that stays closed for longer makes room for the others of its queue."""

_LET_BY_AT_ONCE = 16
"""Messages a queue and second that make room: each waits for the broker's confirm, and so does the connection's thread."""

_KEPT_FOR_OTHERS = 8
"""One of so many slots, at least one, is kept from each target's lane for the others, where a worker serves several: a target
that hangs gives none back."""

_PREPARING_AT_ONCE = 2
"""Parts prepared at once on threads, and one more of class high: they share one interpreter, and each more of them only holds
up the deliveries beside it."""

_OPEN = Gate()


@dataclass(frozen=True, slots=True)
class Hands:
    """What the fetcher does its work with: the pool's size and load, the hub's two ways of calling back."""

    limit: Callable[[], int]
    reserved: Callable[[], int]
    soon: Callable[[], None]
    later: Callable[[float], None]
    in_process: bool
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class Fetcher:
    """Belongs to the connection's thread. Calls ``hands.soon`` when there may be something to pick, and is called back
    by :meth:`pick`; it never polls.
    """

    def __init__(self, queues: Iterable[str], permits: PermitBook, parts: Parts, hands: Hands) -> None:
        self._permits = permits
        self._parts = parts
        self._hands = hands
        self._wheel = Wheel()
        self._plan = FetchPlan()
        self._lanes: dict[str, Lane] = {}
        self._holding = Holding(hands.limit, hands.clock)
        self._intake: Intake | None = None
        self._handler: Callable[[Part], Any] | None = None
        self._alone: Part | None = None
        for queue in queues:
            self._lane(queue).serve(queue)

    @property
    def consumed(self) -> tuple[str, ...]:
        """Queues with a consumer now."""
        return self._intake.consumed if self._intake else ()

    @property
    def prefetch(self) -> int:
        """Most messages a queue may have unacknowledged here: what runs and a few more, of one row each."""
        return self._holding.most

    @property
    def buffered(self) -> int:
        """Messages held of which something is not yet picked."""
        return sum(bool(one.waiting) for held in self._intake.buffers.values() for one in held) if self._intake else 0

    def begin(self, intake: Intake, handler: Callable[[Part], Any]) -> None:
        """Consume everything wanted through a fresh connection."""
        self._intake, self._handler = intake, handler
        for lane in self._lanes.values():
            lane.away = lane.paused
        self._consume_wanted()

    def end(self, connected: bool) -> None:
        """Hand everything back at once, or forget it where the connection is gone."""
        intake, self._intake, self._handler = self._intake, None, None
        if intake is None:
            return
        held = sum(len(messages) for messages in intake.buffers.values())
        if connected:
            intake.close()
            emit(Name.FETCH_BUFFER_RETURNED, count=held, reason="stop")
        else:
            intake.forget()
            self._let_go_of_the_ended()

    def follow(self, plan: FetchPlan) -> None:
        """Put another plan in force; it acts on what is buffered and all that waits behind."""
        before, self._plan = self._plan, plan
        self._wheel.set(plan.weights, plan.shares)
        self._parts.follow(plan.limits)
        if (before.weights, before.shares) != (plan.weights, plan.shares):
            emit(Name.FETCH_WEIGHTS_CHANGED)
        for lane in self._lanes.values():
            self._follow(lane)
        self._return_closed()
        self._hands.soon()

    def tend(self) -> None:
        """Once a second: hand back what is held too long, take up again what may go, follow the pool's size."""
        if self._intake is None:
            return
        self._holding.follow(self._intake)
        self._return_closed()
        self._return_aged()
        self._let_by()
        self._hands.soon()

    def resize(self) -> None:
        """Consume with the prefetch that fits the pool's size now."""
        if self._intake is not None:
            self._holding.follow(self._intake)
        self._hands.soon()

    def add(self, queue: str) -> bool:
        """Serve one more queue. False if the broker does not have it."""
        lane = self._lane(queue)
        lane.serve(queue)
        if self._intake is None or lane.away:
            return True
        return queue in self._intake.consumed or self._holding.consume(self._intake, queue)

    def drop(self, queue: str) -> None:
        """Serve a queue no more; what is buffered of it goes back at once."""
        self._lane(queue).wanted.discard(queue)
        if self._intake is not None:
            self._intake.hand_back(queue)

    def pick(self) -> None:
        """Hand over parts while there is a free slot and something that may go."""
        intake, handler = self._intake, self._handler
        if intake is None or handler is None:
            return
        free = self._free()
        while free > 0:
            part = self._next(intake)
            if part is None:
                break
            handler(part)
            family, cls = names.family_of(part.queue), names.class_of(part.queue)
            emit(Name.FETCH_PICK_STOP, family=family, cls=cls, count=len(part.rows))
            free = min(free - 1, self._free())
        if free > 0:
            self._holding.hungry(intake)
        self._wait_for_the_closed(intake)

    def _let_go_of_the_ended(self) -> None:
        """With the connection Celery ends what runs in processes, and not every end is told. What threads run goes on."""
        if not self._hands.in_process:
            for part in [part for lane in self._lanes.values() for part in lane.running]:
                part.ended()

    def _free(self) -> int:
        wide = sum(lane.taken - len(lane.running) for lane in self._lanes.values())
        return self._hands.limit() - self._hands.reserved() - wide

    def _next(self, intake: Intake) -> Part | None:
        if self._alone is not None:
            return None
        if self._hands.in_process and intake.suspects:
            return self._next_suspect(intake)
        return self._by_turn(intake)

    def _next_suspect(self, intake: Intake) -> Part | None:
        now = self._hands.clock()
        suspects = [one for one in intake.suspects if one.waiting and self._may_go(one, now)]
        if not suspects:
            return self._by_turn(intake)
        if self._hands.reserved():
            return None
        # Turned round at every second return: whichever stands before the one that kills the process is done by then.
        for message in sorted(suspects, key=lambda one: (one.came_back, one.number if one.came_back % 2 else -one.number)):
            if len(message.rows) > 1 and intake.scatter(message):
                continue
            part = self._cut(message)
            if part is not None:
                if not message.waiting:
                    intake.suspects.remove(message)
                self._alone = part
                return part
        return None

    def _by_turn(self, intake: Intake) -> Part | None:
        heads = self._heads(intake)
        busy = {lane.name: lane.taken for lane in self._lanes.values()}
        wall = self._hands.wall()
        ages = {
            family: {cls: wall - head.since if head.since else 0.0 for cls, head in classes.items()}
            for family, classes in heads.items()
        }
        while (turn := self._wheel.next(ages, busy)) is not None:
            message = heads[turn.family][turn.cls]
            calls = message.calls_of(1)
            part = self._cut(message, self._wheel.portion(turn, ages))
            if part is not None:
                self._wheel.serve(turn, calls * len(part.rows))
                return part
            self._drop_the_closed(turn, heads, ages)
        return None

    def _drop_the_closed(self, turn: Turn, heads: dict[str, dict[Class, Delivered]], ages: dict[str, dict[Class, float]]) -> None:
        now = self._hands.clock()
        del ages[turn.family][turn.cls]
        for family in [family for family in ages if names.lane_of(family) == names.lane_of(turn.family)]:
            for cls in [cls for cls in ages[family] if not self._may_go(heads[family][cls], now)]:
                del ages[family][cls]

    def _heads(self, intake: Intake) -> dict[str, dict[Class, Delivered]]:
        """The first message with something waiting of each class of each family that may go."""
        now = self._hands.clock()
        heads: dict[str, dict[Class, Delivered]] = {}
        for lane in self._lanes.values():
            classes = self._classes_with_room(lane) if lane.open(now) else ()
            may = partial(lane.allows, now=now)
            for family in lane.families if classes else ():
                found = {cls: intake.head(family.queues[cls], may) for cls in classes}
                heads[family.name] = {cls: head for cls, head in found.items() if head is not None}
        return heads

    def _classes_with_room(self, lane: Lane) -> tuple[Class, ...]:
        """Classes of a lane that a slot of the pool is free for."""
        if lane.target is None and self._hands.in_process:
            preparing = sum(len(other.running) for other in self._lanes.values() if other.target is None)
            return CLASSES if preparing < _PREPARING_AT_ONCE else CLASSES[:1] if preparing == _PREPARING_AT_ONCE else ()
        return CLASSES if lane.taken < self._room(lane) else ()

    def _room(self, lane: Lane) -> int:
        """Slots of the pool that the lane may take."""
        limit = self._hands.limit()
        kept = lane.target is not None and len(self._lanes) > 1 and limit > 1
        return limit - max(1, limit // _KEPT_FOR_OTHERS) if kept else limit

    def _slots(self, lane: Lane) -> int:
        """Parts of a lane that may run side by side here."""
        return _PREPARING_AT_ONCE if lane.target is None and self._hands.in_process else max(1, self._hands.limit())

    def _may_go(self, message: Delivered, now: float) -> bool:
        lane = self._lane(message.queue)
        return lane.open(now) and lane.allows(message.operation, now)

    def _cut(self, message: Delivered, portion: float = 1.0) -> Part | None:
        """The next part of a message, filled from those behind it, with its permit where it needs one; None if there is none
        to be had. ``portion`` bounds what is filled in.
        """
        lane = self._lane(message.queue)
        behind = self._intake.behind(message) if self._intake is not None else []
        rows = self._rows(lane, message, sum(one.waiting for one in behind), portion)
        if lane.target is None:
            return self._begin(lane, message.cut(rows, behind), None)
        calls = self._parts.calls(lane.name, message, rows)
        ask = Ask(calls, message.operation, lane.scale, min(rows, calls, self._width(lane)))
        answer = self._permits.take(message.part_id(rows), lane.target, ask)
        if isinstance(answer, Hold):
            lane.granted()
            return self._begin(lane, message.cut(rows, behind), answer, answer.permit.at_once)
        lane.denied(answer, message.operation, self._hands.clock())
        return None

    def _width(self, lane: Lane) -> int:
        """Slots that a part may take where nothing bounds its target: up to half of all, so that others come free meanwhile."""
        half = -(-self._hands.limit() // 2)
        return 1 if lane.narrow else max(1, min(half, self._free(), self._room(lane) - lane.taken))

    def _rows(self, lane: Lane, message: Delivered, behind: int, portion: float) -> int:
        """Rows of the next part: of the message, and of the ``behind`` rows as many as leave some to whoever picks next."""
        slots = self._slots(lane)
        most = self._parts.most(lane.name, message, slots)
        if self._intake is None or self._parts.batch(lane.name, message.operation) > 1:
            return min(message.waiting + behind, most)
        fair = math.ceil(most * portion)
        at_once = -(-slots // (1 if lane.target is None else self._width(lane)))
        self._holding.wish(message.queue, fair * at_once)
        filled = min(message.waiting + behind, fair, self._holding.rows(self._intake, message.queue) // at_once)
        return max(1, min(most, max(message.waiting, filled)))

    def _begin(self, lane: Lane, part: Part, hold: Hold | None, slots: int = 1) -> Part:
        part.slots = slots
        lane.running.add(part)
        part.when_ended(partial(self._ended, lane, part, hold, self._hands.clock()))
        return part

    def _ended(self, lane: Lane, part: Part, hold: Hold | None, began_at: float) -> None:
        """A picked part has its end: a slot is free, and perhaps a lease. Called on any thread."""
        lane.running.discard(part)
        self._parts.ended(lane.name, part.message, len(part.rows), self._hands.clock() - began_at, idle=bool(hold and hold.idle))
        if hold is not None:
            self._permits.end(hold)
            lane.lease_back()
        if self._alone is part:
            self._alone = None
        self._hands.soon()

    def _wait_for_the_closed(self, intake: Intake) -> None:
        now = self._hands.clock()
        times = [
            at
            for lane in self._lanes.values()
            if (at := lane.reopens(now)) is not None and any(intake.buffers.get(queue) for queue in lane.wanted)
        ]
        if times:
            self._hands.later(min(times) - now)

    def _return_closed(self) -> None:
        now = self._hands.clock()
        for lane in self._lanes.values():
            away = lane.long_closed(now, PAUSE_HOLD_S)
            if away and not lane.away:
                self._send_away(lane)
            lane.away = away
        self._consume_wanted()

    def _send_away(self, lane: Lane) -> None:
        if self._intake is None:
            return
        count = sum(self._intake.hand_back(queue) for queue in sorted(lane.wanted))
        emit(Name.FETCH_CONSUME_PAUSED, family=lane.name, count=count)
        _log.info("lane %s is closed for long: %d buffered messages handed back", lane.name, count)

    def _return_aged(self) -> None:
        intake = self._intake
        if intake is None:
            return
        oldest = self._hands.clock() - BUFFER_AGE_MAX_S
        for queue in [queue for queue, held in intake.buffers.items() if held and held[0].at_s < oldest]:
            intake.hand_back(queue)

    def _let_by(self) -> None:
        """Where all that is held of a queue is for operations that stay closed, it makes room for what stands behind it."""
        intake, now = self._intake, self._hands.clock()
        if intake is None:
            return
        for lane in self._lanes.values():
            for queue in sorted(lane.wanted) if lane.open(now) else ():
                waiting = [one for one in intake.buffers.get(queue, ()) if one.waiting]
                if waiting and all(lane.closed_s(one.operation, now) > CLOSED_LONG_S for one in waiting):
                    intake.step_back(queue, _LET_BY_AT_ONCE)

    def _consume_wanted(self) -> None:
        if self._intake is not None:
            wanted = {queue for lane in self._lanes.values() if not lane.away for queue in lane.wanted}
            self._holding.consume_all(self._intake, wanted)

    def _follow(self, lane: Lane) -> None:
        plan = self._plan
        lane.follow(lane.name in plan.paused, plan.gates.get(lane.name, _OPEN), self._hands.clock())

    def _lane(self, queue: str) -> Lane:
        name = names.lane_of(names.family_of(queue))
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, names.target_of(name))
            self._follow(lane)
        return lane
