"""Runs the sizing of parts: how many rows of a message go out at once, by what waits, what they take and what is allowed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from adapters.throttle.base import Limit
from routing import names
from routing.letters import MOST_ROWS
from workers.fetch.delivered import Delivered

SLOT_FREE_S = 0.15
"""While a lane delivers, one of its slots should come free this often: so soon an express order is picked."""

PREPARE_SLOT_FREE_S = 0.1
"""The same while events are prepared by processes."""

PREPARE_ON_THREADS_FREE_S = 0.25
"""The same on threads, where events of class high have a slot of their own: a part pays for its statements and its commit once,
and of short parts that share an interpreter each row takes the longer."""

PART_MOST_S = 1.0
"""A part takes no longer than this, however many run beside it: what a dead worker held comes back in one piece."""

AHEAD_S = 0.02
"""A part takes no more calls at once than the rate gives in this time: so little of it is gone when an express order comes."""

IDLE_MOST = 8
"""Rows of a part at least, where the parts before it found more and more of the message done: one by one, what a killed worker
left behind would hold the lane up. No more, for there the rest begins that has to go out in turn with everything else.
"""

_NEWEST = 0.25
_LEAST_ROW_S = 1e-4


def one_posting(_operation: str) -> int:
    """The batch of a target that takes none: one posting a call."""
    return 1


@dataclass(frozen=True, slots=True)
class Rules:
    """What bounds the parts of one lane: most rows of a part and how often a slot should come free; for a target its limit
    as configured, and the most postings that one call of an operation may carry.
    """

    bundle: int = MOST_ROWS
    slot_free_s: float = PREPARE_SLOT_FREE_S
    limit: Limit = field(default_factory=Limit)
    batch_of: Callable[[str], int] = one_posting


class Parts:
    """Sizes of parts by lane and operation. ``ended`` may be called on any thread; a measure lost there is no harm."""

    def __init__(self, rules: Mapping[str, Rules], *, on_threads: bool = False) -> None:
        self._rules = rules
        self._preparing = Rules(slot_free_s=PREPARE_ON_THREADS_FREE_S if on_threads else PREPARE_SLOT_FREE_S)
        self._limits: Mapping[str, Limit] = {}
        self._row_s: dict[tuple[str, str], float] = {}

    def follow(self, limits: Mapping[str, Limit]) -> None:
        """Go by other limits of targets, where given."""
        self._limits = {names.lane(target): limit for target, limit in limits.items()}

    def rows(self, lane: str, message: Delivered, slots: int) -> int:
        """Rows of the next part of a message, where up to ``slots`` parts run side by side here."""
        return min(message.waiting, self.most(lane, message, slots))

    def batch(self, lane: str, operation: str) -> int:
        """Postings of an operation that one call may carry; 1 where none are put together."""
        return self._rules.get(lane, self._preparing).batch_of(operation)

    def most(self, lane: str, message: Delivered, slots: int) -> int:
        """Rows that a part with the message's operation may hold, however many wait."""
        rules = self._rules.get(lane, self._preparing)
        batch = rules.batch_of(message.operation)
        if batch > 1:
            return batch
        row_s = self._row_s.get((lane, message.operation))
        fit = int(self._part_s(lane, slots) / row_s) if row_s is not None else 1
        ahead = self._ahead(lane, message.operation)
        if ahead is not None:
            fit = min(fit, int(ahead / message.calls_of(1)))
        return max(1, min(rules.bundle, max(fit, min(1 << message.idle_parts, IDLE_MOST))))

    def calls(self, lane: str, message: Delivered, rows: int) -> int:
        """Calls to ask a permit for: what the part takes, at most what the rate gives a little ahead, at least one."""
        batch = self.batch(lane, message.operation)
        expected = -(-rows // batch) if batch > 1 else message.calls_of(rows)
        ahead = self._ahead(lane, message.operation)
        return expected if ahead is None else max(1, min(expected, int(ahead)))

    def ended(self, lane: str, message: Delivered, rows: int, took_s: float, *, idle: bool = False) -> None:
        """A part ran: the mean time of a row follows it, unless nothing of it was there to be done (``idle``)."""
        if idle:
            message.idle_parts = min(message.idle_parts + 1, IDLE_MOST)
            return
        message.idle_parts = 0
        operation, row_s = message.operation, max(_LEAST_ROW_S, took_s / rows)
        known = self._row_s.get((lane, operation), row_s)
        self._row_s[lane, operation] = known + _NEWEST * (row_s - known)

    def _part_s(self, lane: str, slots: int) -> float:
        # Of many parts side by side one ends soon, however long each takes. By the length of one alone, a full pool would cut
        # ever smaller parts: its own load makes every row slow.
        at_once = min(slots, self._limit(lane).concurrency or slots)
        return min(PART_MOST_S, at_once * self._rules.get(lane, self._preparing).slot_free_s)

    def _limit(self, lane: str) -> Limit:
        return self._limits.get(lane) or self._rules.get(lane, self._preparing).limit

    def _ahead(self, lane: str, operation: str) -> float | None:
        limit = self._limit(lane)
        own = limit.operations.get(operation)
        rates = [rate for rate in (limit.rate_per_s, own.rate_per_s if own else None) if rate is not None]
        return min(rates) * AHEAD_S if rates else None
