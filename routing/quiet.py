"""Decides what waits for quiet hours, and until when, by the local clock of a zone. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from config.peaks import DeferRule
from routing.names import Class


def rests_until(rules: Sequence[DeferRule], kind: str, source: str, cls: Class, target: str, at: datetime) -> datetime | None:
    """When a delivery that is written ``at`` goes on, by the first rule that it meets; None: at once."""
    rule = next((rule for rule in rules if _meets(rule, kind, source, cls, target)), None)
    if rule is None:
        return None
    begins_at = next_quiet(*rule.hours, rule.zone, at)
    return None if begins_at is None else min(begins_at, at + timedelta(seconds=rule.at_most_s))


def next_quiet(begin: time, end: time, zone: str, at: datetime) -> datetime | None:
    """When quiet hours begin next, in UTC; None while they last.

    They are of local time, also over a change of the clock; a time that the clock skips comes as much later, of one that comes
    twice it is the first. ``end`` before ``begin`` is on the next day.
    """
    local = ZoneInfo(zone)
    today = at.astimezone(local).date()
    for days in range(-1, 3):
        day = today + timedelta(days=days)
        begins_at = datetime.combine(day, begin, local).astimezone(UTC)
        last = day if end > begin else day + timedelta(days=1)
        if begins_at <= at < datetime.combine(last, end, local).astimezone(UTC):
            return None
        if begins_at > at:
            return begins_at
    raise AssertionError("quiet hours come every day")


def _meets(rule: DeferRule, kind: str, source: str, cls: Class, target: str) -> bool:
    return (
        kind in rule.kinds
        and cls in rule.classes
        and any(fnmatchcase(source, pattern) for pattern in rule.sources)
        and any(fnmatchcase(target, pattern) for pattern in rule.targets)
    )
