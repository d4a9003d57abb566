"""Canonical documents: what they refuse, and that they come back from the ledger as they went in."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import ValidationError

from canonical.kinds import read_document
from canonical.order import Order
from tests.documents import an_order, an_order_line


def test_a_document_comes_back_from_its_stored_json_unchanged() -> None:
    order = an_order(total="1234567.89", note="Grüße, 東京")

    assert read_document(order.model_dump_json()) == order


@pytest.mark.parametrize(
    "change",
    [
        {"lines": []},
        {"lines": [an_order_line(quantity=0)]},
        {"lines": [an_order_line(quantity=-1)]},
        {"lines": [an_order_line(quantity=1.5)]},
        {"lines": [an_order_line(key="1"), an_order_line(key="1")]},
        {"lines": [an_order_line(unit_price="-1.00")]},
        {"currency": "ZZZ"},
        {"total": "NaN"},
        {"as_of": datetime(2026, 1, 1)},  # noqa: DTZ001  a time without a zone is what is refused
        {"as_of": 1_700_000_000},
        {"as_of": "9999-12-31T23:59:59-12:00"},
        {"note": "a\x00b"},
        {"note": "\ud800"},
        {"key": " "},
        {"surprise": 1},
    ],
)
def test_a_document_that_cannot_be_posted_is_refused(change: dict[str, object]) -> None:
    whole = an_order().model_dump() | change

    with pytest.raises(ValidationError):
        Order.model_validate(whole)


def test_two_thousand_lines_are_taken_and_one_more_is_refused() -> None:
    lines = [an_order_line(key=str(n)) for n in range(2_000)]
    whole = an_order().model_dump()

    assert len(Order.model_validate(whole | {"lines": lines}).lines) == 2_000
    with pytest.raises(ValidationError):
        Order.model_validate(whole | {"lines": [*lines, an_order_line(key="last")]})


def test_times_are_kept_in_utc() -> None:
    order = Order.model_validate(an_order().model_dump() | {"as_of": "2026-11-27T09:00:00+09:00"})

    assert order.as_of == datetime(2026, 11, 27, 0, 0, tzinfo=UTC)
    assert order.as_of.tzinfo is UTC


def test_a_line_knows_its_net_and_tax() -> None:
    order = an_order(lines=[an_order_line(quantity=3, unit_price="9.99", discount="1.00", tax="2.31")])

    assert order.lines[0].net == Decimal("28.97")
    assert order.lines[0].tax == Decimal("2.31")
