"""Runs the reading of arrivals from a table: one event a row, with what classes and routes look at."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import get_args

from config.fleet import Kind
from config.nearest import ConfigError, hint
from routing.names import CLASSES, Class

COLUMNS = (
    "time", "channel", "kind", "class", "method", "value", "order", "topic", "tier", "sales_channel", "promised_in_h",
)  # fmt: skip
NEEDED = ("time", "channel")
_A_DATE_S = 1e8
"""Seconds from this on are a date: no rehearsal begins three years late."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event ``at_s`` seconds after the rehearsal begins. ``cls`` None: the rules say it. ``order``: the key of the order it
    belongs to, empty for one of its own. ``promised_in_s``: the time left until the customer's promised date.
    """

    at_s: float
    source: str
    kind: Kind = "order"
    cls: Class | None = None
    method: str = ""
    value: Decimal = Decimal(0)
    order: str = ""
    topic: str = ""
    tier: str = ""
    sales_channel: str = ""
    promised_in_s: float | None = None


def read_arrivals(path: Path, sources: Iterable[str]) -> tuple[list[Arrival], float | None]:
    """The rows of a CSV file by time, and when they begin (epoch seconds). ``time`` is seconds from the start, which is then
    None, or a date with time. Raises ConfigError that names file, line and what is wrong; OSError.
    """
    known = list(sources)
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        given = rows.fieldnames or []
        for name in given:
            if name not in COLUMNS:
                raise ConfigError(f"{path}: no column {name!r}; {hint(name, COLUMNS)}")
        if missing := [name for name in NEEDED if name not in given]:
            raise ConfigError(f"{path}: the column {missing[0]} is missing; needed are {', '.join(NEEDED)}")
        try:
            read = [_arrival(row, known) for row in rows]
        except ValueError as error:
            raise ConfigError(f"{path}: line {rows.line_num}: {error}") from None
    if not read:
        raise ConfigError(f"{path}: no arrivals in it")
    earliest = min(at for at, _ in read)
    first = earliest if earliest > _A_DATE_S else None
    moved = (replace(arrival, at_s=at - (first or 0.0)) for at, arrival in read)
    return sorted(moved, key=lambda one: one.at_s), first


def write_arrivals(path: Path, arrivals: Iterable[Arrival]) -> None:
    """Write a file that `read_arrivals` reads as the same."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for one in arrivals:
            promised = "" if one.promised_in_s is None else f"{one.promised_in_s / 3600:.6g}"
            told = (one.method, one.value or "", one.order, one.topic, one.tier, one.sales_channel, promised)
            table.writerow((f"{one.at_s:.4f}", one.source, one.kind, one.cls or "", *told))


def _arrival(row: dict[str, str], sources: list[str]) -> tuple[float, Arrival]:
    told = {name: (value or "").strip() for name, value in row.items() if name}
    source, kind, cls = told["channel"], told.get("kind") or "order", told.get("class") or None
    if source not in sources:
        raise ValueError(f"channel {source!r} is no source of the fleet file; {hint(source, sources)}")
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r}: write {', '.join(KINDS)}")
    if cls is not None and cls not in CLASSES:
        raise ValueError(f"class {cls!r}: write {', '.join(CLASSES)}, or nothing for what the rules say")
    return _moment(told["time"]), Arrival(
        at_s=0.0,
        source=source,
        kind=kind,
        cls=cls,
        method=told.get("method", ""),
        value=_money(told.get("value", "")),
        order=told.get("order", ""),
        topic=told.get("topic", ""),
        tier=told.get("tier", ""),
        sales_channel=told.get("sales_channel", ""),
        promised_in_s=float(told["promised_in_h"]) * 3600 if told.get("promised_in_h") else None,
    )


def _moment(text: str) -> float:
    try:
        at_s = float(text)
    except ValueError:
        read = datetime.fromisoformat(text)
        if read.tzinfo is None:
            raise ValueError(f"time {text!r} has no zone: write 2026-11-27T08:00:00Z, or seconds from the start") from None
        return read.timestamp()
    if not 0 <= at_s < 1e12:
        raise ValueError(f"time {text!r}: give seconds from 0 on")
    return at_s


def _money(text: str) -> Decimal:
    try:
        value = Decimal(text or 0)
    except InvalidOperation:
        raise ValueError(f"value {text!r} is no amount: write 49.90") from None
    if not value.is_finite() or value < 0:
        raise ValueError(f"value {text!r} is no amount: write 49.90")
    return value
