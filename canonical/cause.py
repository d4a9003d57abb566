"""Names the cause of a failure with all that is one row's own taken out: ids, numbers, quoted names."""

import hashlib
import re
from dataclasses import dataclass

LONGEST_TEXT = 200

# Order counts: what is quoted may hold anything, an address may hold an id, an id may hold a number.
_OWN = (
    (re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|«[^»]*»|“[^”]*”|‘[^’]*’"), "…"),
    (re.compile(r"[^\s@<>…]+@[^\s@<>…]+"), "…"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "#"),  # one part of it may be letters alone
    (re.compile(r"\w*\d[\w.:/-]*(?:-\w*\d[\w.:/-]*)*"), "#"),
    (re.compile(r"[#…](?:[\s,;/-]*[#…])+"), "#"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why rows fail alike: ``text`` for people, ``fingerprint`` (16 hex digits) to group by."""

    text: str
    fingerprint: str


def normalised(reason: str) -> str:
    """The reason without what differs from row to row: at most 200 characters; doing it twice changes nothing."""
    text, before = reason, ""
    while text != before:
        before = text
        for own, instead in _OWN:
            text = own.sub(instead, text)
        text = text.strip()[:LONGEST_TEXT].strip()
    return text


def cause_of(code: str, reason: str) -> Cause:
    """The cause of a failure; two rows share one if their code and their normalised reason are the same."""
    text = normalised(reason)
    return Cause(text, hashlib.sha256(f"{code}\n{text}".encode("utf-8", "replace")).hexdigest()[:16])
