"""Names the figures that the relay reads from the ledger, in the words of the business; nothing else of it is shown.

``wanted`` is what docs/metrics.md says of the requirement a figure answers.
"""

from collections.abc import Mapping

from telemetry.gauges import Figure

READABLE = "millrace_figures_readable"

FIGURES: Mapping[str, Figure] = {
    # Service levels: what was promised and how it was kept.
    "millrace_service_judged_total": Figure(
        "What was told of a flow, judged when its promised time was over: kept, late or parked", ("flow", "result"),
        unit="things", wanted="service levels by flow; shipment confirmation success", total=True,
    ),
    "millrace_service_level_objective": Figure(
        "Part of a flow that must be kept", ("flow",), "ratio", "service levels",
    ),
    "millrace_service_level_burn": Figure(
        "How fast the budget of misses burns: above 1 a person is called (fast) or told (slow)", ("flow", "pace"), "ratio",
        "service levels; peak stability, beside the profile in force",
    ),
    # What is on its way, in the words of the business. A channel is a source of the fleet file.
    "millrace_orders_awaiting_posting": Figure(
        "Orders that were told and are not at the ERP yet", ("channel", "target", "class"), "orders",
        "orders awaiting ERP posting",
    ),
    "millrace_orders_awaiting_posting_parked": Figure(
        "Those of them that need a person", ("channel", "target", "class"), "orders", "orders awaiting ERP posting",
    ),
    "millrace_orders_awaiting_posting_oldest_age_seconds": Figure(
        "Time since the oldest of them was told", ("channel", "target", "class"), "seconds", "orders awaiting ERP posting",
    ),
    "millrace_money_awaiting_posting": Figure(
        "Totals of the oldest of them, in units of their currency", ("channel", "target", "class", "currency"), "currency",
        "orders awaiting ERP posting",
    ),
    "millrace_business_backlog": Figure(
        "What stands in a stage: accepted, waiting, prepared, posting, retrying, uncertain, parked",
        ("channel", "domain", "target", "stage"), "things", "transaction status by channel, order type, integration dependency",
    ),
    "millrace_business_backlog_oldest_age_seconds": Figure(
        "Time since the channel told the oldest of them", ("channel", "domain", "target", "stage"), "seconds",
        "backlog ageing in business terms",
    ),
    "millrace_shipments_not_reconciled": Figure(
        "Shipments past their promised time that the ERP does not know", ("channel", "target", "class"), "shipments",
        "shipments not reconciled",
    ),
    "millrace_refunds_not_in_finance": Figure(
        "Returns and refunds past their promised time that are not posted", ("channel", "target", "class"), "refunds",
        "refunds not yet in finance",
    ),
    "millrace_reservations_pending": Figure(
        "Reservations that were told and are not at their target as they were told last", ("channel", "target", "class"),
        "reservations", "reservations pending confirmation",
    ),
    "millrace_reservations_pending_oldest_age_seconds": Figure(
        "Time since the oldest of them was told", ("channel", "target", "class"), "seconds", "reservations pending confirmation",
    ),
    # What happens to orders and returns outside, as milestones tell it.
    "millrace_delivery_promises": Figure(
        "Promises to customers that fell due within a week: delivered in time (kept), late, or not as far as told (missing)",
        ("channel", "result"), "orders", "on-time promise",
    ),
    "millrace_delivery_on_time_ratio": Figure("Part of them that was kept", ("channel",), "ratio", "on-time promise"),
    "millrace_order_cycle_seconds": Figure(
        "From the placing of an order to its last delivery, of a week", ("channel", "percentile"), "seconds", "order cycle time",
    ),
    "millrace_order_cycle_samples": Figure("How many that is made of", ("channel",), "orders", "order cycle time"),
    "millrace_warehouse_confirmation_seconds": Figure(
        "From the ERP's taking of an order to a warehouse's confirmation, of a day", ("channel", "percentile"), "seconds",
        "end-to-end trace from channel event to ERP posting to warehouse confirmation",
    ),
    "millrace_warehouse_confirmation_samples": Figure(
        "How many that is made of", ("channel",), "orders", "order lifecycle milestones",
    ),
    "millrace_orders_unconfirmed": Figure(
        "Orders at the ERP that no warehouse has confirmed in the time it has", ("channel",), "orders",
        "order lifecycle milestones",
    ),
    "millrace_orders_unconfirmed_oldest_age_seconds": Figure(
        "Time since the ERP took the oldest of them", ("channel",), "seconds", "order lifecycle milestones",
    ),
    "millrace_milestones_reached": Figure(
        "Steps taken within a day, counted up to a bound", ("step",), "steps", "order lifecycle milestones",
    ),
    "millrace_return_step_seconds": Figure(
        "From the step before to this one, of returns of a week; posted: the ERP took it", ("step", "percentile"), "seconds",
        "return speed by step",
    ),
    "millrace_return_step_samples": Figure("How many that is made of", ("step",), "returns", "return speed by step"),
    "millrace_refunds_before_credit": Figure(
        "Refunds that customers have got while the ERP does not have the return", ("channel",), "refunds",
        "refunds issued before ERP credit",
    ),
    "millrace_refunds_before_credit_oldest_age_seconds": Figure(
        "Time since the oldest of them", ("channel",), "seconds", "refunds issued before ERP credit",
    ),
    "millrace_returns_not_received": Figure(
        "Returns that were asked for and are posted, and whose goods nobody received in the promised time", ("channel",),
        "returns", "returns posted but not received",
    ),
    "millrace_returns_not_received_oldest_age_seconds": Figure(
        "Time since the ERP took the oldest of them", ("channel",), "seconds", "returns posted but not received",
    ),
    # Stock: what receiving sides believe, what was sold and not there, what nobody reserved, and where things stand.
    "millrace_inventory_accuracy_ratio": Figure(
        "Part of a target's counts of a day, of those that can be compared, that say what was published there", ("target",),
        "ratio", "inventory synchronisation accuracy",
    ),
    "millrace_inventory_counts": Figure(
        "Newest counts of a day, each compared once: equal, different, on_the_way or unpublished", ("target", "result"),
        "counts", "inventory synchronisation accuracy",
    ),
    "millrace_inventory_pieces_apart": Figure(
        "Pieces that the different ones have over or under what was published", ("target", "direction"), "pieces",
        "inventory synchronisation accuracy",
    ),
    "millrace_inventory_mean_pieces_apart": Figure(
        "Pieces over or under, for each count that can be compared", ("target",), "pieces", "inventory synchronisation accuracy",
    ),
    "millrace_orders_cancelled_for_stock": Figure(
        "Orders cancelled within a day because there was no stock", ("channel",), "orders", "oversell rate",
    ),
    "millrace_oversell_ratio": Figure(
        "Those of the stretch looked at, to the orders told in it", ("channel",), "ratio", "oversell rate",
    ),
    "millrace_positions_oversold": Figure("Stock positions last told below zero", ("channel",), "positions", "oversell rate"),
    "millrace_positions_oversold_pieces": Figure("Pieces that they are below zero", ("channel",), "pieces", "oversell rate"),
    "millrace_orders_without_reservation": Figure(
        "Orders past the time in which their channel promised to reserve, without a reservation", ("channel",), "orders",
        "orders accepted without reservation",
    ),
    "millrace_orders_without_reservation_oldest_age_seconds": Figure(
        "Time since the oldest of them was told", ("channel",), "seconds", "orders accepted without reservation",
    ),
    "millrace_backlog_by_location": Figure(
        "Orders and shipments that are read and not done, by the location that they name", ("location", "domain", "stage"),
        "things", "transaction status by location",
    ),
    "millrace_backlog_by_location_oldest_age_seconds": Figure(
        "Time since the channel told the oldest of them", ("location", "domain", "stage"), "seconds",
        "transaction status by location",
    ),
    "millrace_exceptions_open": Figure("Open exceptions", ("owner",), "cases", "exception queue volume"),
    "millrace_posting_latency_seconds": Figure(
        "From the channel's telling to the ERP's taking, of the last ten minutes", ("flow", "percentile"), "seconds",
        "order-to-ERP posting latency; fulfilment confirmation time; inventory sync latency; refund reconciliation cycle time",
    ),
    "millrace_posting_latency_samples": Figure("How many that is made of", ("flow",), "things", "order-to-ERP posting latency"),
    "millrace_completion_ratio": Figure(
        "Part of what was told within a day that is done", ("domain",), "ratio", "business process completion %",
    ),
    "millrace_exception_ratio": Figure(
        "Part of what was told within a day that needs a person", ("domain",), "ratio", "order and fulfilment exception rate",
    ),
    "millrace_replay_rows": Figure(
        "Rows given back to work within a day: done, failed again, under way", ("state",), "rows", "replay queues",
    ),
    "millrace_replay_success_ratio": Figure("Part of those that ended which are done", (), "ratio", "replay success rate"),
    # Settlements: what was paid out against what is known. A channel is the source of the orders, or of the payout.
    "millrace_settlement_mismatches": Figure(
        "What did not fit in settlements of the last 7 days when it was found: open, explained or closed by now",
        ("channel", "reason"), "mismatches", "settlement mismatches",
    ),
    "millrace_settlement_exceptions_open": Figure(
        "What does not fit and waits for a person, or for what it lacks", ("channel", "reason"), "exceptions",
        "settlement reconciliation exceptions",
    ),
    "millrace_settlement_exceptions_oldest_age_seconds": Figure(
        "Time since the oldest of them was found", ("channel", "reason"), "seconds", "settlement reconciliation exceptions",
    ),
    "millrace_settlement_difference": Figure(
        "Sum of their differences without sign, in units of their currency", ("channel", "currency"), "currency",
        "settlement reconciliation exceptions",
    ),
    "millrace_settlement_reconciled_ratio": Figure(
        "Part of the sales and refunds of payouts told within 7 days that fit", ("channel",), "ratio", "settlement mismatches",
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
    "millrace_peak_profile_in_force": Figure(
        "1 for the peak profile in force; nothing while the fleet file alone is", ("profile",), "1", "peak readiness",
    ),
    "millrace_peak_profile_rest_seconds": Figure(
        "Seconds until it ends by itself; nothing where it has no end", ("profile",), "seconds", "peak readiness",
    ),
    "millrace_broker_alarm": Figure("1 while the broker refuses to take messages or does not answer", (), "1", "message lag"),
    "millrace_audit_chain_broken": Figure("1 when the chain of deeds does not verify", (), "1", "audit logging"),
    "millrace_operator_deeds_total": Figure(
        "Deeds of operators", ("action",), "deeds", "manual intervention; maintenance cost", total=True,
    ),
    "millrace_alerts_firing": Figure("Alerts in the notifier's book that fire", ("severity",), "alerts", "service escalations"),
    "millrace_notices": Figure("Notices of alerts: waiting, sent or failed", ("state",), "notices", "service escalations"),
}  # fmt: skip
