"""Names the stock position: how many pieces of one article can be sold from one place, and when they were counted."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, StringConstraints, model_validator

from canonical.document import Document
from canonical.model import Key, storable

MOST_PIECES = 1_000_000_000

Pieces = Annotated[int, Field(ge=-MOST_PIECES, le=MOST_PIECES, strict=True)]
"""A whole number of pieces, of any sign: more may be promised than there are."""

Held = Annotated[int, Field(ge=0, le=MOST_PIECES, strict=True)]
"""A whole number of pieces that cannot be negative."""

Location = Annotated[
    str,
    StringConstraints(min_length=1, max_length=190, strip_whitespace=True, pattern=r"^[^@]+$"),
    BeforeValidator(storable),
]
"""A place that stock stands at: a store, a warehouse, a marketplace's own. It holds no ``@``, which begins it in the key."""


def _no_default(schema: dict[str, JsonValue]) -> None:
    schema.pop("default", None)


class AtPlace(Document):
    """Something said of one SKU at one location. The key may be left out: it is ``sku@location``."""

    kind: Literal["stock", "count"]
    key: Key = Field(default="", json_schema_extra=_no_default)
    sku: Key
    location: Location

    @property
    def number(self) -> str:
        """What people look it up by: the SKU, which finds all its places."""
        return self.sku

    @staticmethod
    def key_of(sku: str, location: str) -> str:
        """Business key. The last ``@`` ends the SKU, so two places never share one."""
        return f"{sku}@{location}"

    @model_validator(mode="before")
    @classmethod
    def _keyed(cls, told: Any) -> Any:
        if isinstance(told, Mapping) and "key" not in told:
            sku, location = told.get("sku"), told.get("location")
            if isinstance(sku, str) and isinstance(location, str):
                return {**told, "key": cls.key_of(sku.strip(), location.strip())}
        return told

    @model_validator(mode="after")
    def _key_names_it(self) -> Self:
        if self.key != self.key_of(self.sku, self.location):
            raise ValueError("the key of a stock position or count is its sku, an @ and its location; leave it out")
        return self


class StockPosition(AtPlace):
    """What can be sold of one SKU at one location. ``as_of`` is when it was counted: an older count never replaces a newer one.

    ``available`` is what may be promised to customers; it is below zero where a system sold more than there was, and goes out so.
    ``on_hand``, ``reserved`` and ``safety_stock`` say how it came about, where the sender tells them: nothing is computed from
    them, for systems differ in what they hold back.

    >>> StockPosition.key_of("SKU-1", "berlin")
    'SKU-1@berlin'
    """

    kind: Literal["stock"] = "stock"
    available: Pieces
    on_hand: Pieces | None = None
    reserved: Held | None = None
    safety_stock: Held | None = None
