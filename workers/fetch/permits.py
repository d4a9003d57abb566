"""Runs the book of permits: taken by the fetcher before it picks, handed to the task, given back exactly once."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.throttle.base import Ask, Denied, Granted, Limit, OutOfReachError, Throttle
from telemetry import Name, emit

_log = logging.getLogger(__name__)

NO_ANSWER_S = 1.0
BROKEN_S = 5.0


@dataclass(slots=True, eq=False)
class Hold:
    """One permit in the book, held for one delivery of one message."""

    task_id: str
    target: str
    permit: Granted
    handed_over: bool = False
    idle: bool = False
    """The task found nothing to be done."""


class PermitBook:
    """Which message holds which permit in this process; thread-safe. Nothing is written to the message itself, so a
    forged header gives nobody a permit.
    """

    def __init__(self, throttles: Mapping[str, Throttle]) -> None:
        self._throttles = throttles
        self._holds: dict[str, list[Hold]] = {}
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Permits taken and not yet given back."""
        with self._lock:
            return sum(len(holds) for holds in self._holds.values())

    def knows(self, target: str) -> bool:
        """Whether the target has a throttle in this process."""
        return target in self._throttles

    def adjust(self, target: str, limit: Limit) -> None:
        """Put another limit of a target in force, from the next permit on."""
        adjust = getattr(self._throttles.get(target), "adjust", None)
        if adjust is not None:
            adjust(limit)

    def take(self, task_id: str, target: str, ask: Ask) -> Hold | Denied:
        """Take a permit for a message about to be picked; Denied says when to ask again."""
        try:
            answer = self._throttles[target].acquire(ask)
        except OutOfReachError as error:
            return Denied(NO_ANSWER_S, str(error))
        except Exception as error:  # noqa: BLE001 one lane's limiter must not stop the picking of the others
            _log.exception("throttle of %s failed: nothing is picked for it", target)
            return Denied(BROKEN_S, type(error).__name__)
        if isinstance(answer, Denied):
            emit(Name.LANE_THROTTLE_DENIED, target=target, calls=ask.calls, wait_s=answer.wait_s)
            return answer
        hold = Hold(task_id, target, answer)
        with self._lock:
            self._holds.setdefault(task_id, []).append(hold)
        return hold

    def hand_over(self, task_id: str) -> Granted | None:
        """The task's permit, once: from here on the task says what is unspent. None if the fetcher took none."""
        with self._lock:
            for hold in self._holds.get(task_id, ()):
                if not hold.handed_over:
                    hold.handed_over = True
                    return hold.permit
        return None

    def found_nothing(self, task_id: str) -> None:
        """None of the task's rows was there to be done: another message brought them, or they came back with this one."""
        with self._lock:
            for hold in self._holds.get(task_id, ()):
                hold.idle = True

    def end(self, hold: Hold) -> None:
        """The delivery has its end, whichever: give the lease back, and all calls if the task never began.

        A task that began gives its own unspent calls back; a lease it forgot ends here. Ending twice is harmless.
        """
        with self._lock:
            holds = self._holds.get(hold.task_id, [])
            if hold not in holds:
                return
            holds.remove(hold)
            if not holds:
                del self._holds[hold.task_id]
        try:
            self._throttles[hold.target].release(hold.permit, 0 if hold.handed_over else hold.permit.calls)
        except OutOfReachError:
            _log.warning("permit of %s could not be given back: its lease ends by its own life", hold.target)
