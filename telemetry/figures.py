"""Names the figures that the relay reads from the ledger, in the words of the business; nothing else of it is shown.

``wanted`` is what docs/metrics.md says of the requirement a figure answers.
"""

from collections.abc import Mapping

from telemetry.gauges import Figure

READABLE = "millrace_figures_readable"

FIGURES: Mapping[str, Figure] = {
    # Service levels: what was promised and how it was kept.
    "millrace_service_judged_total": Figure(
        "Orders, shipments and refunds judged when their promised time was over: kept, late or parked", ("flow", "result"),
        wanted="service levels by flow; shipment confirmation success", total=True,
    ),
    "millrace_service_level_objective": Figure(
        "Part of a flow that must be kept", ("flow",), "ratio", "service levels",
    ),
    "millrace_service_level_burn": Figure(
        "How fast the budget of misses burns: above 1 a person is called (fast) or told (slow)", ("flow", "pace"), "ratio",
        "service levels",
    ),
    # What stands in the way.
    "millrace_outbox_rows": Figure("Rows whose message the broker has not confirmed", ("stage",), "rows", "message lag"),
    "millrace_outbox_oldest_age_seconds": Figure("Age of the oldest of them", ("stage",), "seconds", "message lag"),
    "millrace_uncertain_rows": Figure("Effects in doubt: the answer was lost", ("target",), "rows", "failed transactions"),
    "millrace_uncertain_oldest_age_seconds": Figure(
        "Time since the oldest of them was accepted", ("target",), "seconds", "failed transactions",
    ),
    "millrace_dead_letters_recent": Figure("Messages dead-lettered within an hour", (), "messages", "failed transactions"),
    "millrace_poison_recent": Figure("Rows parked as poison within ten minutes", (), "rows", "failed transactions"),
    "millrace_exceptions_overdue": Figure(
        "Exceptions past the time their owner had", ("owner",), "cases", "exception ownership and escalation",
    ),
    "millrace_lane_held_by_hand": Figure("1 while an operator's pause holds the lane", ("family",), "1", "queue depth"),
    "millrace_lane_throttled_share": Figure(
        "Part of a target's answers of the last minute that were throttle answers", ("target",), "ratio", "API rate-limit events",
    ),
    "millrace_limiter_unshared": Figure(
        "1 while the shared limiter is out of reach and workers keep to their safe shares", (), "1", "API rate-limit incidents",
    ),
    "millrace_broker_alarm": Figure("1 while the broker refuses to take messages or does not answer", (), "1", "message lag"),
    "millrace_operator_deeds_total": Figure(
        "Deeds of operators", ("action",), "deeds", "manual intervention", total=True,
    ),
    "millrace_alerts_firing": Figure("Alerts in the notifier's book that fire", ("severity",), "alerts", "service escalations"),
    "millrace_notices": Figure("Notices of alerts: waiting, sent or failed", ("state",), "notices", "service escalations"),
}  # fmt: skip
