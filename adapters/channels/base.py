"""Port of a channel: verify, identify and parse what one kind of sender tells us."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from msgspec import Struct

from canonical.document import Domain
from canonical.kinds import AnyDocument


@dataclass(frozen=True, slots=True)
class Inbound:
    """A request as it came: header names lower-case, doubled headers kept; the body is the raw bytes."""

    source: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    received_at: datetime

    def header(self, name: str) -> str | None:
        """The one value of a header; None if it is missing **or sent twice**, so a doubled signature never passes."""
        values = [value for key, value in self.headers if key == name]
        return values[0] if len(values) == 1 else None


@dataclass(frozen=True, slots=True)
class Refused:
    """The sender could not prove who it is; ``reason`` is for our logs, never for the sender."""

    reason: str


@dataclass(frozen=True, slots=True)
class Identity:
    """What the headers alone tell: the sender's event id, its topic, and the domain (None: kept, not worked on)."""

    event_key: str
    topic: str
    domain: Domain | None


class Told(Struct, frozen=True):
    """An accepted event as the ledger kept it."""

    source: str
    topic: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


class Parsed(Struct, frozen=True):
    """What one event says: the documents in their newest told state, in the order in which they must be written."""

    documents: tuple[AnyDocument, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The event cannot be understood; ``path`` points into the payload, ``reason`` quotes none of it."""

    code: str
    reason: str
    path: str = ""


@runtime_checkable
class Peeking(Protocol):
    """A channel that can tell an order's shipping method without reading the order, while the sender waits.

    A hint and never content: it only says in which class an event waits to be prepared. Wrong or missing, the order is
    prepared a little later or earlier; what becomes of it is decided by the document that is read then.
    """

    def peek(self, topic: str, body: bytes) -> str | None:
        """The shipping method as it stands in the bytes of a proven body; None if none is seen. Cheap, never raises."""
        ...


class Channel(Protocol):
    """One kind of sender. Stateless; one object serves every configured source of its kind."""

    kept_headers: frozenset[str]
    """Lower-case names of the headers that are stored with the event."""

    def verify(self, request: Inbound, keys: Sequence[bytes], now: datetime) -> Refused | None:
        """None if any of ``keys`` (newest first, overlap while rotating) signed these bytes. Constant time."""
        ...

    def identify(self, request: Inbound) -> Identity | Refused:
        """Event id, topic and domain, from headers (and a digest of the body where the sender gives no id)."""
        ...

    def parse(self, event: Told) -> Parsed | Unreadable:
        """The canonical documents an event tells. Never raises for any bytes."""
        ...
