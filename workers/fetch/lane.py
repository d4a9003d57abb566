"""Runs one lane's doors: whether anything of it may be picked now, which of its operations, and when to look again."""

from dataclasses import dataclass, field

from adapters.throttle.base import FULL, Denied
from routing import names
from routing.names import CLASSES, Class
from workers.fetch.delivered import Part
from workers.fetch.plan import Gate

_WAIT_LEAST_S = 0.002
_LEASE_WAIT_S = 0.02
_PAUSED_S = float("inf")


@dataclass(slots=True)
class Family:
    """The queues of one domain in a lane."""

    name: str
    queues: dict[Class, str]

    @classmethod
    def of(cls, name: str) -> "Family":
        """The family of this name."""
        return cls(name, {cls: names.queue(name, cls) for cls in CLASSES})


@dataclass(slots=True)
class Lane:
    """One lane as this worker serves it. ``running`` may be changed on any thread, all else on the connection's."""

    name: str
    target: str | None
    families: list[Family] = field(default_factory=list)
    wanted: set[str] = field(default_factory=set)
    running: set[Part] = field(default_factory=set)
    away: bool = False
    """Its consumers are cancelled and its buffers handed back."""
    _paused_at: float | None = None
    _gate: Gate = field(default_factory=Gate)
    _gate_until: float = 0.0
    _closed_until: float = 0.0
    _closed_by: str = ""
    _operations: dict[str, float] = field(default_factory=dict)

    @property
    def scale(self) -> float:
        """Part of its limit that it may use now."""
        return self._gate.scale or 1.0

    @property
    def paused(self) -> bool:
        """Whether an operator stopped it."""
        return self._paused_at is not None

    @property
    def taken(self) -> int:
        """Slots of the pool that its parts take."""
        return sum(part.slots for part in tuple(self.running))

    @property
    def narrow(self) -> bool:
        """Whether it is being tried out after a maintenance: then one request goes at a time."""
        return self._gate.most_at_once is not None

    def serve(self, queue: str) -> None:
        """Serve one more queue."""
        family = names.family_of(queue)
        self.wanted.add(queue)
        if all(known.name != family for known in self.families):
            self.families.append(Family.of(family))

    def follow(self, paused: bool, gate: Gate, now: float) -> None:
        """Put a pause and a gate in force, or take them away."""
        if not paused:
            self._paused_at = None
        elif self._paused_at is None:
            self._paused_at = now
        self._gate = gate
        self._gate_until = now + (gate.closed_s if gate.scale else _PAUSED_S)

    def open(self, now: float) -> bool:
        """Whether anything of it may be picked."""
        most = self._gate.most_at_once
        return (
            self._paused_at is None
            and self._gate_until <= now
            and self._closed_until <= now
            and (most is None or len(self.running) < most)
        )

    def allows(self, operation: str, now: float) -> bool:
        """Whether an operation of it may be picked."""
        return not self.closed_s(operation, now)

    def closed_s(self, operation: str, now: float) -> float:
        """Seconds for which an operation of it is closed by itself; 0 for none."""
        return max(0.0, self._operations.get(operation, 0.0) - now)

    def denied(self, answer: Denied, operation: str, now: float) -> None:
        """No permit: closed until the time that the limiter said, the whole lane or one operation."""
        # A limiter out of leases can only hint; the end of our own work opens the lane at once.
        least_s = _LEASE_WAIT_S if answer.reason.startswith(FULL) else _WAIT_LEAST_S
        until = now + max(least_s, answer.wait_s)
        if answer.operation:
            self._operations[operation] = until
        else:
            self._closed_until, self._closed_by = until, answer.reason

    def granted(self) -> None:
        """A permit was had."""
        self._closed_by = ""

    def lease_back(self) -> None:
        """A lease of our own was given back: what waits for one is asked for again at once. On any thread."""
        if self._closed_by.startswith(FULL):
            self._closed_until = 0.0

    def reopens(self, now: float) -> float | None:
        """When to look again, by the clock; None if nothing is closed for a known time."""
        times = [self._closed_until, self._gate_until, *self._operations.values()]
        return min((at for at in times if now < at < _PAUSED_S), default=None)

    def long_closed(self, now: float, hold_s: float) -> bool:
        """Whether it has been or surely will be closed for longer than ``hold_s``: then it holds nothing here."""
        paused_s = now - self._paused_at if self._paused_at is not None else 0.0
        return paused_s >= hold_s or max(self._closed_until, self._gate_until) - now > hold_s
