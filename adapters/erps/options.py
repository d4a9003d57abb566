"""Reads the options of a target's table for its adapter: unknown names with the nearest right one, each value by its reader.

A reader takes a value and returns it as the adapter wants it, or raises ValueError with what it must be.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TypeVar

from config.nearest import ConfigError, hint

Option = str | int | float | bool
Reader = Callable[[Option], object]
Options = TypeVar("Options")

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def read_options(
    vendor: str, made: type[Options], given: Mapping[str, Option], readers: Mapping[str, Reader], otherwise: Reader
) -> Options:
    """The options, each name not in ``readers`` read by ``otherwise``. ``made`` is a dataclass.

    Raises ConfigError for an unknown or wrong option.
    """
    known = {f.name for f in fields(made)}  # type: ignore[arg-type]  # a dataclass, as said
    read: dict[str, object] = {}
    for name, value in given.items():
        if name not in known:
            raise ConfigError(f"{vendor}: unknown option {name!r}; {hint(name, known)}")
        try:
            read[name] = readers.get(name, otherwise)(value)
        except ValueError as error:
            raise ConfigError(f"{vendor}: option {name!r} {error}") from None
    return made(**read)


def text(value: Option) -> str:
    """A text, or a whole number as one.

    >>> text(7.0), text("0042")
    ('7', '0042')
    """
    if isinstance(value, bool) or (isinstance(value, float) and value != int(value)):
        raise ValueError("must be a text or a whole number")
    return str(int(value)) if isinstance(value, float) else str(value)


def flag(value: Option) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def guid(value: Option) -> str:
    """An id as Microsoft writes them."""
    if not GUID.fullmatch(str(value)):
        raise ValueError("must be an id (a GUID)")
    return str(value)


def whole(least: int, most: int) -> Reader:
    """A whole number within bounds."""

    def read(value: Option) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return value

    return read


def choice(*words: str) -> Reader:
    """One of some words."""

    def read(value: Option) -> str:
        if value not in words:
            raise ValueError(f"must be {' or '.join(words)}; {hint(str(value), words)}")
        return str(value)

    return read


def numbers_by_currency(value: Option) -> dict[str, str]:
    """Ids by ISO code.

    >>> numbers_by_currency("USD:1, EUR:4")
    {'USD': '1', 'EUR': '4'}
    """
    pairs = [part.partition(":") for part in str(value).replace(",", " ").split()]
    if not all(len(code) == 3 and code.isalpha() and number.isdecimal() for code, _, number in pairs):
        raise ValueError('must look like "USD:1 EUR:4": ISO code and the id of the currency')
    return {code.upper(): number for code, _, number in pairs}
