"""Names the settlement: what a marketplace or payment provider says it paid out, line by line, for which orders."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, JsonValue, StringConstraints, WithJsonSchema, model_validator

from canonical.document import Document
from canonical.model import Frozen, Key, Moment, storable
from canonical.money import Amount, Currency
from canonical.order import MOST_LINES

MOST_PARTS = 1_000

LineType = Literal["sale", "refund", "fee", "tax", "adjustment", "reserve", "transfer"]
LINE_TYPES: tuple[LineType, ...] = get_args(LineType)

PayoutKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=180, strip_whitespace=True, pattern=r"^[^@]+$"),
    BeforeValidator(storable),
]
"""The sender's id of a payout. It holds no ``@``, which begins the number of a part in the key."""

Part = Annotated[int, Field(ge=1, le=MOST_PARTS, strict=True)]
"""Which of how many documents of one payout, from 1 on."""


def _blank_is_none(told: Any) -> Any:
    # Settlement files leave the column empty: that is no order, and nothing to guess.
    return None if isinstance(told, str) and not told.strip() else told


Reference = Annotated[
    Key | None,
    BeforeValidator(_blank_is_none),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": 190}, {"type": "null"}]}),
]
"""A business key that a line may lack; an empty text is none."""


def _no_default(schema: dict[str, JsonValue]) -> None:
    schema.pop("default", None)


class SettlementLine(Frozen):
    """One row of a payout. ``amount`` is what the merchant gets by it: a sale above zero, a refund or fee below.

    ``sale`` and ``refund`` are the whole amounts between customer and merchant, taxes included: they are compared with the
    order and its returns. All else (``fee``, ``tax`` held back, ``adjustment``, ``reserve``, ``transfer``) is added up and
    compared with nothing. ``order_key`` is the order's key as its own source told it; none where the row names no order.
    """

    key: Key
    type: LineType
    order_key: Reference = None
    return_key: Reference = None
    amount: Amount
    description: Annotated[str, StringConstraints(max_length=200), BeforeValidator(storable)] | None = None

    @model_validator(mode="after")
    def _a_return_has_an_order(self) -> "SettlementLine":
        if self.return_key is not None and self.order_key is None:
            raise ValueError("a line that names a return names its order too")
        return self


class Settlement(Document):
    """What was paid out, or one part of it where a payout has more lines than one document takes.

    Every part tells the whole payout's ``total``, ``currency`` and number of ``parts``. The key may be left out: it is the
    payout's id, with ``@`` and the number for the second part and those after it. Lines that do not add up to the total are no
    reason to refuse it: that is what it is compared for.

    >>> Settlement.key_of("PO-7", 1), Settlement.key_of("PO-7", 2)
    ('PO-7', 'PO-7@2')
    """

    kind: Literal["settlement"] = "settlement"
    key: Key = Field(default="", json_schema_extra=_no_default)
    payout: PayoutKey
    part: Part = 1
    parts: Part = 1
    period_from: Moment | None = None
    period_to: Moment | None = None
    paid_at: Moment
    currency: Currency
    total: Amount
    lines: Annotated[tuple[SettlementLine, ...], Field(min_length=1, max_length=MOST_LINES)]

    @property
    def number(self) -> str:
        """What people look it up by: the payout's id, which finds all its parts."""
        return self.payout

    @property
    def lines_total(self) -> Decimal:
        """Sum of this document's lines."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @staticmethod
    def key_of(payout: str, part: int) -> str:
        """Business key of a part."""
        return payout if part == 1 else f"{payout}@{part}"

    @model_validator(mode="before")
    @classmethod
    def _keyed(cls, told: Any) -> Any:
        if isinstance(told, Mapping) and "key" not in told:
            payout, part = told.get("payout"), told.get("part", 1)
            if isinstance(payout, str) and isinstance(part, int):
                return {**told, "key": cls.key_of(payout.strip(), part)}
        return told

    @model_validator(mode="after")
    def _holds_together(self) -> "Settlement":
        if self.key != self.key_of(self.payout, self.part):
            raise ValueError(
                "the key of a settlement is its payout, from the second part on with an @ and the part; leave it out"
            )
        if self.part > self.parts:
            raise ValueError("the part is larger than the number of parts")
        if len({line.key for line in self.lines}) != len(self.lines):
            raise ValueError("two lines share one key")
        if self.period_from is not None and self.period_to is not None and self.period_from > self.period_to:
            raise ValueError("the period ends before it begins")
        return self
