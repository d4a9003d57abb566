"""Runs the book of a rehearsal: every event and every delivery, from its arrival to its end, and who waits behind whom."""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from routing import names
from routing.names import Class
from workers.rehearse.arrivals import Arrival
from workers.rehearse.effects import Effect

State = Literal["queued", "running", "retrying", "deferred", "waiting", "done", "parked"]


@dataclass(slots=True)
class Event:
    """An arrival as the receiver writes it; ``prepared_s`` when its deliveries were written."""

    id: int
    arrival: Arrival
    at_s: float
    cls: Class
    key: str
    prepared_s: float | None = None
    deliveries: int = 0


@dataclass(slots=True)
class Delivery:
    """One posting. Times are epoch seconds; ``since_s`` is when its event was accepted, ``born_s`` when it was written."""

    id: int
    event: Event
    effect: Effect
    since_s: float
    born_s: float
    state: State = "queued"
    attempts: int = 0
    uncertain: bool = False
    due_s: float = 0.0
    ended_s: float | None = None

    @property
    def lane(self) -> str:
        """Its lane."""
        return names.lane(self.effect.target)


@dataclass(slots=True)
class Book:
    """All of it, and the counts of what is under way."""

    events: list[Event] = field(default_factory=list)
    deliveries: dict[int, Delivery] = field(default_factory=dict)
    open: int = 0
    _chains: dict[tuple[str, str], deque[int]] = field(default_factory=dict)

    def accept(self, arrival: Arrival, at_s: float, cls: Class) -> Event:
        """An arrival is durable."""
        number = len(self.events) + 1
        event = Event(number, arrival, at_s, cls, arrival.order or f"r{number}")
        self.events.append(event)
        self.open += 1
        return event

    def prepared(self, event: Event, effects: list[Effect], now_s: float) -> list[Delivery]:
        """Write what an event leads to; returns the deliveries, those behind others of their order in state ``waiting``."""
        event.prepared_s, event.deliveries = now_s, len(effects)
        made = []
        for effect in effects:
            one = Delivery(len(self.deliveries) + 1, event, effect, event.at_s, now_s)
            self.deliveries[one.id] = one
            chain = self._chains.setdefault((f"{event.arrival.source}/{event.key}", effect.target), deque())
            if chain:
                one.state = "waiting"
                self.open -= self.deliveries[chain[0]].state == "parked"
            chain.append(one.id)
            made.append(one)
        self.open += len(effects) - 1
        return made

    def end(self, one: Delivery, state: Literal["done", "parked"], now_s: float) -> Delivery | None:
        """A delivery has its end, once; returns the one behind it that may go now. What is behind a parked one waits on.

        Raises ValueError if it had its end before.
        """
        if one.ended_s is not None:
            raise ValueError(f"delivery {one.id} ended twice")
        one.state, one.ended_s = state, now_s
        self.open -= 1
        place = f"{one.event.arrival.source}/{one.event.key}", one.effect.target
        chain = self._chains[place]
        if state == "parked":
            self.open -= len(chain) - 1
            return None
        chain.popleft()
        if not chain:
            del self._chains[place]
            return None
        behind = self.deliveries[chain[0]]
        behind.state = "queued"
        return behind
