"""Runs the times that work takes in a rehearsal: given in a file, or measured, and drawn anew for each piece of work."""

import math
import random
import tomllib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from config.fleet import Part
from config.nearest import ConfigError, explain

_P95 = 1.6449
"""The 95th part of a hundred of a standard normal distribution."""

Positive = Annotated[float, Field(gt=0)]


class Spread(Part):
    """A time in milliseconds. Log-normal between ``median`` and ``p95``; one of ``samples`` where they are given."""

    median: float = Field(default=0.0, ge=0)
    p95: float | None = Field(default=None, ge=0)
    samples: tuple[Annotated[float, Field(ge=0)], ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> "Spread":
        if self.p95 is not None and self.p95 < self.median:
            raise ValueError("p95 is below the median")
        return self

    def draw_s(self, random_: random.Random) -> float:
        """A time in seconds."""
        if self.samples:
            return random_.choice(self.samples) / 1000
        return self.median * math.exp(self._wide * random_.gauss(0.0, 1.0)) / 1000 if self._wide else self.median / 1000

    @cached_property
    def mean_s(self) -> float:
        """Its mean in seconds."""
        if self.samples:
            return sum(self.samples) / len(self.samples) / 1000
        return self.median * math.exp(self._wide**2 / 2) / 1000

    @cached_property
    def _wide(self) -> float:
        return math.log(self.p95 / self.median) / _P95 if self.p95 and self.median else 0.0


class TargetService(Part):
    """One target. ``call_ms`` of each request; ``part_ms`` of claiming and settling a part; ``cpu_ms`` of a delivery, which a
    worker does one after another; ``failing``: the part of requests that fail; ``own_rate_per_s``: what the target really takes,
    where that is less than its limit says.
    """

    call_ms: Spread = Spread(median=200, p95=600)
    part_ms: Spread = Spread(median=10)
    cpu_ms: float = Field(default=3.0, ge=0)
    failing: float = Field(default=0.0, ge=0, lt=1)
    own_rate_per_s: Positive | None = None


class PrepareService(Part):
    """Preparing: ``row_ms`` of each event, on a process of its own, and ``part_ms`` of each part."""

    row_ms: Spread = Spread(median=4)
    part_ms: Spread = Spread(median=15)


class Service(Part):
    """Times of everything; a target that is not named takes the default ones."""

    prepare: PrepareService = PrepareService()
    targets: Mapping[str, TargetService] = Field(default_factory=dict)

    def of(self, target: str) -> TargetService:
        """Times of one target."""
        return self.targets.get(target, _USUAL)

    def told(self, targets: Sequence[str]) -> dict[str, dict[str, float]]:
        """The means, in milliseconds, for people."""
        return {
            name: {
                "call_ms": round(self.of(name).call_ms.mean_s * 1000, 1),
                "part_ms": round(self.of(name).part_ms.mean_s * 1000, 1),
                "cpu_ms": self.of(name).cpu_ms,
                "failing": self.of(name).failing,
            }
            for name in targets
        }


_USUAL = TargetService()


def load_service(path: Path) -> Service:
    """Read a file of times. Raises ConfigError naming the file, the key and the nearest right one."""
    try:
        return Service.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from None
    except ValidationError as error:
        raise ConfigError(explain(error, Service, str(path))) from None
