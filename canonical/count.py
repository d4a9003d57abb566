"""Names the count: how many pieces of one SKU at one place a receiving side believes that it can sell."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from canonical.document import Document
from canonical.model import Key
from canonical.stock import Location, Pieces, StockPosition, without_default


class Count(Document):
    """What a store, a marketplace or a shop front shows as available, ``as_of`` the moment at which it looked.

    A witness: it is compared with the position that was published there, and posted nowhere. For which target it speaks is said
    of its source in the fleet file, for only who signs can be believed about itself. The key may be left out: it is
    ``sku@location``, as the position's.
    """

    kind: Literal["count"] = "count"
    key: Key = Field(default="", json_schema_extra=without_default)
    sku: Key
    location: Location
    available: Pieces

    @property
    def number(self) -> str:
        """What people look it up by: the SKU."""
        return self.sku

    @model_validator(mode="before")
    @classmethod
    def _keyed(cls, told: Any) -> Any:
        if isinstance(told, Mapping) and "key" not in told:
            sku, location = told.get("sku"), told.get("location")
            if isinstance(sku, str) and isinstance(location, str):
                return {**told, "key": StockPosition.key_of(sku.strip(), location.strip())}
        return told

    @model_validator(mode="after")
    def _key_names_it(self) -> "Count":
        if self.key != StockPosition.key_of(self.sku, self.location):
            raise ValueError("the key of a count is its sku, an @ and its location; leave it out")
        return self
