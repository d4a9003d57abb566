"""Money: exact, bounded, of a known currency."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from canonical.money import LARGEST_AMOUNT, Money, in_minor_digits


@pytest.mark.parametrize(
    "wrong",
    [
        "12,50",
        "1e400",
        "NaN",
        "Infinity",
        "-Infinity",
        "",
        " ",
        "1.2345678",
        "twelve",
        "1_0x",
        None,
        [],
        {},
        1.5,
        True,
        "1e12",
        "1_000",
        "１２",
        " 1",
        "1.",
        ".5",
    ],
)
def test_an_amount_that_is_no_bounded_exact_decimal_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        Money(amount=wrong, currency="USD")


@pytest.mark.parametrize("code", ["usd", "US", "XXX", "BTC", "", "US$"])
def test_an_unknown_currency_is_refused(code: str) -> None:
    with pytest.raises(ValidationError, match="unknown currency"):
        Money(amount=Decimal(1), currency=code)


@given(st.decimals(min_value=-(LARGEST_AMOUNT - 1), max_value=LARGEST_AMOUNT - 1, places=6))
def test_an_amount_keeps_every_digit(amount: Decimal) -> None:
    assert Money(amount=amount, currency="EUR").amount == amount
    assert Money.model_validate_json(Money(amount=amount, currency="EUR").model_dump_json()).amount == amount


def test_a_number_with_a_huge_exponent_is_zero_or_refused() -> None:
    assert str(Money(amount=Decimal("0E+999999999"), currency="USD").amount) == "0"
    with pytest.raises(ValidationError):
        Money(amount=Decimal("1E+999999999"), currency="USD")


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(ValueError, match="cannot add"):
        Money(amount=Decimal(1), currency="EUR") + Money(amount=Decimal(1), currency="USD")


@pytest.mark.parametrize(("currency", "rounded"), [("JPY", "12"), ("USD", "12.35"), ("KWD", "12.346")])
def test_minor_digits_are_the_currencys_own(currency: str, rounded: str) -> None:
    assert in_minor_digits(Decimal("12.3457"), currency) == Decimal(rounded)
