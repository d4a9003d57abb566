"""Runs the picking: whenever the pool has a free slot, the next message by weight among the families that may go."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from adapters.throttle.base import FULL, Ask
from routing import names
from routing.names import CLASSES, Class
from routing.weights import Wheel
from telemetry.bus import emit
from telemetry.events import Name
from workers.fetch.delivered import Delivered
from workers.fetch.intake import Intake
from workers.fetch.permits import Hold, PermitBook
from workers.fetch.plan import FetchPlan

_log = logging.getLogger(__name__)

PAUSE_HOLD_S = 60.0
"""A family closed longer than this holds nothing here: what is buffered goes back and the consumers end."""

BUFFER_AGE_MAX_S = 600.0
"""RabbitMQ ends a channel that holds one delivery for 30 minutes; a buffered message goes back long before."""

_SPARE_LEAST, _SPARE_MOST = 4, 16
_WAIT_LEAST_S = 0.002
_LEASE_WAIT_S = 0.05
_ABSENT_S = 15.0


@dataclass(slots=True)
class Lane:
    """One family as this worker serves it."""

    family: str
    target: str | None
    wanted: set[str] = field(default_factory=set)
    paused_at: float | None = None
    closed_until: float = 0.0
    closed_by: str = ""
    away: bool = False
    """Its consumers are cancelled and its buffers handed back."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What the fetcher does its work with: the pool's size and load, the hub's two ways of calling back."""

    limit: Callable[[], int]
    reserved: Callable[[], int]
    soon: Callable[[], None]
    later: Callable[[float], None]
    in_process: bool
    clock: Callable[[], float] = time.monotonic


class Fetcher:
    """Belongs to the connection's thread. Calls ``hands.soon`` when there may be something to pick, and is called back
    by :meth:`pick`; it never polls.
    """

    def __init__(self, queues: Iterable[str], permits: PermitBook, hands: Hands) -> None:
        self._permits = permits
        self._hands = hands
        self._wheel = Wheel()
        self._plan = FetchPlan()
        self._lanes: dict[str, Lane] = {}
        self._prefetch = 0
        self._intake: Intake | None = None
        self._handler: Callable[[Delivered], Any] | None = None
        self._alone: Delivered | None = None
        self._absent_until: dict[str, float] = {}
        for queue in queues:
            self._lane(queue).wanted.add(queue)

    @property
    def consumed(self) -> tuple[str, ...]:
        """Queues with a consumer now."""
        return self._intake.consumed if self._intake else ()

    @property
    def prefetch(self) -> int:
        """Messages a queue may have unacknowledged here: what runs and a few more."""
        limit = self._hands.limit()
        return limit + max(_SPARE_LEAST, min(limit, _SPARE_MOST))

    @property
    def buffered(self) -> int:
        """Messages held and not yet picked."""
        return sum(len(held) for held in self._intake.buffers.values()) if self._intake else 0

    def begin(self, intake: Intake, handler: Callable[[Delivered], Any]) -> None:
        """Consume everything wanted through a fresh connection."""
        self._intake, self._handler = intake, handler
        self._prefetch = self.prefetch
        for lane in self._lanes.values():
            lane.away = lane.paused_at is not None
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

    def follow(self, plan: FetchPlan) -> None:
        """Put another plan in force; it acts on what is buffered and all that waits behind."""
        before, self._plan = self._plan, plan
        self._wheel.set(plan.weights)
        if before.weights != plan.weights:
            emit(Name.FETCH_WEIGHTS_CHANGED)
        for lane in self._lanes.values():
            if lane.family not in plan.paused:
                lane.paused_at = None
            elif lane.paused_at is None:
                lane.paused_at = self._hands.clock()
        self._return_paused()
        self._hands.soon()

    def tend(self) -> None:
        """Once a second: hand back what is held too long, take up again what may go, follow the pool's size."""
        if self._intake is None:
            return
        self.resize()
        self._return_paused()
        self._return_aged()
        self._hands.soon()

    def resize(self) -> None:
        """Consume with the prefetch that fits the pool's size now."""
        if self._intake is None or self._prefetch == self.prefetch:
            return
        self._prefetch = self.prefetch
        for queue in self._intake.consumed:
            self._intake.consume(queue, self._prefetch)
        self._hands.soon()

    def add(self, queue: str) -> bool:
        """Serve one more queue. False if the broker does not have it."""
        lane = self._lane(queue)
        lane.wanted.add(queue)
        if self._intake is None or lane.away:
            return True
        return queue in self._intake.consumed or self._intake.consume(queue, self._prefetch)

    def drop(self, queue: str) -> None:
        """Serve a queue no more; what is buffered of it goes back at once."""
        self._lane(queue).wanted.discard(queue)
        if self._intake is not None:
            self._intake.hand_back(queue)

    def ended(self, message: Delivered, hold: Hold | None) -> None:
        """A picked message has its end: a slot is free, and perhaps a lease. Called on any thread."""
        if hold is not None:
            self._permits.end(hold)
            lane = self._lanes[names.family_of(message.queue)]
            if lane.closed_by.startswith(FULL):
                lane.closed_until = 0.0
        if self._alone is message:
            self._alone = None
        self._hands.soon()

    def pick(self) -> None:
        """Hand over messages while there is a free slot and a family that may go."""
        intake, handler = self._intake, self._handler
        if intake is None or handler is None:
            return
        waiting = self._waiting(intake)
        free = self._hands.limit() - self._hands.reserved()
        while free > 0:
            message = self._next(intake, waiting)
            if message is None:
                break
            handler(message)
            emit(Name.FETCH_PICK_STOP, family=names.family_of(message.queue), cls=names.class_of(message.queue), count=1)
            free = min(free - 1, self._hands.limit() - self._hands.reserved())
        self._wait_for_the_closed(intake)

    def _next(self, intake: Intake, waiting: dict[str, list[Class]]) -> Delivered | None:
        if self._alone is not None:
            return None
        if self._hands.in_process and intake.suspects:
            suspects = self._suspects(intake, waiting)
            if suspects and self._hands.reserved():
                return None
            for message in suspects:
                if self._permitted(message):
                    intake.take(message)
                    self._alone = message
                    return message
        return self._by_weight(intake, waiting)

    def _by_weight(self, intake: Intake, waiting: dict[str, list[Class]]) -> Delivered | None:
        while (turn := self._wheel.next(waiting)) is not None:
            family, cls = turn
            queue = names.queue(family, cls)
            message = intake.buffers[queue][0]
            if self._permitted(message):
                self._wheel.serve(family, cls, waiting)
                intake.take(message)
                if not intake.buffers[queue]:
                    waiting[family].remove(cls)
                return message
            waiting.pop(family)
        return None

    def _waiting(self, intake: Intake) -> dict[str, list[Class]]:
        now = self._hands.clock()
        waiting: dict[str, list[Class]] = {}
        for lane in self._lanes.values():
            if lane.paused_at is None and lane.closed_until <= now:
                classes = [cls for cls in CLASSES if intake.buffers.get(names.queue(lane.family, cls))]
                if classes:
                    waiting[lane.family] = classes
        return waiting

    def _suspects(self, intake: Intake, waiting: dict[str, list[Class]]) -> list[Delivered]:
        held = [one for one in intake.suspects if names.family_of(one.queue) in waiting]
        # Turned round at every second return: whichever stands before the one that kills the process is done by then.
        return sorted(held, key=lambda one: (one.came_back, one.number if one.came_back % 2 else -one.number))

    def _permitted(self, message: Delivered) -> bool:
        lane = self._lanes[names.family_of(message.queue)]
        if lane.target is None:
            message.when_ended(partial(self.ended, message, None))
            return True
        answer = self._permits.take(message.task_id, lane.target, Ask(max(1, message.calls)))
        if isinstance(answer, Hold):
            lane.closed_by = ""
            message.when_ended(partial(self.ended, message, answer))
            return True
        # A limiter out of leases can only hint; the end of our own work opens the lane at once.
        least_s = _LEASE_WAIT_S if answer.reason.startswith(FULL) else _WAIT_LEAST_S
        lane.closed_until = self._hands.clock() + max(least_s, answer.wait_s)
        lane.closed_by = answer.reason
        return False

    def _wait_for_the_closed(self, intake: Intake) -> None:
        now = self._hands.clock()
        waits = [
            lane.closed_until - now
            for lane in self._lanes.values()
            if lane.closed_until > now and any(intake.buffers.get(queue) for queue in lane.wanted)
        ]
        if waits:
            self._hands.later(min(waits))

    def _return_paused(self) -> None:
        now = self._hands.clock()
        for lane in self._lanes.values():
            paused_s = now - lane.paused_at if lane.paused_at is not None else 0.0
            away = paused_s >= PAUSE_HOLD_S or lane.closed_until - now > PAUSE_HOLD_S
            if away and not lane.away:
                self._send_away(lane)
            lane.away = away
        self._consume_wanted()

    def _send_away(self, lane: Lane) -> None:
        if self._intake is None:
            return
        count = sum(self._intake.hand_back(queue) for queue in sorted(lane.wanted))
        emit(Name.FETCH_CONSUME_PAUSED, family=lane.family, count=count)
        _log.info("family %s is closed for long: %d buffered messages handed back", lane.family, count)

    def _return_aged(self) -> None:
        intake = self._intake
        if intake is None:
            return
        oldest = self._hands.clock() - BUFFER_AGE_MAX_S
        for queue in [queue for queue, held in intake.buffers.items() if held and held[0].at_s < oldest]:
            intake.hand_back(queue)

    def _consume_wanted(self) -> None:
        intake = self._intake
        if intake is None:
            return
        now = self._hands.clock()
        wanted = {queue for lane in self._lanes.values() if not lane.away for queue in lane.wanted}
        for queue in sorted(wanted.difference(intake.consumed)):
            if self._absent_until.get(queue, 0.0) <= now and not intake.consume(queue, self._prefetch):
                self._absent_until[queue] = now + _ABSENT_S

    def _lane(self, queue: str) -> Lane:
        family = names.family_of(queue)
        return self._lanes.setdefault(family, Lane(family, names.target_of(family)))
