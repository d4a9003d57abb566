"""Sets the peak profiles: what is in force for lanes, classes, pools and sourcing while a peak lasts (peaks/*.toml)."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator

from config.fleet import Class, ClassRule, Domain, FamilyWeights, Fleet, Kind, Name, Part, Route, Target
from config.limits import LimitTable, merged
from config.nearest import ConfigError, explain, hint

SHIPPED = Path(__file__).with_name("peaks")
LONGEST_S = 60 * 86_400.0
_CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"

GuardMetric = Literal[
    "oldest_age_s", "waiting", "accepted_per_s", "drain_s", "throttled_part", "breaker_open", "parked", "deferred"
]
"""What a guard looks at: the age in seconds of the oldest that waits; rows that wait; deliveries accepted a second (30 s);
seconds until what waits is done; throttle answers of all answers (0 to 1, 60 s); 1 while a breaker of the lane is not closed;
rows that are parked; rows that wait for quiet hours."""

_BY_CLASS = ("oldest_age_s", "waiting", "parked", "deferred")


class LaneProfile(Part):
    """What a lane goes by: whole weights, shares by domain, and those keys of the limit that are to differ, as in fleet.toml."""

    weights: FamilyWeights | None = None
    shares: Mapping[Domain, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    limit: LimitTable | None = None


class PoolProfile(Part):
    """Size of a pool: ``concurrency`` of each worker is set; ``processes``, how many workers it counts on, is told only."""

    concurrency: int | None = Field(default=None, ge=1, le=1_000)
    processes: int | None = Field(default=None, ge=1, le=1_000)


class DeferRule(Part):
    """Deliveries that match every given condition wait for quiet hours: from ``quiet_from`` to ``quiet_to`` by the
    clock of ``zone``.

    Nothing waits longer than ``at_most_s``, nor twice.
    """

    kinds: tuple[Kind, ...] = ("order", "shipment", "return")
    sources: tuple[str, ...] = ("*",)
    classes: tuple[Class, ...] = ("high", "normal", "low")
    targets: tuple[str, ...] = ("*",)
    quiet_from: str = Field(pattern=_CLOCK)
    quiet_to: str = Field(pattern=_CLOCK)
    zone: str = "UTC"
    at_most_s: float = Field(default=86_400.0, gt=0, le=7 * 86_400.0)

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone {zone!r}: give a name like 'Europe/Berlin'") from None
        return zone

    @model_validator(mode="after")
    def _hours_differ(self) -> "DeferRule":
        if self.quiet_from == self.quiet_to:
            raise ValueError("quiet_from and quiet_to are the same time: quiet hours need a length")
        return self

    @property
    def hours(self) -> tuple[time, time]:
        """Begin and end of the quiet hours by the local clock."""
        return time.fromisoformat(self.quiet_from), time.fromisoformat(self.quiet_to)


class Guard(Part):
    """The profile is taken back if ``metric`` is ``above`` or ``below`` a figure for ``for_s`` seconds.

    ``lane`` and ``class`` narrow it: without a lane the worst of all lanes counts. It is looked at ``grace_s`` after the profile
    came into force.
    """

    metric: GuardMetric
    lane: str | None = None
    cls: Class | None = Field(default=None, alias="class")
    above: float | None = None
    below: float | None = None
    for_s: float = Field(default=60.0, ge=0, le=86_400.0)
    grace_s: float = Field(default=0.0, ge=0, le=86_400.0)

    @field_validator("metric", mode="before")
    @classmethod
    def _metric_exists(cls, metric: object) -> object:
        known = get_args(GuardMetric)
        if metric not in known:
            raise ValueError(f"no metric {metric!r}; {hint(str(metric), known)}")
        return metric

    @model_validator(mode="after")
    def _one_side(self) -> "Guard":
        if (self.above is None) == (self.below is None):
            raise ValueError("give one of above and below")
        if self.cls is not None and self.metric not in _BY_CLASS:
            raise ValueError(f"{self.metric} is not told by class; by class are told: {', '.join(_BY_CLASS)}")
        return self


class PeakProfile(Part):
    """One profile. What it does not name stays as the fleet file has it; what an operator set for a lane stands above it.

    ``classes`` are looked at before the fleet's rules. An order that one of the ``sourcing`` routes fits goes by these routes
    only, every other one by the fleet's; what belongs to an order goes where the order went. ``lasts_s`` after it came into
    force it ends by itself.
    """

    name: Name
    summary: str = Field(min_length=1, max_length=200)
    lanes: Mapping[str, LaneProfile] = Field(default_factory=dict)
    classes: tuple[ClassRule, ...] = ()
    pools: Mapping[Name, PoolProfile] = Field(default_factory=dict)
    defer: tuple[DeferRule, ...] = ()
    sourcing: tuple[Route, ...] = ()
    guards: tuple[Guard, ...] = ()
    lasts_s: float | None = Field(default=None, gt=0, le=LONGEST_S)

    def fits(self, fleet: Fleet) -> None:
        """Raises ConfigError if it names a lane, pool, target or source that the fleet does not have."""
        wrong = [
            f"peak profile {self.name}: {where}: {what} {name!r} is not in the fleet file; {hint(name, known)}"
            for where, what, name, known in self._names(fleet)
            if not _known(name, known)
        ]
        wrong += [
            f"peak profile {self.name}: lanes.{lane}: it posts to no target: only its weights can be set"
            for lane, told in self.lanes.items()
            if not lane.startswith("deliver.") and (told.shares or told.limit)
        ]
        if wrong:
            raise ConfigError("\n".join(wrong))

    def over(self, fleet: Fleet) -> Fleet:
        """The fleet file with the profile's lanes and classes over it; a lane that it has no more is passed over.

        Raises ValueError for a limit that no longer fits the fleet file's.
        """
        weights = {lane: told.weights for lane, told in self.lanes.items() if told.weights and lane in fleet.families}
        targets = {name: self._target_over(name, target) for name, target in fleet.targets.items()}
        classes = (*self.classes, *fleet.classes)
        return fleet.model_copy(update={"weights": {**fleet.weights, **weights}, "targets": targets, "classes": classes})

    def _target_over(self, name: str, target: Target) -> Target:
        told = self.lanes.get(f"deliver.{name}")
        if told is None:
            return target
        own = told.limit.model_dump(by_alias=True, exclude_unset=True) if told.limit else {}
        return target.model_copy(
            update={"shares": {**target.shares, **told.shares}, "limit": merged(target.limit, own) if own else target.limit}
        )

    def kept(self) -> dict[str, Any]:
        """It as JSON holds it, only what was given: what the ledger keeps of it."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def _names(self, fleet: Fleet) -> Iterator[tuple[str, str, str, Iterable[str]]]:
        yield from ((f"lanes.{lane}", "lane", lane, fleet.families) for lane in self.lanes)
        yield from ((f"pools.{pool}", "pool", pool, fleet.pools) for pool in self.pools)
        yield from (("sourcing", "target", route.target, fleet.targets) for route in self.sourcing)
        yield from (("guards", "lane", guard.lane, fleet.families) for guard in self.guards if guard.lane)
        for where, rules in (("classes", self.classes), ("defer", self.defer), ("sourcing", self.sourcing)):
            yield from ((where, "source", source, fleet.sources) for rule in rules for source in rule.sources)
        yield from (("defer", "target", target, fleet.targets) for rule in self.defer for target in rule.targets)


def load_profiles(folder: Path) -> dict[str, PeakProfile]:
    """Every profile of a folder by its name, its file's. Raises ConfigError naming file, key and the nearest right one."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; set MILLRACE_PEAKS_FOLDER or take it away for the shipped profiles")
    return {path.stem: load_profile(path) for path in sorted(folder.glob("*.toml"))}


def load_profile(path: Path) -> PeakProfile:
    """Read and check one file. Raises ConfigError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from None
    if "name" in table:
        raise ConfigError(f"{path}: name: leave it out: a profile is called after its file, {path.stem!r}")
    return read_profile({"name": path.stem, **table}, str(path))


def read_profile(told: Mapping[str, Any], where: str) -> PeakProfile:
    """The profile that a table holds; ``where`` is named in errors. Raises ConfigError."""
    try:
        return PeakProfile.model_validate(told)
    except ValidationError as error:
        raise ConfigError(explain(error, PeakProfile, where)) from None


def _known(name: str, known: Iterable[str]) -> bool:
    return "*" in name or name in known
