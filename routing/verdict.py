"""Decides what a told state means for a document: the next version, nothing new, or something older than known."""

import hashlib
from datetime import datetime
from typing import Literal

from canonical.order import Order
from canonical.returns import Return
from canonical.shipment import Shipment

Verdict = Literal["first", "newer", "same", "stale"]

_NOT_CONTENT = {"as_of", "schema_version"}


def digest_of(document: Order | Shipment | Return) -> str:
    """Digest of the document's content: equal when only the time it was told differs."""
    return hashlib.sha256(document.model_dump_json(exclude=_NOT_CONTENT).encode()).hexdigest()


def judge(known_version: int, known_as_of: datetime | None, known_digest: str | None, as_of: datetime, digest: str) -> Verdict:
    """Compare a told state with the known one. The newer state wins, whatever the order of arrival.

    Of two states told for the same moment with different content the later arrival wins: senders stamp to the second
    and send several changes within one.
    """
    if known_version == 0 or known_as_of is None:
        return "first"
    if as_of < known_as_of:
        return "stale"
    return "same" if digest == known_digest else "newer"
