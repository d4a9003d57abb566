"""Names the common shape of every canonical model: frozen, closed, versioned by its schema."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
)


def _no_number(told: Any) -> Any:
    # A bare number would be read as seconds or milliseconds since 1970, by its size.
    if isinstance(told, int | float | Decimal):
        raise ValueError("a time must be written as text, such as 2026-11-27T09:00:00Z")
    return told


def _aware_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("time without a zone: send UTC or an offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("time out of range") from None


def storable(text: Any) -> Any:
    """The text. Raises ValueError for what no ledger can hold."""
    # PostgreSQL stores neither; both arrive in real webhooks, so they are refused by name rather than by a driver.
    if isinstance(text, str) and ("\x00" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text))):
        raise ValueError("text holds NUL or a lone surrogate")
    return text


Moment = Annotated[datetime, BeforeValidator(_no_number), AfterValidator(_aware_utc)]
"""A point in time, aware, always UTC."""

Text = Annotated[str, StringConstraints(max_length=2_000), BeforeValidator(storable)]
"""Free text of a sender, at most 2 000 characters."""

Key = Annotated[
    str,
    StringConstraints(min_length=1, max_length=190, strip_whitespace=True),
    BeforeValidator(storable),
]
"""A business key: 1 to 190 characters, surrounding white space removed."""


class Frozen(BaseModel):
    """Base of the canonical models: immutable, unknown fields refused, NaN and infinity refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
