"""Reads JSON of outsiders exactly: numbers as Decimal, doubled keys refused, faults told without quoting the payload."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from adapters.channels.base import Unreadable

T = TypeVar("T")

LONGEST_NUMBER = 64
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder()
# Every character a number is written with becomes a 0: more of them on end than a number may have is looked at exactly.
_RUNS = bytes(ord("0") if byte in b"0123456789.eE+-" else ord(" ") for byte in range(256))
_LONG_RUN = b"0" * (LONGEST_NUMBER + 1)
_OUR_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# The texts of these kinds of error quote what was sent.
_QUOTING = {"union_tag_invalid": "not one of the known kinds", "extra_forbidden": "a field that the schema does not know"}


class _RefusalError(ValueError):
    """JSON that is well-formed and still cannot be taken; ``code`` is stable."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def read_object(body: bytes) -> dict[str, Any] | Unreadable:
    """The JSON object a body holds, for any bytes: never raises. Numbers are int or Decimal, never float."""
    plain = _read_plain(body)
    return _read_exactly(body) if plain is None else plain


def _read_plain(body: bytes) -> dict[str, Any] | None:
    """The object of a body in which nothing is to be refused, read three times as fast; None leaves it to the exact reading.

    A doubled key shows in the colons: a reader that keeps the last of the two writes fewer of them than it was given, for
    each one belongs to a key or stands in a text, where only an escape (excluded here) could add one.
    """
    if _LONG_RUN in body.translate(_RUNS) or b"\\u003" in body:
        return None
    try:
        value = _DECODER.decode(body)
        same = _ENCODER.encode(value).count(b":") == body.count(b":")
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return value if same and isinstance(value, dict) else None


def _read_exactly(body: bytes) -> dict[str, Any] | Unreadable:
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_int=_whole,
            parse_float=_decimal,
            parse_constant=_no_constant,
            object_pairs_hook=_distinct,
        )
    except UnicodeDecodeError as error:
        return Unreadable("json.encoding", f"not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        return Unreadable("json.invalid", f"not JSON: {error.msg} at line {error.lineno} column {error.colno}")
    except RecursionError:
        return Unreadable("json.depth", "nested too deeply")
    except _RefusalError as refusal:
        return Unreadable(refusal.code, str(refusal))
    if not isinstance(value, dict):
        return Unreadable("json.shape", "the body must be one JSON object")
    return value


def understand(build: Callable[[], T], prefix: str = "") -> T | Unreadable:
    """What ``build`` makes of a payload, or where and why it cannot; the values that were sent are never told."""
    try:
        return build()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return Unreadable(f"field.{first['type']}".replace("_", "-"), _reason(first), _path(first, prefix))
    except ArithmeticError:
        return Unreadable("field.range", "a number or time is out of any sensible range", prefix)
    except RecursionError:
        return Unreadable("json.depth", "nested too deeply", prefix)


def _reason(error: ErrorDetails) -> str:
    told = _QUOTING.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    return told[:1].lower() + told[1:]


def _path(error: ErrorDetails, prefix: str) -> str:
    # Names are told as far as they can be ours: an unknown field's name is the sender's text.
    steps = error["loc"][:-1] if error["type"] == "extra_forbidden" else error["loc"]
    ours = (str(step) if isinstance(step, int) or _OUR_NAME.fullmatch(step) else "?" for step in steps)
    return ".".join((prefix, *ours) if prefix else ours)


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise _RefusalError("json.number", f"a number of more than {LONGEST_NUMBER} characters")
    return int(digits)


def _decimal(digits: str) -> Decimal:
    if len(digits) > LONGEST_NUMBER:
        raise _RefusalError("json.number", f"a number of more than {LONGEST_NUMBER} characters")
    try:
        return Decimal(digits)
    except ArithmeticError:
        raise _RefusalError("json.number", "a number with an exponent out of range") from None


def _no_constant(_name: str) -> None:
    raise _RefusalError("json.number", "NaN and Infinity are no JSON numbers")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RefusalError("json.duplicate-key", "one object holds the same key twice")
    return found
