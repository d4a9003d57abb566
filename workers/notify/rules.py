"""Runs the few alerts that need no Prometheus (rules.toml): bounds on the figures that the relay shows to it, by the same names.

Each has its twin in deploy/prometheus/rules; a test compares severity, time, runbook and bound.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from telemetry.gauges import Reading

PAGE, TICKET = "page", "ticket"
RULES_FILE = Path(__file__).with_name("rules.toml")


class Rule(BaseModel):
    """An alert where a figure is above ``above`` for ``for_s`` seconds; ``where`` are labels it must have. ``bound`` names
    the key of `[service_levels]` that takes the place of ``above``. ``says`` is filled with the labels and the value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    severity: Literal["page", "ticket"]
    metric: str
    above: float
    for_s: float
    runbook: str
    says: str
    where: dict[str, str] = {}
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One alert as it is seen now."""

    name: str
    severity: str
    labels: Mapping[str, str]
    summary: str
    runbook: str
    for_s: float

    @property
    def fingerprint(self) -> str:
        """The same for the same alert, whoever says it."""
        return fingerprint_of(self.name, self.labels)


LEDGER_AWAY = Sighting(
    "MillraceLedgerAway",
    PAGE,
    {},
    "the ledger has not answered for a minute: nothing is accepted",
    "docs/runbooks/replay-after-outage.md",
    60,
)
"""Seen by the notifier itself, for no figure can be read then."""


@cache
def load_rules() -> tuple[Rule, ...]:
    """The rules of the file beside this one."""
    table = tomllib.loads(RULES_FILE.read_text(encoding="utf-8"))
    return tuple(Rule.model_validate(row) for row in table["rules"])


def sightings(readings: Iterable[Reading], bounds: Mapping[str, float]) -> list[Sighting]:
    """What is wrong by the figures of this moment. ``bounds``: values of `[service_levels]` by their keys."""
    by_metric: dict[str, list[Reading]] = {}
    for reading in readings:
        by_metric.setdefault(reading.metric, []).append(reading)
    return [
        _sighted(rule, reading)
        for rule in load_rules()
        for reading in by_metric.get(rule.metric, ())
        if reading.value > bounds.get(rule.bound, rule.above)
        and all(reading.labels.get(label) == value for label, value in rule.where.items())
    ]


def fingerprint_of(name: str, labels: Mapping[str, str]) -> str:
    """A name and its labels as 16 hexadecimal digits."""
    return hashlib.blake2b(json.dumps([name, sorted(labels.items())]).encode(), digest_size=8).hexdigest()


def _sighted(rule: Rule, reading: Reading) -> Sighting:
    labels = {name: value for name, value in reading.labels.items() if name not in rule.where}
    said = rule.says.format_map({"why": reading.why, **reading.labels, "value": reading.value})
    return Sighting(rule.name, rule.severity, labels, said, rule.runbook, rule.for_s)
