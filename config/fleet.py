"""Sets what the fleet connects: channels, targets with their limits, routes, classes and worker pools (fleet.toml)."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.limits import LimitTable
from config.nearest import ConfigError, explain, hint

Class = Literal["high", "normal", "low"]
Kind = Literal["order", "shipment", "return", "stock", "reservation"]
Domain = Literal["orders", "shipments", "returns", "stock"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
"""Name of a source, target or pool: lower case, digits and ``-``; it becomes part of queue names and of keys at targets."""


class Part(BaseModel):
    """Base of every table of fleet.toml: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Part):
    """A sender: ``POST /in/<name>``. ``secrets`` names keys of the settings, newest first; several while rotating."""

    channel: Name
    secrets: tuple[str, ...] = Field(min_length=1)
    max_body_bytes: int = Field(default=1_048_576, ge=1_024, le=104_857_600)
    read_time_s: float = Field(default=10.0, gt=0, le=300)
    cls: Class = Field(default="normal", alias="class")
    topic_classes: dict[str, Class] = {}
    witness_for: tuple[Name, ...] = Field(default=(), description="other sources of whose orders it may tell milestones")
    confirms_within_s: float | None = Field(
        default=None, gt=0, le=2_592_000, description="a warehouse confirms every order of it, this long after the ERP took it"
    )
    speaks_for: str | None = Field(default=None, description="the target whose stock this sender counts")
    reserves_within_s: float | None = Field(
        default=None, gt=0, le=86_400, description="the sender reserves stock for every order, within this time of telling it"
    )
    settles: Name | None = Field(default=None, description="the source whose orders its payouts are for; absent: its own")
    settlement_tolerance: Decimal = Field(default=Decimal(0), ge=0, description="by how much payouts for an order may differ")


class Target(Part):
    """An outside account documents are posted to. ``options`` belong to the adapter, which checks them at boot."""

    adapter: Name
    url: str
    sandbox: bool = Field(default=False, description="`millrace up` starts the sandbox ERP in its place")
    secret: str | None = None
    limit: LimitTable = LimitTable()
    max_execution_s: float = Field(default=900.0, gt=0, description="longest time a lost request may still take effect")
    answer_timeout_s: float = Field(default=30.0, gt=0, description="longest wait for the answer to one request")
    posting_time_s: float = Field(default=60.0, gt=0, description="longest time the requests of one posting may take")
    max_attempts: int = Field(default=12, ge=1, le=100)
    bundle: int = Field(default=100, ge=1, le=100, description="most deliveries one part of a message holds")
    shares: dict[Domain, Annotated[int, Field(ge=1)]] = Field(default={}, description="the lane's parts by domain")
    options: dict[str, str | int | float | bool] = {}


class Route(Part):
    """Documents of these sources and kinds go to this target; the first match of a target wins.

    Stock positions and reservations go only where a route names them: few ERPs take them.
    """

    target: Name
    sources: tuple[str, ...] = ("*",)
    kinds: tuple[Kind, ...] = ("order", "shipment", "return")
    test_orders: bool = Field(default=False, description="whether the channel's test orders go there too")


class ClassRule(Part):
    """Orders that match every given condition get ``class``; the first matching rule wins.

    ``sources`` and ``channels`` may hold ``*``. ``channels`` are the sales channels that the sender names (``web``, ``pos``), not
    the fleet's sources. A condition on what an order does not tell is not met.
    """

    cls: Class = Field(alias="class")
    sources: tuple[str, ...] = ("*",)
    kinds: tuple[Kind, ...] = get_args(Kind)
    shipping_methods: tuple[str, ...] = Field(default=(), description="words looked for in the shipping method")
    total_at_least: float | None = Field(default=None, ge=0)
    channels: tuple[str, ...] = Field(default=(), description="the order's sales channel, as its sender names it")
    customer_tiers: tuple[str, ...] = Field(default=(), description="the customer's tier, as its sender names it")
    promise_within_h: float | None = Field(default=None, gt=0, description="hours left until the promised date, or less")


class Pool(Part):
    """A kind of worker process: which families it serves with which Celery pool."""

    families: tuple[str, ...] = Field(min_length=1)
    kind: Literal["prefork", "threads"]
    concurrency: int = Field(default=4, ge=1, le=1_000)
    processes: int = Field(default=1, ge=1, le=100, description="workers `millrace up` starts")


class FamilyWeights(Part):
    """How a family serves its classes: in proportion, or strictly the higher one first."""

    high: int = Field(default=16, ge=1)
    normal: int = Field(default=4, ge=1)
    low: int = Field(default=1, ge=1)
    strict: bool = False
    aged_after_s: float = Field(default=900.0, gt=0, description="age from which a class is served every second turn")


class Waits(Part):
    """How long things may wait before a person is told."""

    early_s: float = Field(default=86_400.0, gt=0, description="a shipment or return waiting for its order")
    first_retry_s: float = Field(default=2.0, gt=0)
    longest_retry_s: float = Field(default=3_600.0, gt=0)


class ServiceLevels(Part):
    """What is promised, from an event's acceptance to the target's answer, and how often it must be kept."""

    order_creation_s: float = Field(default=900.0, gt=0)
    shipment_confirmation_s: float = Field(default=1_800.0, gt=0)
    stock_publication_s: float = Field(default=300.0, gt=0)
    refund_posting_s: float = Field(default=14_400.0, gt=0)
    return_receipt_s: float = Field(default=1_209_600.0, gt=0, description="from a return's posting until its goods are there")
    objective: float = Field(default=0.99, gt=0, lt=1, description="part of all that must be kept")
    urgent_backlog_s: float = Field(default=300.0, gt=0, description="age of waiting class high that calls a person")
    longest_backlog_s: float = Field(default=7_200.0, gt=0, description="age of anything waiting that calls a person")


FailureClassName = Literal["malformed", "rejected", "exhausted", "poison", "defect", "orphan"]
Pattern = Annotated[str, Field(pattern=r"^([^*]+\*?|\*)$")]
"""A word, or the beginning of one followed by ``*``."""


class DeskRule(Part):
    """Failures that match every given condition belong to ``owner`` and are due after ``due_s``; the first match wins."""

    owner: str = Field(min_length=1, max_length=80)
    due_s: float | None = Field(default=None, gt=0, description="how long its owner has; absent: no due time")
    cls: FailureClassName | None = Field(default=None, alias="class")
    code: Pattern = "*"
    target: Pattern = "*"
    source: Pattern = "*"


class Fleet(Part):
    """The whole of fleet.toml."""

    sources: dict[Name, Source]
    targets: dict[Name, Target]
    routes: tuple[Route, ...]
    classes: tuple[ClassRule, ...] = ()
    pools: dict[Name, Pool]
    weights: dict[str, FamilyWeights] = {}
    waits: Waits = Waits()
    service_levels: ServiceLevels = ServiceLevels()
    desk: tuple[DeskRule, ...] = ()

    @model_validator(mode="after")
    def _names_meet(self) -> "Fleet":
        for route in self.routes:
            if route.target not in self.targets:
                raise ValueError(f"routes: target {route.target!r} is not configured; {hint(route.target, self.targets)}")
        self._stock_is_served()
        self._witnesses_know_their_sources()
        self._counters_are_told()
        for pool_name, pool in self.pools.items():
            for family in pool.families:
                if family not in self.families:
                    raise ValueError(f"pools.{pool_name}: family {family!r} does not exist; {hint(family, self.families)}")
        for family in self.weights:
            if family not in self.families:
                raise ValueError(f"weights: family {family!r} does not exist; {hint(family, self.families)}")
        return self

    def _witnesses_know_their_sources(self) -> None:
        for name, source in self.sources.items():
            for other in source.witness_for:
                if other not in self.sources:
                    raise ValueError(f"sources.{name}: witness_for {other!r} is not configured; {hint(other, self.sources)}")
            if source.settles is not None and source.settles not in self.sources:
                known = hint(source.settles, self.sources)
                raise ValueError(f"sources.{name}: settles {source.settles!r} is not configured; {known}")

    def _stock_is_served(self) -> None:
        served = {family for pool in self.pools.values() for family in pool.families}
        for route in self.routes:
            if {"stock", "reservation"} & set(route.kinds) and "stock" not in served:
                raise ValueError(f"routes: stock goes to {route.target!r}, and no pool serves the family 'stock'")

    def _counters_are_told(self) -> None:
        """Who speaks for a target can only be compared where something is published to it, and what it says is read."""
        for name, source in self.sources.items():
            target = source.speaks_for
            if target is None:
                continue
            if target not in self.targets:
                raise ValueError(f"sources.{name}: speaks_for {target!r} is not configured; {hint(target, self.targets)}")
            if not any(route.target == target and "stock" in route.kinds for route in self.routes):
                raise ValueError(f"sources.{name}: speaks_for {target!r}, and no route publishes stock to it")

    @model_validator(mode="after")
    def _desk_names_meet(self) -> "Fleet":
        for rule in self.desk:
            for word, known, what in ((rule.target, self.targets, "target"), (rule.source, self.sources, "source")):
                if not word.endswith("*") and word not in known:
                    raise ValueError(f"desk: {what} {word!r} is not configured; {hint(word, known)}")
        return self

    @property
    def families(self) -> tuple[str, ...]:
        """Every family of work queues: the domains, then one lane a target."""
        return (*get_args(Domain), *(f"deliver.{name}" for name in self.targets))


def load_fleet(path: Path) -> Fleet:
    """Read and check a fleet file. Raises ConfigError naming the file, the key and the nearest right one."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; set MILLRACE_FLEET_FILE or copy config/fleet.toml") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    try:
        return Fleet.model_validate(table)
    except ValidationError as error:
        raise ConfigError(explain(error, Fleet, str(path))) from None
