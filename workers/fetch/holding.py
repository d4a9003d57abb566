"""Runs the amount held: how many messages each queue may have here unacknowledged, counted by the rows they bring."""

import math
from collections.abc import Callable, Iterable

from workers.fetch.intake import Intake

_SPARE_LEAST, _SPARE_MOST = 4, 16
_ROWS_A_SLOT = 16
"""Rows held for each slot of the pool at least: small parts need no more, and no slot waits for the broker."""
_AHEAD = 2
"""Where parts are larger, so many times the rows that run at once. But no more than so many times the usual messages: a lost
connection counts as one delivery of each that was held.
"""
_RECENT = 0.25
_LEAST_MESSAGES = 5
_ABSENT_S = 15.0
_HUNGRY_EVERY_S = 0.05


class Holding:
    """Consumes queues with a prefetch that fits. Belongs to the connection's thread."""

    def __init__(self, slots: Callable[[], int], clock: Callable[[], float]) -> None:
        """``slots`` says how much the pool runs at once."""
        self._slots = slots
        self._wished: dict[str, float] = {}
        self._clock = clock
        self._given: dict[str, int] = {}
        self._absent_until: dict[str, float] = {}
        self._fed_at = 0.0

    @property
    def most(self) -> int:
        """Messages a queue may have here if each brings one row: what runs and a few more."""
        slots = self._slots()
        return slots + max(_SPARE_LEAST, min(slots, _SPARE_MOST))

    def fits(self, intake: Intake, queue: str) -> int:
        """Messages a queue may have here, by the rows of its last ones."""
        each = intake.rows_each(queue)
        wished = _AHEAD * self._wished.get(queue, 0.0)
        by_rows = math.ceil(max(_ROWS_A_SLOT * self._slots(), wished) / each)
        most = self.most if wished <= self.most * each else _AHEAD * self.most
        return min(most, max(_LEAST_MESSAGES, by_rows))

    def wish(self, queue: str, rows: float) -> None:
        """What runs of a queue at once would hold so many rows, if they were here."""
        known = self._wished.get(queue, 0.0)
        self._wished[queue] = known + _RECENT * (rows - known)

    def rows(self, intake: Intake, queue: str) -> int:
        """Rows that may run of a queue now, so that as many stay here for whoever picks next."""
        return int(self._given.get(queue, 0) * intake.rows_each(queue) / _AHEAD)

    def consume(self, intake: Intake, queue: str) -> bool:
        """Consume a queue, or go on with the prefetch that fits now. False if the broker does not have it."""
        self._given[queue] = self.fits(intake, queue)
        return intake.consume(queue, self._given[queue])

    def consume_all(self, intake: Intake, wanted: Iterable[str]) -> None:
        """Consume what is wanted and not consumed; what the broker does not have is asked for again later."""
        now = self._clock()
        for queue in sorted(set(wanted).difference(intake.consumed)):
            if self._absent_until.get(queue, 0.0) <= now and not self.consume(intake, queue):
                self._absent_until[queue] = now + _ABSENT_S

    def follow(self, intake: Intake) -> None:
        """Go on with another prefetch where the pool's size or the messages have changed much."""
        for queue in intake.consumed:
            given, fits = self._given.get(queue, 0), self.fits(intake, queue)
            if fits > given + given // 4 or (2 * fits <= given and intake.complete(queue)):
                self.consume(intake, queue)

    def hungry(self, intake: Intake) -> None:
        """Slots are free and nothing is here to pick: hold more at once where messages turned out to be small."""
        now = self._clock()
        if now - self._fed_at >= _HUNGRY_EVERY_S:
            self._fed_at = now
            self.follow(intake)
