"""Names the count: how many pieces of one SKU at one place a receiving side believes that it can sell."""

from typing import Literal

from canonical.stock import AtPlace, Pieces


class Count(AtPlace):
    """What a store, a marketplace or a shop front shows as available, ``as_of`` the moment at which it looked.

    A witness: it is compared with the position that was published there, and posted nowhere. For which target it speaks is said
    of its source in the fleet file, for only who signs can be believed about itself.
    """

    kind: Literal["count"] = "count"
    available: Pieces
