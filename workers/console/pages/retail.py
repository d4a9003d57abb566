"""Runs the retail words of the pages: names of stages and operations, money, shares, ages of moments."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from workers.console.words import count, span

STAGES: Mapping[str, str] = {
    "accepted": "Just in",
    "waiting": "Waits for its order",
    "prepared": "Ready to post",
    "deferred": "Put off to quiet hours",
    "posting": "Posting now",
    "retrying": "Retrying",
    "uncertain": "Answer lost, looked up",
    "parked": "Needs a person",
}
STAGE_HELP: Mapping[str, str] = {
    "accepted": "The channel told it and got its answer. It is read next.",
    "waiting": "Something earlier of the same order comes first.",
    "prepared": "It is understood and waits for its turn at the ERP.",
    "deferred": "A peak profile puts it off until its quiet hours.",
    "posting": "It is being sent to the ERP.",
    "retrying": "The ERP could not take it for the moment. It goes again by itself.",
    "uncertain": "The ERP's answer was lost. It is looked up there before anything is sent again.",
    "parked": "It cannot go on by itself. It is on the failure desk.",
}
DOMAINS: Mapping[str, str] = {"orders": "Orders", "shipments": "Shipments", "returns": "Refunds and returns", "stock": "Stock"}
OPERATIONS: Mapping[str, str] = {
    "order.create": "Post the order",
    "order.update": "Change the order",
    "order.cancel": "Cancel the order",
    "shipment.create": "Post the shipment",
    "shipment.update": "Change the shipment",
    "return.create": "Post the refund",
    "stock.publish": "Publish the stock",
    "reservation.create": "Reserve the stock",
    "reservation.update": "Change the reservation",
    "reservation.release": "Release the reservation",
}
STATES: Mapping[str, str] = {
    "ready": "ready to post",
    "queued": "ready to post",
    "claimed": "posting now",
    "retrying": "retrying",
    "waiting": "waits for what is before it",
    "deferred": "put off",
    "parked": "needs a person",
    "done": "done",
    "dropped": "given up",
    "redirected": "sent elsewhere",
}
CLASSES: Mapping[str, str] = {
    "malformed": "Cannot be read",
    "rejected": "Refused",
    "exhausted": "Tried to the end",
    "poison": "Takes workers down",
    "defect": "A fault of ours",
    "orphan": "Its order never came",
}

REASONS: Mapping[str, str] = {
    "unattributed": "Names no order",
    "order_unknown": "Order not known",
    "currency_differs": "Another currency",
    "amount_differs": "Paid another amount",
    "paid_though_cancelled": "Paid though cancelled",
    "refund_unknown": "Refund without a return",
    "refund_differs": "Refunded another amount",
    "parts_missing": "Parts not told yet",
    "total_differs": "Does not add up",
}
REASON_HELP: Mapping[str, str] = {
    "unattributed": "A sale or refund of the payout names no order. It is given to none: ask the sender which one it is.",
    "order_unknown": "Something was paid for an order that no channel told. It closes by itself when the order is told.",
    "currency_differs": "It was paid in another currency. Nothing is converted: see whether the amount is right.",
    "amount_differs": "What was paid for the order so far is more or less than its total.",
    "paid_though_cancelled": "The order is cancelled, and what was paid for it did not go back.",
    "refund_unknown": "Money went back, and no return of the order says why. It closes by itself when the return is told.",
    "refund_differs": "What went back is more or less than the order's returns.",
    "parts_missing": "The payout is told in parts, and not all of them came. It closes by itself when they do.",
    "total_differs": "The lines of the payout come to more or less than what it says it paid.",
}
HEALED = "resolved"
FINDING_STATES: Mapping[str, str] = {"open": "open", "explained": "explained", HEALED: "closed by itself"}
LINE_TYPES: Mapping[str, str] = {
    "sale": "Sale",
    "refund": "Refund",
    "fee": "Fee",
    "tax": "Tax held back",
    "adjustment": "Adjustment",
    "reserve": "Reserve",
    "transfer": "Transfer",
}


def since(at: datetime | None, now: datetime) -> str:
    """Age of a moment; a dash for None."""
    return span(None if at is None else (now - at).total_seconds())


def relative(at: datetime | None, now: datetime) -> str:
    """``3 min ago`` or ``in 3 min``."""
    if at is None:
        return "–"
    return f"in {since(now, at)}" if at > now else f"{since(at, now)} ago"


def time_of(at: datetime) -> str:
    """``08:00:12.345``, for moments of one story."""
    return f"{at.astimezone(UTC):%H:%M:%S}.{at.microsecond // 1000:03d}"


def took(seconds: float | None) -> str:
    """A duration of machines: ``12 ms``, ``1.3 s``, else as an age."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else span(seconds)


def about(whole: timedelta) -> str:
    """A limit as people say it: ``15 min``, ``1 h``."""
    said = span(whole.total_seconds())
    for nothing in (" 0 s", " 0 min", " 0 h"):
        said = said.removesuffix(nothing)
    return said


def what(told: str) -> str:
    """What a failure is about: its operation in words, then the document."""
    operation, _, document = told.partition(" ")
    return f"{OPERATIONS.get(operation, operation)} {document}".strip()


def counted(number: int, more: bool = False) -> str:
    """A count; ``5 000+`` where counting ended at its bound."""
    return f"{count(number)}{'+' if more else ''}"


def money(amount: Decimal, currency: str) -> str:
    """``12 345.60 USD``, with thin spaces."""
    return f"{amount:,}".replace(",", "\u202f") + f" {currency}"


def sums(by_currency: Mapping[str, Decimal]) -> str:
    """Amounts of several currencies side by side, never added up."""
    return " · ".join(money(amount, currency) for currency, amount in sorted(by_currency.items()))


def percent(share: float | None) -> str:
    """``99.2 %``; a dash without a value; never rounded up to the whole."""
    if share is None:
        return "–"
    return f"{int(share * 1000) / 10:g} %"


def part(value: float | None, whole: float | None) -> float:
    """How far a bar of 100 goes."""
    return round(min(100.0, 100 * value / whole), 1) if value and whole else 0.0


def plural(number: int, one: str, many: str = "") -> str:
    """``1 order``, ``2 orders``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"
