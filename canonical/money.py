"""Names money: a Decimal amount with its ISO 4217 currency, never a float."""

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from canonical.currencies import MINOR_DIGITS
from canonical.model import Frozen

LARGEST_AMOUNT = Decimal(10) ** 12
MOST_DECIMALS = 6

_SMALLEST = {currency: Decimal(1).scaleb(-digits) for currency, digits in MINOR_DIGITS.items()}
_WRITTEN = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")


def exact(value: Any) -> Decimal:
    """Decimal of a JSON number or string. Raises ValueError for floats, "12,50", NaN, 1e400 and anything past 6 decimals."""
    # The same few amounts stand in every order: told by their text they are looked at once.
    if isinstance(value, str):
        return _written_decimal(value)
    if isinstance(value, Decimal):
        return _bounded_decimal(str(value))
    if isinstance(value, bool | float):
        raise ValueError("an amount must be a decimal string or an exact number, not a float")
    return _bounded(value)


@lru_cache(maxsize=4096)
def _written_decimal(text: str) -> Decimal:
    if not _WRITTEN.fullmatch(text):
        raise ValueError("not a decimal number; write it as 1234.50")
    return _bounded(text)


@lru_cache(maxsize=4096)
def _bounded_decimal(text: str) -> Decimal:
    return _bounded(text)


def _bounded(value: Any) -> Decimal:
    try:
        amount = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError("not a decimal number; write it as 1234.50") from None
    if not amount.is_finite():
        raise ValueError("not a finite number")
    if amount and amount.adjusted() >= LARGEST_AMOUNT.adjusted():
        raise ValueError("larger than any amount accepted here (10^12)")
    if -int(amount.as_tuple().exponent) > MOST_DECIMALS:
        raise ValueError(f"more than {MOST_DECIMALS} decimals")
    if int(amount.as_tuple().exponent) <= 0:
        return amount
    return amount.quantize(Decimal(1)) if amount else Decimal(0)


def known_currency(code: str) -> str:
    """The code. Raises ValueError if no currency in force has it."""
    if code not in MINOR_DIGITS:
        raise ValueError("unknown currency: an ISO 4217 code such as USD is needed")
    return code


Amount = Annotated[Decimal, BeforeValidator(exact)]
"""An exact decimal number below 10^12 with at most 6 decimals, of any sign."""

Unsigned = Annotated[Decimal, Field(ge=0), BeforeValidator(exact)]
"""An amount that cannot be negative. The bound stands on the number itself: outside the function it would be another call."""

Currency = Annotated[str, AfterValidator(known_currency)]
"""An ISO 4217 code in force."""


class Money(Frozen):
    """An amount of one currency. Adding two currencies raises ValueError."""

    amount: Amount
    currency: Currency

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


def in_minor_digits(amount: Decimal, currency: str) -> Decimal:
    """The amount rounded half-even to the currency's own number of decimals (JPY 0, USD 2, KWD 3)."""
    return amount.quantize(_SMALLEST[currency])
