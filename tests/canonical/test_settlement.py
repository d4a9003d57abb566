"""What a settlement may say."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from canonical.kinds import read_document
from canonical.order import MOST_LINES
from canonical.settlement import Settlement
from config.fleet import Source
from tests.documents import a_settlement
from tests.documents import a_settlement_line as a_line


@pytest.mark.parametrize(
    "change",
    [
        {"lines": []},
        {"lines": [a_line(kind="gift")]},
        {"lines": [a_line("1"), a_line("1")]},
        {"lines": [a_line(amount="1,50")]},
        {"lines": [a_line() | {"amount": 1.5}]},
        {"lines": [a_line(order=None, return_key="r1")]},
        {"lines": [a_line(customer="Jane")]},
        {"lines": [a_line(description="x" * 201)]},
        {"total": None},
        {"currency": "EURO"},
        {"payout": "PO@1"},
        {"key": "PO-2"},
        {"part": 2},
        {"part": 0, "parts": 2},
        {"parts": 1_001},
        {"period_from": "2026-11-27T00:00:00Z", "period_to": "2026-11-26T00:00:00Z"},
        {"paid_at": "2026-11-27T00:00:00"},
    ],
)
def test_what_is_no_settlement_is_refused(change: dict[str, Any]) -> None:
    told = a_settlement().model_dump(mode="json", exclude={"key"})

    with pytest.raises(ValidationError):
        Settlement.model_validate(told | change)


def test_amounts_have_any_sign_and_their_sum_need_not_be_the_total() -> None:
    told = a_settlement("PO-1", a_line(amount="-1.50"), a_line("2", amount="0.000001"), total="-7")

    assert (told.total, told.lines_total) == (Decimal(-7), Decimal("-1.499999"))


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_an_order_that_is_left_empty_is_none(empty: str | None) -> None:
    assert a_settlement("PO-1", a_line(order=empty)).lines[0].order_key is None


def test_the_key_is_the_payout_and_from_the_second_part_on_its_number() -> None:
    parts = [a_settlement(" PO-1 ", part=part, parts=2) for part in (1, 2)]

    assert [part.key for part in parts] == ["PO-1", "PO-1@2"]
    assert {(part.number, part.order == part.key) for part in parts} == {("PO-1", True)}
    assert a_settlement("PO-1", key="PO-1@2", part=2, parts=2) == a_settlement("PO-1", part=2, parts=2)


def test_a_settlement_is_read_back_as_it_was_stored() -> None:
    told = a_settlement("PO-1", a_line(return_key="r1", kind="refund", amount="-0.10"))

    assert read_document(told.model_dump_json()) == told


def test_the_most_lines_of_a_document_fit_into_a_body_that_the_receiver_takes() -> None:
    lines = [a_line(f"{n:036}", order=f"{n:036}", amount="-123456.78", description="d" * 200) for n in range(MOST_LINES)]
    told = a_settlement("PO-1", *lines)

    assert len(told.model_dump_json()) < Source(channel="open", secrets=("A",)).max_body_bytes
    with pytest.raises(ValidationError):
        a_settlement("PO-1", *lines, a_line("one more"))
