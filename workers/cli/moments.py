"""Runs the reading and writing of times on the command line: ``90s``, ``15m``, ``2h``, ``22:30``, ``2026-12-01 22:00``."""

import re
from datetime import datetime, timedelta, tzinfo
from typing import NoReturn

import typer

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SPAN = re.compile(r"(\d{1,7}(?:\.\d{1,3})?)([smhd]?)")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def seconds(text: str) -> float:
    """A span in seconds; a bare number is seconds. Fails as a usage error.

    >>> seconds("15m")
    900.0
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        _wrong(f"{text!r} is no span of time: write 90s, 15m, 2h or 3d")
    return float(found[1]) * _UNITS[found[2] or "s"]


def moment(text: str, now: datetime, zone: tzinfo | None) -> datetime:
    """A moment: a span from now, the next time a clock shows ``22:30``, or a date with time. A time without an offset is of
    ``zone``, None for this machine's. Fails as a usage error.
    """
    told = text.strip()
    if told == "now":
        return now
    if _SPAN.fullmatch(told):
        return now + timedelta(seconds=seconds(told))
    here = now.astimezone(zone)
    if _CLOCK.fullmatch(told):
        at = here.replace(hour=int(told[:2]), minute=int(told[3:]), second=0, microsecond=0, fold=0)
        return at if at > now else _next_day(at)
    try:
        read = datetime.fromisoformat(told)
    except ValueError:
        _wrong(f"{text!r} is no moment: write 2h, 22:30, '2026-12-01 22:00' or 2026-12-01T22:00+01:00")
    if read.tzinfo is not None:
        return read
    return read.astimezone() if zone is None else read.replace(tzinfo=zone)


def span(length_s: float | None) -> str:
    """A span for people, two units at most: ``12s``, ``3m 10s``, ``2h 5m``, ``4d 1h``; ``-`` for none."""
    if length_s is None:
        return "-"
    left = max(0, round(length_s))
    for big, small in (("d", "h"), ("h", "m"), ("m", "s")):
        if left >= _UNITS[big]:
            whole, rest = divmod(left, _UNITS[big])
            return f"{whole}{big} {rest // _UNITS[small]}{small}" if rest >= _UNITS[small] else f"{whole}{big}"
    return f"{left}s"


def _next_day(at: datetime) -> datetime:
    # By the calendar, not by 24 hours: the clock shows the same time tomorrow, also after a change of it.
    if at.tzinfo is not None and hasattr(at.tzinfo, "key"):
        return at + timedelta(days=1)
    return (at.replace(tzinfo=None) + timedelta(days=1)).astimezone()


def _wrong(text: str) -> NoReturn:
    raise typer.BadParameter(text)
