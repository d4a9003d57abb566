"""Every visibility that retailers ask for is answered by a metric that docs/metrics.md names it beside."""

import pytest

from tests.docs.pages import page

ASKED = (
    "transaction status by channel", "transaction status by location", "order type", "integration dependency",
    "where the fault is", "queue depth", "API latency", "failed transactions", "backlog ageing in business terms",
    "message lag", "replay queues",
    "duplicate events", "business-level exceptions", "orders awaiting ERP posting", "reservations pending confirmation",
    "shipments not reconciled", "refunds not yet in finance", "order-to-ERP posting latency",
    "inventory synchronisation accuracy", "fulfilment confirmation time", "exception queue volume",
    "refund reconciliation cycle time", "replay success rate", "business process completion %", "inventory sync latency",
    "failed transformations", "API rate-limit events", "API rate-limit incidents", "settlement mismatches",
    "settlement reconciliation exceptions", "order ingestion latency", "shipment confirmation success",
    "order lifecycle milestones", "order and fulfilment exception rate", "integration throughput",
    "partner-specific error patterns", "manual intervention", "oversell rate", "order cycle time", "return speed by step",
    "on-time promise", "maintenance cost", "peak stability", "service escalations",
    "end-to-end trace from channel event to ERP posting to warehouse confirmation",
    "orders accepted without reservation", "refunds issued before ERP credit", "returns posted but not received",
)  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_for_is_answered(asked: str) -> None:
    headings = ("Business", "Stock", "Watched", "Events and lanes")
    answers = [row[-1] for heading in headings for row in page("docs/metrics.md").table(heading)]

    assert [answer for answer in answers if asked in answer]
