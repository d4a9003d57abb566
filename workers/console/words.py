"""Runs the writing of times, spans and numbers on pages: one form of each everywhere."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60


def clock(moment: datetime | None) -> Markup | str:
    """A moment in UTC, to the second: what programs read stands in the element."""
    if moment is None:
        return "–"
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(), utc.strftime("%Y-%m-%d %H:%M:%S"))


def span(seconds: float | None) -> str:
    """A span in the two largest units that say something.

    >>> span(3725)
    '1 h 2 min'
    """
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if whole >= _DAY:
        return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"
    if whole >= _HOUR:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    if whole >= _MINUTE:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole} s"


def count(number: float | None) -> str:
    """A number with thin spaces between thousands.

    >>> count(12345)
    '12\u202f345'
    """
    return "–" if number is None else f"{number:,}".replace(",", "\u202f")


FILTERS: Mapping[str, Callable[..., Any]] = {"clock": clock, "span": span, "count": count}
