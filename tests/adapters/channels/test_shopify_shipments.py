"""How Shopify's fulfilments are read."""

import json
from typing import Any

import pytest

from adapters.channels.base import Parsed, Unreadable
from canonical.shipment import Shipment
from tests.adapters.channels.requests import OWN, SHARED, parse


def payload(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((OWN / "shopify_fulfillment.json").read_text())
    return found | changes


def shipments(body: dict[str, Any], topic: str = "fulfillments/create") -> list[Shipment]:
    answer = parse("shopify", body, topic)
    assert isinstance(answer, Parsed), answer
    return [document for document in answer.documents if isinstance(document, Shipment)]


def test_a_fulfilment_is_a_shipment_of_its_order() -> None:
    (found,) = shipments(payload())

    assert (found.key, found.order_key, found.order, found.number) == (
        "3001",
        "820982911946154508",
        "820982911946154508",
        "#2001.1",
    )
    assert (found.status, found.location, found.carrier) == ("shipped", "41", "DHL")
    assert found.tracking_numbers == ("JD0001", "JD0002")
    assert [(item.order_line, item.sku, item.quantity) for item in found.lines] == [("11", "TOP-1", 2)]


@pytest.mark.parametrize("status", ["cancelled", "failure", "error"])
def test_an_undone_fulfilment_is_a_cancelled_shipment(status: str) -> None:
    assert [found.status for found in shipments(payload(status=status), "fulfillments/update")] == ["cancelled"]


@pytest.mark.parametrize("status", ["pending", "open"])
def test_a_fulfilment_that_only_waits_tells_no_shipment_yet(status: str) -> None:
    assert shipments(payload(status=status)) == []


def test_one_tracking_number_outside_the_list_counts() -> None:
    (found,) = shipments(payload(tracking_numbers=None, tracking_number="JD0009"))

    assert found.tracking_numbers == ("JD0009",)


def test_a_fulfilment_without_pieces_is_unreadable() -> None:
    answer = parse("shopify", payload(line_items=[]), "fulfillments/create")

    assert isinstance(answer, Unreadable)
    assert answer.path == "shipment.lines"


def test_every_recorded_fulfilment_is_read() -> None:
    read = 0
    for path in sorted((SHARED / "shopify").glob("*fulfillment_test*.json")):
        document = json.loads(path.read_text())
        for body in [document.get("fulfillment"), *(document.get("fulfillments") or [])]:
            if isinstance(body, dict) and "line_items" in body:
                (found,) = shipments(body)
                assert found.status == ("shipped" if body["status"] == "success" else "cancelled"), path.name
                assert sum(item.quantity for item in found.lines) == sum(i["quantity"] for i in body["line_items"])
                read += 1
    assert read >= 10 or not SHARED.exists()
