"""Decides what a told state means for a document: the next version, nothing new, or something older than known."""

import hashlib
from datetime import datetime
from typing import Literal

Verdict = Literal["first", "newer", "same", "stale"]

_HEAD = '{"schema_version":1,'
_AS_OF = ',"as_of":"'


def digest_of(told: str) -> str:
    """Digest of a document's content, given its canonical JSON: equal when only the time it was told differs.

    The two fields that are no content, the schema's version and ``as_of``, are cut out of the text. A text inside the document
    cannot be taken for either: the version begins it, and a quotation mark within a value carries a backslash.
    """
    start = told.index(_AS_OF)
    end = told.index('"', start + len(_AS_OF)) + 1
    return hashlib.sha256(f"{{{told[len(_HEAD) : start]}{told[end:]}".encode()).hexdigest()


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
