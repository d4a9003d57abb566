"""Runs the making of arrivals from a named curve: how many a second over time, and of what; the same for the same seed."""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from config.nearest import ConfigError, hint
from routing.names import Class
from workers.rehearse.arrivals import Arrival

_DAY_BY_HOUR = (
    0.9, 0.7, 0.4, 0.3, 0.25, 0.3, 0.5, 0.8, 1.1, 1.3, 1.3, 1.3, 1.2, 1.2, 1.1, 1.1, 1.1, 1.2, 1.3, 1.5, 1.8, 2.0, 1.6, 1.2,
)  # fmt: skip
"""Orders of each hour of a trading day in means of it: a lull at night, a shoulder at noon, the peak in the evening."""

DEFAULT_SHAPES: Mapping[str, float] = {"express": 0.15, "return": 0.05}
"""Parts of the arrivals: orders with an express method, and returns; the rest are standard orders."""


@dataclass(frozen=True, slots=True)
class Curve:
    """``rate_per_s`` is the normal rate, ``multiplier`` how many times that the peak is, ``lasts_s`` how long it goes on."""

    name: str
    rate_per_s: float
    multiplier: float
    lasts_s: float

    def __post_init__(self) -> None:
        if self.name not in CURVES:
            raise ConfigError(f"no curve {self.name!r}; {hint(self.name, CURVES)}")
        for what in ("rate_per_s", "multiplier", "lasts_s"):
            if not (math.isfinite(getattr(self, what)) and getattr(self, what) > 0):
                raise ConfigError(f"curve {self.name}: {what} is {getattr(self, what)}: give a number above 0")

    def rate(self, part: float) -> float:
        """Arrivals a second at a ``part`` (0 to 1) of its time."""
        return self.rate_per_s * CURVES[self.name](part, self.multiplier)


def _flat(_part: float, multiplier: float) -> float:
    return multiplier


def _ramp(part: float, multiplier: float) -> float:
    return 1 + (multiplier - 1) * part


def _flash_sale(part: float, multiplier: float) -> float:
    """Normal, then the doors open at a tenth of the time: all at once, and away within the rest."""
    return 1.0 if part < 0.1 else 1 + (multiplier - 1) * math.exp(-(part - 0.1) * 5)


def _black_friday_day(part: float, multiplier: float) -> float:
    """A trading day whose evening peak is ``multiplier`` times the normal rate."""
    place = part * len(_DAY_BY_HOUR)
    hour = min(int(place), len(_DAY_BY_HOUR) - 1)
    here, after = _DAY_BY_HOUR[hour], _DAY_BY_HOUR[(hour + 1) % len(_DAY_BY_HOUR)]
    return multiplier * (here + (after - here) * (place - hour)) / max(_DAY_BY_HOUR)


CURVES: Mapping[str, Callable[[float, float], float]] = {
    "flat": _flat,
    "ramp": _ramp,
    "flash-sale": _flash_sale,
    "black-friday-day": _black_friday_day,
}


def arrivals_of(curve: Curve, source: str, seed: int, parts: Mapping[str, float] = DEFAULT_SHAPES) -> list[Arrival]:
    """Arrivals along a curve, as random as customers are (a Poisson process of that rate)."""
    draw = random.Random(seed)  # noqa: S311  it plays customers, it guards nothing
    return [replace(_one_of(draw, parts), at_s=at_s, source=source) for at_s in _moments(curve, draw)]


def _moments(curve: Curve, draw: random.Random) -> Iterator[float]:
    most = max(curve.rate(step / 1000) for step in range(1001)) * 1.01
    at_s = 0.0
    while True:
        at_s += draw.expovariate(most)
        if at_s >= curve.lasts_s:
            return
        if draw.random() * most < curve.rate(at_s / curve.lasts_s):
            yield at_s


def _one_of(draw: random.Random, parts: Mapping[str, float]) -> Arrival:
    chosen = draw.random()
    value = Decimal(draw.lognormvariate(4.0, 0.7)).quantize(Decimal("0.01"))
    if chosen < parts.get("return", 0.0):
        return Arrival(0.0, "", "return", value=value)
    express = chosen < parts.get("return", 0.0) + parts.get("express", 0.0)
    return Arrival(0.0, "", "order", method="Express" if express else "Standard", value=value)


def of_class(arrivals: list[Arrival], cls: Class) -> list[Arrival]:
    """The same, all of one class whatever the rules say."""
    return [replace(one, cls=cls) for one in arrivals]
