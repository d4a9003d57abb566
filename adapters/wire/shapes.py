"""Reads what outsiders told into the shape we read of it, and tells where it does not fit without quoting it."""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from adapters.channels.base import Unreadable

S = TypeVar("S", bound=msgspec.Struct)

_WHERE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<where>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_STEP = re.compile(r"\w+|\.\.\.")
_CODES = (
    ("Expected `str` of length <=", "field.string-too-long"),
    ("Expected `str` of length >=", "field.string-too-short"),
    ("Expected `array` of length <=", "field.too-long"),
    ("Expected `int` >=", "field.greater-than-equal"),
    ("Expected `int` <=", "field.less-than-equal"),
    ("Invalid RFC3339", "field.datetime"),
    ("Expected `", "field.type"),
)


def shaped(told: dict[str, Any], shape: type[S], hook: Callable[[type, Any], Any]) -> S | Unreadable:
    """The told object in this shape; ``hook`` makes its own types, and raises ValueError for what is none of them."""
    try:
        return msgspec.convert(told, shape, dec_hook=hook)
    except msgspec.ValidationError as error:
        return _unreadable(str(error))
    except UnicodeError:
        return Unreadable("field.value-error", "text holds half a character")
    except ArithmeticError:
        return Unreadable("field.range", "a number is out of any sensible range")
    except RecursionError:
        return Unreadable("json.depth", "nested too deeply")


def unstorable(told: object) -> str | None:
    """Path of the first text in a shape that no ledger can hold: one with NUL or half a character. None if there is none."""
    return next(_unstorable(told, ()), None)


def _unstorable(told: object, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(told, str):
        if "\x00" in told or any("\ud800" <= character <= "\udfff" for character in told):
            yield ".".join(path)
    elif isinstance(told, tuple):
        for number, one in enumerate(told):
            yield from _unstorable(one, (*path, str(number)))
    elif isinstance(told, msgspec.Struct):
        for name in told.__struct_fields__:
            yield from _unstorable(getattr(told, name), (*path, name))


def _unreadable(message: str) -> Unreadable:
    found = _WHERE.fullmatch(message)
    what, where = (found["what"], found["where"] or "") if found else (message, "")
    path = _STEP.findall(where)
    if missing := _MISSING.fullmatch(what):
        return Unreadable("field.missing", "field required", ".".join((*path, missing[1])))
    code = next((code for begin, code in _CODES if what.startswith(begin)), "field.value-error")
    return Unreadable(code, what[:1].lower() + what[1:], ".".join(path))
