"""Runs the few alerts that need no Prometheus: bounds on the very figures that the relay shows to it, under the same names.

Each has its twin in deploy/prometheus/rules; a test compares severity, time, runbook and bound.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from telemetry.gauges import Reading

PAGE, TICKET = "page", "ticket"
RUNBOOKS = "docs/runbooks"


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert where a figure is above ``above`` for ``for_s`` seconds; ``where`` are labels it must have. ``bound`` names
    the key of `[service_levels]` that takes the place of ``above``. ``says`` is filled with the labels and the value.
    """

    name: str
    severity: str
    metric: str
    above: float
    for_s: float
    runbook: str
    says: str
    where: Mapping[str, str] = field(default_factory=dict)
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


def _runbook(name: str) -> str:
    return f"{RUNBOOKS}/{name}.md"


RULES: tuple[Rule, ...] = (
    Rule("MillraceServiceLevelBurning", PAGE, "millrace_service_level_burn", 1, 0, _runbook("queue-backlog"),
         "{flow}: promises are missed so fast that the budget is spent within days", {"pace": "fast"}),
    Rule("MillraceServiceLevelSlowlyBurning", TICKET, "millrace_service_level_burn", 1, 0, _runbook("queue-backlog"),
         "{flow}: more promises were missed in three days than the objective allows", {"pace": "slow"}),
    Rule("MillraceUrgentBacklogOld", PAGE, "millrace_backlog_oldest_age_seconds", 300, 120, _runbook("queue-backlog"),
         "{family}, class high: the oldest has waited {value:.0f} s", {"class": "high"}, "urgent_backlog_s"),
    Rule("MillraceBacklogOld", TICKET, "millrace_backlog_oldest_age_seconds", 7_200, 300, _runbook("queue-backlog"),
         "{family}, class {class}, {state}: the oldest has waited {value:.0f} s", {}, "longest_backlog_s"),
    Rule("MillraceLanePaused", TICKET, "millrace_lane_held_by_hand", 0, 1_800, _runbook("queue-backlog"),
         "{family} has been paused by hand for half an hour: {why}"),
    Rule("MillraceBreakerOpen", PAGE, "millrace_lane_breaker_state", 1, 600, _runbook("failover-routing"),
         "{target}, {operation}: the breaker has been open for ten minutes"),
    Rule("MillraceTargetThrottles", TICKET, "millrace_lane_throttled_share", 0.2, 600, _runbook("api-throttling"),
         "{target} refuses {value:.0%} of the requests for its limits"),
    Rule("MillraceLimiterOnFallback", TICKET, "millrace_limiter_unshared", 0, 60, _runbook("api-throttling"),
         "the shared limiter is out of reach: workers keep to their safe shares"),
    Rule("MillraceDeadLetters", TICKET, "millrace_dead_letters_recent", 0, 0, _runbook("poison-flood"),
         "{value:.0f} messages were dead-lettered within an hour"),
    Rule("MillracePoisonFlood", PAGE, "millrace_poison_recent", 4, 0, _runbook("poison-flood"),
         "{value:.0f} rows were parked as poison within ten minutes"),
    Rule("MillraceUncertainOutcomes", TICKET, "millrace_uncertain_oldest_age_seconds", 900, 0, _runbook("order-recovery"),
         "{target}: an effect has been in doubt for {value:.0f} s"),
    Rule("MillraceExceptionsOverdue", TICKET, "millrace_exceptions_overdue", 0, 300, _runbook("order-recovery"),
         "{owner}: {value:.0f} exceptions are past their due time"),
    Rule("MillraceOutboxUnsent", PAGE, "millrace_outbox_oldest_age_seconds", 60, 120, _runbook("broker-alarm"),
         "rows have waited {value:.0f} s for the broker to take their message"),
    Rule("MillraceBrokerAlarm", PAGE, "millrace_broker_alarm", 0, 60, _runbook("broker-alarm"),
         "the broker takes no messages: {why}"),
    Rule("MillraceAuditChainBroken", PAGE, "millrace_audit_chain_broken", 0, 0, "docs/alerts.md",
         "the chain of operators' deeds does not verify"),
)  # fmt: skip
LEDGER_AWAY = Sighting(
    "MillraceLedgerAway",
    PAGE,
    {},
    "the ledger has not answered for a minute: nothing is accepted",
    _runbook("replay-after-outage"),
    60,
)
"""Seen by the notifier itself, for no figure can be read then."""


def sightings(readings: Iterable[Reading], bounds: Mapping[str, float]) -> list[Sighting]:
    """What is wrong by the figures of this moment. ``bounds``: values of `[service_levels]` by their keys."""
    by_metric: dict[str, list[Reading]] = {}
    for reading in readings:
        by_metric.setdefault(reading.metric, []).append(reading)
    return [
        _sighted(rule, reading)
        for rule in RULES
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
