"""Decides what of a payout does not fit what is known: pure comparisons, typed by what a line is for. No I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

Reason = Literal[
    "unattributed",
    "order_unknown",
    "currency_differs",
    "amount_differs",
    "paid_though_cancelled",
    "refund_unknown",
    "refund_differs",
    "parts_missing",
    "total_differs",
]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit. ``expected`` by what is known, ``told`` by the payouts; ``difference`` is told less expected.

    ``line`` names the row for what is said of one row. Amounts are None where there is nothing to compare with.
    """

    reason: Reason
    currency: str
    expected: Decimal | None
    told: Decimal | None
    difference: Decimal | None
    line: str = ""


@dataclass(frozen=True, slots=True)
class Paid:
    """What all payouts so far say of one order, in one currency. None: no line of that type."""

    currency: str
    sale: Decimal | None
    refund: Decimal | None


@dataclass(frozen=True, slots=True)
class Returned:
    """A return that is known of the order."""

    key: str
    currency: str
    total: Decimal


@dataclass(frozen=True, slots=True)
class Known:
    """The order as the ledger has it."""

    cancelled: bool
    currency: str
    total: Decimal
    returns: Sequence[Returned] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One told document of a payout, with the sum of its lines."""

    number: int
    parts: int
    currency: str
    total: Decimal
    lines: Decimal


@dataclass(frozen=True, slots=True)
class Nobodys:
    """A sale or refund that names no order."""

    line: str
    currency: str
    amount: Decimal


def judge_order(paid: Sequence[Paid], known: Known | None, named_returns: Sequence[str], tolerance: Decimal) -> list[Finding]:
    """What does not fit in an order's sales and refunds, summed over every payout. ``named_returns``: those that refunds name."""
    if known is None:
        return [Finding("order_unknown", one.currency, None, _net(one), _net(one)) for one in paid]
    foreign = [one for one in paid if one.currency != known.currency]
    if foreign:
        return [Finding("currency_differs", one.currency, None, _net(one), _net(one)) for one in foreign]
    return [finding for one in paid for finding in _judge(one, known, named_returns, tolerance)]


def judge_payout(parts: Sequence[Part], nobodys: Sequence[Nobodys]) -> list[Finding]:
    """What does not fit in a payout itself; the first of ``parts`` is the one told last, whose total and number count."""
    found = [Finding("unattributed", one.currency, None, one.amount, one.amount, one.line) for one in nobodys]
    head = parts[0]
    lines = sum((part.lines for part in parts), Decimal(0))
    if any(part.currency != head.currency for part in parts):
        # Amounts of two currencies have no sum.
        return [*found, Finding("currency_differs", head.currency, head.total, None, None)]
    if {part.number for part in parts} < set(range(1, head.parts + 1)):
        return [*found, Finding("parts_missing", head.currency, head.total, lines, lines - head.total)]
    if lines != head.total:
        return [*found, Finding("total_differs", head.currency, head.total, lines, lines - head.total)]
    return found


def _judge(paid: Paid, known: Known, named_returns: Sequence[str], tolerance: Decimal) -> Iterator[Finding]:
    if known.cancelled:
        # What was given back for a cancelled order is no return: the two together must come to nothing.
        if abs(_net(paid)) > tolerance:
            yield _differs("paid_though_cancelled", paid.currency, Decimal(0), _net(paid))
        return
    if paid.sale is not None and abs(paid.sale - known.total) > tolerance:
        yield _differs("amount_differs", paid.currency, known.total, paid.sale)
    if paid.refund is not None:
        yield from _judge_refund(paid.currency, -paid.refund, known, named_returns, tolerance)


def _judge_refund(
    currency: str, refunded: Decimal, known: Known, named_returns: Sequence[str], tolerance: Decimal
) -> Iterator[Finding]:
    returns = [one for one in known.returns if one.currency == currency]
    if not returns or set(named_returns) - {one.key for one in returns}:
        yield Finding("refund_unknown", currency, None, refunded, refunded)
        return
    expected = sum((one.total for one in returns), Decimal(0))
    if abs(refunded - expected) > tolerance:
        yield _differs("refund_differs", currency, expected, refunded)


def _differs(reason: Reason, currency: str, expected: Decimal, told: Decimal) -> Finding:
    return Finding(reason, currency, expected, told, told - expected)


def _net(paid: Paid) -> Decimal:
    return (paid.sale or Decimal(0)) + (paid.refund or Decimal(0))
