"""How Shopify's fulfilment events are read."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.channels.base import Parsed, Unreadable
from canonical.milestone import Milestone
from tests.adapters.channels.requests import OWN, SHARED, parse

TOPIC = "fulfillment_events/create"


def payload(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((OWN / "shopify_fulfillment_event.json").read_text())
    return found | changes


def milestones(body: dict[str, Any]) -> list[Milestone]:
    answer = parse("shopify", body, TOPIC)
    assert isinstance(answer, Parsed), answer
    return [document for document in answer.documents if isinstance(document, Milestone)]


def test_a_carriers_word_is_a_milestone_of_its_order_and_holds_no_address() -> None:
    (found,) = milestones(payload())

    assert (found.key, found.order, found.shipment_key, found.step) == ("7001", "820982911946154508", "3001", "delivered")
    assert found.at == datetime(2026, 7, 4, 12, 5, tzinfo=UTC)
    assert found.as_of == datetime(2026, 7, 4, 12, 20, tzinfo=UTC)
    assert "Hamburg" not in found.model_dump_json()
    assert "neighbour" not in found.model_dump_json()


@pytest.mark.parametrize(
    ("status", "step"),
    [("out_for_delivery", "out_for_delivery"), ("attempted_delivery", "delivery_failed"), ("picked_up", "delivered")],
)
def test_a_status_is_told_as_our_step(status: str, step: str) -> None:
    assert [found.step for found in milestones(payload(status=status))] == [step]


@pytest.mark.parametrize("status", ["confirmed", "in_transit", "label_printed", "failure", "something_new"])
def test_a_status_that_is_no_step_of_ours_tells_nothing(status: str) -> None:
    assert milestones(payload(status=status)) == []


def test_an_event_without_its_order_is_unreadable() -> None:
    answer = parse("shopify", payload(order_id=None), TOPIC)

    assert isinstance(answer, Unreadable)
    assert answer.path == "order_id"


def test_a_recorded_event_is_read() -> None:
    file = SHARED / "shopify" / "rest2026_07_fulfillment_event_test_2_post_orders_n_fulfillments_n_events.json"
    if not file.exists():
        pytest.skip("the shared fixtures are absent")
    body = json.loads(file.read_text())["fulfillment_event"]

    assert milestones(body) == []
    assert [found.step for found in milestones(body | {"status": "delivered"})] == ["delivered"]
