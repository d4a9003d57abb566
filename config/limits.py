"""Sets what a target's account allows: the ``limit`` table of a target in fleet.toml, on its own or upon a preset."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.presets import preset_table


class Table(BaseModel):
    """Base of these tables: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WindowTable(Table):
    """At most ``calls`` requests in any ``span_s`` seconds."""

    calls: int = Field(ge=1)
    span_s: float = Field(gt=0)


class ExecutionTable(Table):
    """At most ``busy_s`` seconds of the target's own work in any ``span_s`` seconds."""

    busy_s: float = Field(ge=0.001)
    span_s: float = Field(gt=0)


class BudgetTable(Table):
    """At most ``calls`` requests a day, which begins at ``resets_at`` (HH:MM) in ``zone``."""

    calls: int = Field(ge=1)
    resets_at: str = Field(default="00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    zone: str = "UTC"


class PointsTable(Table):
    """A bucket of cost points; a request is expected to cost ``per_call``."""

    capacity: int = Field(ge=1)
    restore_per_s: float = Field(gt=0)
    per_call: int = Field(default=1, ge=1)


class LearnTable(Table):
    """How the working limit follows the target's answers."""

    on: bool = True
    floor_per_s: float = Field(default=0.5, gt=0)
    floor_concurrency: int = Field(default=1, ge=1)
    start_per_s: float | None = Field(default=None, gt=0)
    start_concurrency: int | None = Field(default=None, ge=1)
    cooldown_s: float = Field(default=0.25, gt=0)
    slow_ratio: float = Field(default=3.0, ge=0)


class BreakerTable(Table):
    """When the target is asked no more for a while."""

    on: bool = True
    failures: int = Field(default=10, ge=1)
    ratio: float = Field(default=0.5, gt=0, le=1)
    least: int = Field(default=20, ge=1)
    span_s: float = Field(default=10.0, gt=0)
    slow_s: float | None = Field(default=None, gt=0)
    open_s: float = Field(default=2.0, gt=0)
    longest_open_s: float = Field(default=120.0, gt=0)


class OperationTable(Table):
    """What one operation is allowed within the account."""

    rate_per_s: float | None = Field(default=None, gt=0)
    burst: int = Field(default=1, ge=1)
    concurrency: int | None = Field(default=None, ge=1)
    windows: tuple[WindowTable, ...] = ()


class LimitTable(Table):
    """What the target's account allows, in the target's own figures. Absent means not limited.

    ``preset`` names a vendor's documented limits (:mod:`config.presets`); keys given beside it override its own, tables
    in it key by key. ``licences`` counts NetSuite's SuiteCloud Plus licences.
    """

    preset: str | None = None
    licences: int = Field(default=0, ge=0, le=50)
    rate_per_s: float | None = Field(default=None, gt=0)
    burst: int = Field(default=1, ge=1)
    concurrency: int | None = Field(default=None, ge=1)
    safe_share: float = Field(default=0.25, gt=0, le=1)
    windows: tuple[WindowTable, ...] = ()
    execution: tuple[ExecutionTable, ...] = ()
    budgets: tuple[BudgetTable, ...] = ()
    points: PointsTable | None = None
    operations: dict[str, OperationTable] = {}
    learn: LearnTable = LearnTable()
    breaker: BreakerTable = BreakerTable()

    @model_validator(mode="before")
    @classmethod
    def _upon_its_preset(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not isinstance(given.get("preset"), str):
            return given
        licences = given.get("licences", 0)
        table = preset_table(given["preset"], licences if isinstance(licences, int) else 0)
        inner = {key: {**table[key], **given[key]} for key in table if _both_tables(table, given, key)}
        return {**table, **given, **inner}

    @model_validator(mode="after")
    def _licences_mean_something(self) -> "LimitTable":
        if self.licences and not (self.preset or "").startswith("netsuite"):
            raise ValueError("licences counts NetSuite's SuiteCloud Plus licences: give it beside a netsuite preset")
        return self


def merged(table: LimitTable, told: Mapping[str, Any]) -> LimitTable:
    """A limit table with some keys replaced; ``operations`` key by key. Raises ValueError for a wrong one."""
    filed = table.model_dump(by_alias=True, exclude_unset=True)
    own = {key: value for key, value in told.items() if key != "operations"}
    inner = dict(filed.get("operations", {}))
    for name, bounds in told.get("operations", {}).items():
        inner[name] = dict(inner.get(name, {})) | dict(bounds)
    return LimitTable.model_validate(filed | own | ({"operations": inner} if inner else {}))


def _both_tables(table: Mapping[str, Any], given: Mapping[str, Any], key: str) -> bool:
    return isinstance(table[key], Mapping) and isinstance(given.get(key), Mapping)
