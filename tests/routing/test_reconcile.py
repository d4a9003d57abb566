"""What of a payout does not fit: by kind of line, with a tolerance, and never by a guess."""

from decimal import Decimal

import pytest

from routing.reconcile import Finding, Known, Nobodys, Paid, Part, Returned, judge_order, judge_payout


def paid(sale: str | None = None, refund: str | None = None, currency: str = "USD") -> Paid:
    return Paid(currency, None if sale is None else Decimal(sale), None if refund is None else Decimal(refund))


def an_order(total: str = "10", *returns: str, cancelled: bool = False, currency: str = "USD") -> Known:
    told = [Returned(f"r{n}", currency, Decimal(amount)) for n, amount in enumerate(returns, 1)]
    return Known(cancelled, currency, Decimal(total), told)


def judged(one: Paid, known: Known | None, *named: str, tolerance: str = "0") -> list[tuple[str, ...]]:
    return [_told(finding) for finding in judge_order([one], known, named, Decimal(tolerance))]


def _told(finding: Finding) -> tuple[str, ...]:
    return (finding.reason, *(str(amount) for amount in (finding.expected, finding.told, finding.difference)))


@pytest.mark.parametrize(
    ("one", "known", "wrong"),
    [
        (paid("10"), an_order(), []),
        (paid("9.5"), an_order(), [("amount_differs", "10", "9.5", "-0.5")]),
        (paid("20"), an_order(), [("amount_differs", "10", "20", "10")]),
        (paid("10", "-4"), an_order("10", "4"), []),
        (paid("10", "-4"), an_order("10", "1", "3"), []),
        (paid("10", "-4"), an_order(), [("refund_unknown", "None", "4", "4")]),
        (paid("10", "-3"), an_order("10", "4"), [("refund_differs", "4", "3", "-1")]),
        (paid("9", "-3"), an_order("10", "4"), [("amount_differs", "10", "9", "-1"), ("refund_differs", "4", "3", "-1")]),
        (paid(None, "-4"), an_order("10", "4"), []),
        (paid("10"), None, [("order_unknown", "None", "10", "10")]),
        (paid("10", "-4"), None, [("order_unknown", "None", "6", "6")]),
        (paid("10"), an_order(currency="EUR"), [("currency_differs", "None", "10", "10")]),
        (paid("10"), an_order(cancelled=True), [("paid_though_cancelled", "0", "10", "10")]),
        (paid("10", "-10"), an_order(cancelled=True), []),
        (paid("10", "-9"), an_order(cancelled=True), [("paid_though_cancelled", "0", "1", "1")]),
    ],
)
def test_sales_are_compared_with_the_order_and_refunds_with_its_returns(
    one: Paid, known: Known | None, wrong: list[tuple[str, ...]]
) -> None:
    assert judged(one, known) == wrong


@pytest.mark.parametrize(("sale", "fits"), [("9.99", True), ("10.01", True), ("9.98", False), ("10.02", False)])
def test_a_difference_up_to_the_tolerance_is_none(sale: str, fits: bool) -> None:
    assert (judged(paid(sale), an_order(), tolerance="0.01") == []) is fits
    assert (judged(paid("10", f"-{sale}"), an_order("10", "10"), tolerance="0.01") == []) is fits
    assert judged(paid(sale, "-10"), an_order(cancelled=True), tolerance="0.02") == []


def test_a_refund_that_names_a_return_which_is_not_the_orders_is_unknown_whatever_it_comes_to() -> None:
    assert judged(paid("10", "-4"), an_order("10", "4"), "r1") == []
    assert judged(paid("10", "-4"), an_order("10", "4"), "r7") == [("refund_unknown", "None", "4", "4")]


def test_of_an_order_paid_in_two_currencies_the_foreign_one_alone_is_told() -> None:
    found = judge_order([paid("10"), paid("9", currency="EUR")], an_order(), (), Decimal(0))

    assert [(finding.reason, finding.currency) for finding in found] == [("currency_differs", "EUR")]


def part(number: int, lines: str, *, parts: int = 1, total: str = "10", currency: str = "USD") -> Part:
    return Part(number, parts, currency, Decimal(total), Decimal(lines))


@pytest.mark.parametrize(
    ("parts", "wrong"),
    [
        ([part(1, "10")], []),
        ([part(1, "8")], [("total_differs", "10", "8", "-2")]),
        ([part(1, "4", parts=2)], [("parts_missing", "10", "4", "-6")]),
        ([part(2, "6", parts=2)], [("parts_missing", "10", "6", "-4")]),
        ([part(2, "6", parts=2), part(1, "4", parts=2)], []),
        ([part(1, "10"), part(2, "6", parts=2)], [("total_differs", "10", "16", "6")]),
        ([part(1, "4", parts=2), part(2, "6", parts=2, currency="EUR")], [("currency_differs", "10", "None", "None")]),
    ],
)
def test_a_payouts_parts_must_be_there_of_one_currency_and_add_up_to_what_was_told_last(
    parts: list[Part], wrong: list[tuple[str, ...]]
) -> None:
    assert [_told(finding) for finding in judge_payout(parts, [])] == wrong


def test_each_row_without_an_order_is_a_finding_of_its_own() -> None:
    found = judge_payout([part(1, "10")], [Nobodys("PO-1/7", "USD", Decimal(3)), Nobodys("PO-1/9", "USD", Decimal(-2))])

    assert [(finding.reason, finding.line, str(finding.difference)) for finding in found] == [
        ("unattributed", "PO-1/7", "3"), ("unattributed", "PO-1/9", "-2"),
    ]  # fmt: skip
