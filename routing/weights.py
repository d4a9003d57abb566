"""Decides whose turn it is: weighted deficit round robin over the families and classes that have something waiting."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from routing.names import CLASSES, Class

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Weights:
    """How often each class of a family is served when all have work, and how often the family among families.

    ``strict`` serves a class only while every higher one is empty. ``share`` is the family's own weight against others.
    A class whose head is older than ``aged_after_s`` seconds is served at least every second turn, also where ``strict``.
    Raises ValueError for a weight below 1 or an age of none: every class keeps a floor (pause a family to stop it).

    >>> Weights(high=8, normal=3, low=1).of("high")
    8
    """

    high: int = 8
    normal: int = 3
    low: int = 1
    strict: bool = False
    share: int = 1
    aged_after_s: float = 900.0

    def __post_init__(self) -> None:
        for name in (*CLASSES, "share"):
            if getattr(self, name) < 1:
                raise ValueError(f"weight {name} is {getattr(self, name)}: give at least 1, or pause the family instead")
        if not self.aged_after_s > 0:
            raise ValueError(f"aged_after_s is {self.aged_after_s}: give seconds above 0")

    def of(self, cls: Class) -> int:
        """Weight of one class."""
        return {"high": self.high, "normal": self.normal, "low": self.low}[cls]


class Turns(Generic[K]):
    """Credit of each key: every turn gives all that wait their weight, and takes the sum from the one served.

    Over any stretch in which the same keys wait, each is served in proportion to its weight, evenly spread. A key with
    nothing waiting keeps no credit, so its share is lent out and it cannot come back with a burst.
    """

    def __init__(self) -> None:
        self._credit: dict[K, int] = {}

    def next(self, weights: Mapping[K, int]) -> K:
        """The key to serve among those that wait; changes nothing. Raises ValueError if none waits."""
        return max(weights, key=lambda key: self._credit.get(key, 0) + weights[key])

    def serve(self, key: K, weights: Mapping[K, int]) -> None:
        """Charge ``key`` for one turn among those that wait."""
        self._credit = {other: self._credit.get(other, 0) + weight for other, weight in weights.items()}
        # A weight cut down at run time must not leave an old debt or credit that outlives the change.
        most = sum(weights.values())
        self._credit[key] -= most
        self._credit = {other: max(-most, min(most, credit)) for other, credit in self._credit.items()}


class Wheel:
    """Picks the next (family, class) by the weights in force; setting other weights acts on the very next pick.

    >>> wheel = Wheel()
    >>> wheel.next({"orders": ["normal", "high"]})
    ('orders', 'high')
    """

    def __init__(self) -> None:
        self._weights: Mapping[str, Weights] = {}
        self._families: Turns[str] = Turns()
        self._classes: dict[str, Turns[Class]] = {}

    def set(self, weights: Mapping[str, Weights]) -> None:
        """Put other weights in force; a family that is not named has the default ones."""
        self._weights = dict(weights)

    def next(self, waiting: Mapping[str, Collection[Class]]) -> tuple[str, Class] | None:
        """The queue to serve among those with something waiting, None if nothing waits; charges nobody."""
        shares = self._shares(waiting)
        if not shares:
            return None
        family = self._families.next(shares)
        if self._of(family).strict:
            return family, min(waiting[family], key=CLASSES.index)
        return family, self._turns(family).next(self._class_weights(family, waiting[family]))

    def serve(self, family: str, cls: Class, waiting: Mapping[str, Collection[Class]]) -> None:
        """Charge the queue that was served; ``waiting`` as it was given to :meth:`next`."""
        self._families.serve(family, self._shares(waiting))
        self._turns(family).serve(cls, self._class_weights(family, waiting[family]))

    def _shares(self, waiting: Mapping[str, Collection[Class]]) -> dict[str, int]:
        return {family: self._of(family).share for family, classes in waiting.items() if classes}

    def _class_weights(self, family: str, classes: Collection[Class]) -> dict[Class, int]:
        return {cls: self._of(family).of(cls) for cls in CLASSES if cls in classes}

    def _turns(self, family: str) -> Turns[Class]:
        return self._classes.setdefault(family, Turns())

    def _of(self, family: str) -> Weights:
        return self._weights.get(family, _DEFAULT)


_DEFAULT = Weights()
