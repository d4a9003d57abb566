"""Allows fields: the closed list of what an event may carry, each with its kind. Everything else is dropped and counted."""

import math
import re
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct

from telemetry.masking import MASK, mask_key, mask_text

Value = str | int | float | bool | tuple[int, ...]


class Kind(Enum):
    """What a field may hold. A value of another type is dropped, never converted."""

    ID = auto()
    """Number or identifier of a row, message, document or lease: e-mail addresses, tokens and card numbers in it are masked."""
    ROWS = auto()
    """Row ids of a bundle."""
    WORD = auto()
    """One word of a small vocabulary (state, target, queue, code)."""
    NODE = auto()
    """Name of one of our own processes, `pool@host` with the short host name; a dot after the @ is what an e-mail address has."""
    COUNT = auto()
    """Whole number."""
    SECONDS = auto()
    """Duration in seconds; its name ends in `_s`."""
    FLAG = auto()
    """True or false."""
    TEXT = auto()
    """Short text for a person, masked; names and addresses must not be put in."""


_BY_KIND: Mapping[Kind, tuple[str, ...]] = {
    Kind.ID: (
        "correlation_id", "trace_id", "event_id", "document_id", "delivery_id", "message_id", "sender_event_id",
        "key", "predecessor", "remote_id", "lease",
    ),
    Kind.ROWS: ("rows",),
    Kind.WORD: (
        "source", "topic", "kind", "domain", "family", "queue", "exchange", "cls", "target", "operation", "outcome",
        "state", "result", "failure", "stage", "method", "error_code", "error_type", "profile", "pool", "role", "listener",
    ),
    Kind.NODE: ("worker",),
    Kind.COUNT: (
        "count", "attempt", "calls", "size_bytes", "status", "version", "limit", "pid", "port", "exit_code", "waiting",
        "buffered", "weight",
    ),
    Kind.SECONDS: ("duration_s", "wait_s", "waited_s", "end_to_end_s", "age_s", "skew_s"),
    Kind.FLAG: ("uncertain", "redelivered", "duplicate"),
    Kind.TEXT: ("reason", "remedy", "detail"),
}  # fmt: skip

FIELDS: Mapping[str, Kind] = MappingProxyType({name: kind for kind, names in _BY_KIND.items() for name in names})
"""Every field there is. `cls` (high, normal, low) is shown as `class`."""

LONGEST_TEXT = 400
LONGEST_ID = 160
MOST_ROWS = 100
_WORD = re.compile(r"[A-Za-z0-9*][A-Za-z0-9_.:/*#-]{0,79}")
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?:@[A-Za-z0-9][A-Za-z0-9_-]{0,127})?")
_PLAIN_ID = re.compile(r"#?[A-Z]{0,4}-?[0-9]{1,14}|[0-9a-f]{32}")
_BIGGEST = 2**63


class Admitted(Struct, frozen=True):
    """Fields that may be told, and how many were dropped."""

    values: Mapping[str, Value]
    dropped: int


def admit(fields: Mapping[str, object], read: frozenset[str] | None = None) -> Admitted:
    """Keep the allowed fields, masked; `None` means absent; everything unknown or of a wrong type is dropped and counted.
    With `read` only those are kept; of the others it is counted whether they are known.
    """
    values: dict[str, Value] = {}
    dropped = 0 if read is None or fields.keys() <= FIELDS.keys() else _unknown(fields, read)
    for name in fields if read is None else read & fields.keys():
        raw = fields[name]
        if raw is None:
            continue
        clean = _CLEAN.get(name)
        value = None if clean is None else clean(raw)
        if value is None:
            dropped += 1
        else:
            values[name] = value
    return Admitted(values, dropped)


def _unknown(fields: Mapping[str, object], read: frozenset[str]) -> int:
    return sum(raw is not None for name, raw in fields.items() if name not in FIELDS and name not in read)


def _clean_id(raw: object) -> Value | None:
    if isinstance(raw, str):
        return raw if _PLAIN_ID.fullmatch(raw) else mask_key(raw)[:LONGEST_ID]
    return _clean_count(raw)


def _clean_rows(raw: object) -> Value | None:
    if not isinstance(raw, tuple | list):
        return None
    rows = tuple(row for row in raw[:MOST_ROWS] if type(row) is int)
    return rows if len(rows) == len(raw[:MOST_ROWS]) else None


def _clean_word(raw: object) -> Value | None:
    return _checked_word(raw) if isinstance(raw, str) and len(raw) <= LONGEST_ID else None


def _clean_node(raw: object) -> Value | None:
    return _checked_node(raw) if isinstance(raw, str) and len(raw) <= LONGEST_ID else None


def _clean_count(raw: object) -> Value | None:
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < _BIGGEST else None


def _clean_seconds(raw: object) -> Value | None:
    if isinstance(raw, float):
        return raw if math.isfinite(raw) else None
    return _clean_count(raw)


def _clean_flag(raw: object) -> Value | None:
    return raw if isinstance(raw, bool) else None


def _clean_text(raw: object) -> Value | None:
    return mask_text(raw)[:LONGEST_TEXT] if isinstance(raw, str) else None


# Words come from small vocabularies: looked at once, they cost nothing again.
@lru_cache(maxsize=4096)
def _checked_word(raw: str) -> str | None:
    if _WORD.fullmatch(raw) is None:
        return None
    return raw if mask_text(raw) == raw else MASK


@lru_cache(maxsize=256)
def _checked_node(raw: str) -> str | None:
    if _NODE.fullmatch(raw) is None:
        return None
    parts = raw.replace("@", " ")
    return raw if mask_text(parts) == parts else MASK


_BY = {
    Kind.ID: _clean_id,
    Kind.ROWS: _clean_rows,
    Kind.WORD: _clean_word,
    Kind.NODE: _clean_node,
    Kind.COUNT: _clean_count,
    Kind.SECONDS: _clean_seconds,
    Kind.FLAG: _clean_flag,
    Kind.TEXT: _clean_text,
}
_CLEAN: Mapping[str, Callable[[object], Value | None]] = {name: _BY[kind] for name, kind in FIELDS.items()}
