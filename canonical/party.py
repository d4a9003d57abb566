"""Names people and places: the party that buys and its addresses. Personal data lives in these two models only."""

from canonical.model import Frozen, Key, Text


class Address(Frozen):
    """A postal address as the channel gave it; ``country`` is an ISO 3166 alpha-2 code where known."""

    name: Text | None = None
    company: Text | None = None
    line1: Text | None = None
    line2: Text | None = None
    city: Text | None = None
    region: Text | None = None
    postal_code: Text | None = None
    country: Text | None = None
    phone: Text | None = None


class Party(Frozen):
    """The buyer. ``key`` is the channel's customer id; None for a guest."""

    key: Key | None = None
    name: Text | None = None
    email: Text | None = None
    phone: Text | None = None
