"""Decides whose turn it is: fair queueing over lanes, their domains by share and their classes by weight, with ageing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import lcm
from types import MappingProxyType
from typing import Generic, TypeVar

from routing import names
from routing.names import CLASSES, Class

K = TypeVar("K", str, Class)
Waiting = Mapping[str, Mapping[Class, float]]
"""Families with something waiting: for each class that has, the age of its head in seconds."""

_UNIT = lcm(*range(1, 41))
"""One call of weight 1 in whole numbers, which the weights that people give divide without a rest."""
_NOBODY: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Weights:
    """How often each class of a lane is served when all have work.

    ``strict`` serves a class only while every higher one is empty. A class whose head is older than ``aged_after_s`` seconds
    is served at least every second turn of its family, the oldest first, also where ``strict``.
    Raises ValueError for a weight below 1 or an age of none: every class keeps a floor (pause a lane to stop it).

    >>> Weights(high=8, normal=3, low=1).of("high")
    8
    """

    high: int = 8
    normal: int = 3
    low: int = 1
    strict: bool = False
    aged_after_s: float = 900.0

    def __post_init__(self) -> None:
        for name in CLASSES:
            if getattr(self, name) < 1:
                raise ValueError(f"weight {name} is {getattr(self, name)}: give at least 1, or pause the lane instead")
        if not self.aged_after_s > 0:
            raise ValueError(f"aged_after_s is {self.aged_after_s}: give seconds above 0")

    def of(self, cls: Class) -> int:
        """Weight of one class."""
        return {"high": self.high, "normal": self.normal, "low": self.low}[cls]


class Turns(Generic[K]):
    """Start-time fair queueing: each key goes on from where its last service ended, at the earliest from now.

    Over any stretch in which the same keys wait, each is served in proportion to its weight, counted in cost and evenly
    spread. A key that had nothing waiting begins at the present: it lent its share out and comes back neither with a burst
    nor behind anybody. Of keys that are equally far, the one named first is next.
    """

    def __init__(self) -> None:
        self._now = 0
        self._ends: dict[K, int] = {}

    def start(self, key: K) -> int:
        """Where a key stands: the least is next."""
        return max(self._now, self._ends.get(key, 0))

    def next(self, waiting: Iterable[K]) -> K:
        """The key to serve among those that wait; changes nothing. Raises ValueError if none waits."""
        return min(waiting, key=self.start)

    def serve(self, key: K, weight: int, cost: int = 1) -> None:
        """Charge ``key`` for ``cost`` at ``weight``."""
        self._now = self.start(key)
        self._ends[key] = self._now + cost * _UNIT // weight


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is; ``aged`` if it is because of its age."""

    family: str
    cls: Class
    aged: bool = False


class Wheel:
    """Picks the next family and class by what is in force; other weights and shares act on the very next pick.

    >>> wheel = Wheel()
    >>> wheel.next({"orders": {"normal": 0.0, "high": 0.0}})
    Turn(family='orders', cls='high', aged=False)
    """

    def __init__(self) -> None:
        self._weights: Mapping[str, Weights] = {}
        self._shares: Mapping[str, Mapping[str, int]] = {}
        self._lanes: Turns[str] = Turns()
        self._families: dict[str, Turns[str]] = {}
        self._classes: dict[str, Turns[Class]] = {}
        self._aged: dict[str, bool] = {}

    def set(self, weights: Mapping[str, Weights], shares: Mapping[str, Mapping[str, int]] | None = None) -> None:
        """Put other weights and shares of lanes in force; what is not named has the default ones."""
        shares = shares or {}
        # What was served under the old ones is no debt under the new.
        for family in [f for f in self._classes if _differ(self._weights, weights, names.lane_of(f))]:
            del self._classes[family]
        for lane in [lane for lane in self._families if _differ(self._shares, shares, lane)]:
            del self._families[lane]
        self._weights, self._shares = dict(weights), {lane: dict(by_domain) for lane, by_domain in shares.items()}

    def next(self, waiting: Waiting, busy: Mapping[str, int] = _NOBODY) -> Turn | None:
        """The queue to serve among those with something waiting, None if nothing waits; charges nobody.

        ``busy`` counts what each lane has running: the lane with the least is next, so that one whose target hangs cannot
        take the places of the others.
        """
        lanes = {names.lane_of(family): None for family, classes in waiting.items() if classes}
        if not lanes:
            return None
        lane = min(lanes, key=lambda one: (busy.get(one, 0), self._lanes.start(one)))
        turns = self._families.get(lane) or Turns[str]()
        family = turns.next(family for family, classes in waiting.items() if classes and names.lane_of(family) == lane)
        return self._turn(lane, family, waiting[family])

    def portion(self, turn: Turn, waiting: Waiting) -> float:
        """The part of a full service that keeps the turns of all that waits in its lane fine: its share and weight over the
        greatest there, 1 for whoever is first or alone.
        """
        lane, weights = names.lane_of(turn.family), self._of(names.lane_of(turn.family))
        families = [family for family, classes in waiting.items() if classes and names.lane_of(family) == lane]
        shares = self._share(lane, turn.family) / max(self._share(lane, family) for family in families)
        return shares * weights.of(turn.cls) / max(weights.of(cls) for cls in waiting[turn.family])

    def serve(self, turn: Turn, cost: int = 1) -> None:
        """Charge the queue that was served, ``cost`` calls to its domain and its class."""
        lane, family = names.lane_of(turn.family), turn.family
        self._lanes.serve(lane, 1)
        self._families.setdefault(lane, Turns()).serve(family, self._share(lane, family), cost)
        self._classes.setdefault(family, Turns()).serve(turn.cls, self._of(lane).of(turn.cls), cost)
        self._aged[family] = turn.aged

    def _turn(self, lane: str, family: str, ages: Mapping[Class, float]) -> Turn:
        weights = self._of(lane)
        classes = [cls for cls in CLASSES if cls in ages]
        aged = [cls for cls in classes if ages[cls] >= weights.aged_after_s]
        if aged and not self._aged.get(family, False):
            return Turn(family, max(aged, key=lambda cls: ages[cls]), aged=True)
        if weights.strict:
            return Turn(family, classes[0])
        turns = self._classes.get(family) or Turns[Class]()
        return Turn(family, turns.next(classes))

    def _share(self, lane: str, family: str) -> int:
        return self._shares.get(lane, _NOBODY).get(names.domain_of(family), 1)

    def _of(self, lane: str) -> Weights:
        return self._weights.get(lane, _DEFAULT)


def _differ(before: Mapping[str, object], after: Mapping[str, object], lane: str) -> bool:
    return before.get(lane) != after.get(lane)


_DEFAULT = Weights()
