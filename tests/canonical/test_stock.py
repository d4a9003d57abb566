"""What a stock position and a reservation may say."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from canonical.count import Count
from canonical.kinds import read_document
from canonical.reservation import Reservation
from canonical.stock import StockPosition
from tests.documents import a_count, a_position, a_reservation


@pytest.mark.parametrize("available", [-3, 0, 5, 1_000_000_000, -1_000_000_000])
def test_what_can_be_sold_is_a_whole_number_of_any_sign(available: int) -> None:
    assert a_position(available=available).available == available


@pytest.mark.parametrize(
    "change",
    [
        {"available": 1.5},
        {"available": 2.0},
        {"available": "5"},
        {"available": True},
        {"available": float("nan")},
        {"available": None},
        {"available": 1_000_000_001},
        {"reserved": -1},
        {"safety_stock": -1},
        {"on_hand": 0.5},
        {"sku": " "},
        {"location": "berlin@mitte"},
        {"location": ""},
        {"key": "another"},
        {"colour": "red"},
        {"as_of": 1_700_000_000},
    ],
)
def test_what_is_no_position_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_position(**change)


def test_the_key_is_made_of_sku_and_location_and_may_be_said() -> None:
    assert a_position(" A@B ", location=" ulm ").key == "A@B@ulm"
    assert a_position("A", location="ulm", key="A@ulm").key == "A@ulm"
    assert (a_position("A").number, a_position("A").order) == ("A", "A@berlin")


def test_a_count_is_keyed_as_the_position_that_it_is_compared_with() -> None:
    assert a_count(" A@B ", location=" ulm ").key == a_position(" A@B ", location=" ulm ").key
    assert (a_count("A").number, a_count("A").order) == ("A", "A@berlin")


@pytest.mark.parametrize(
    "change", [{"available": 1.5}, {"location": "a@b"}, {"key": "another"}, {"on_hand": 3}, {"target": "stores"}]
)
def test_what_is_no_count_is_refused(change: dict[str, Any]) -> None:
    told = {"source": "stores", "sku": "A", "location": "berlin", "as_of": "2026-11-27T09:00:00Z", "available": 1}
    assert Count.model_validate(told).key == "A@berlin"

    with pytest.raises(ValidationError):
        Count.model_validate(told | change)


def test_a_key_that_would_be_too_long_is_refused_rather_than_cut() -> None:
    with pytest.raises(ValidationError):
        a_position("S" * 150, location="L" * 60)


@pytest.mark.parametrize("document", [a_position(on_hand=-2), a_reservation(), a_count(available=-1)])
def test_stock_is_read_back_as_it_was_stored(document: StockPosition | Reservation | Count) -> None:
    assert read_document(document.model_dump_json()) == document
    assert json.loads(document.model_dump_json())["kind"] == document.kind


def test_a_reservation_names_each_place_of_an_article_once() -> None:
    two = [{"sku": "A", "quantity": 1}, {"sku": "A", "quantity": 1, "location": "ulm"}]

    assert len(a_reservation(lines=two).lines) == 2
    with pytest.raises(ValidationError, match="add them up"):
        a_reservation(lines=[two[0], two[0]])


@pytest.mark.parametrize(
    "change", [{"lines": []}, {"status": "held"}, {"lines": [{"sku": "A", "quantity": 0}]}, {"order_key": ""}]
)
def test_what_is_no_reservation_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_reservation(**change)
