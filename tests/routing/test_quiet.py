"""Quiet hours by the local clock: over midnight, over a change of the clock, per rule."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.peaks import DeferRule
from routing.quiet import next_quiet, rests_until

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def clock(text: str) -> time:
    return time.fromisoformat(text)


def a_rule(**told: Any) -> DeferRule:
    return DeferRule.model_validate({"quiet_from": "22:00", "quiet_to": "06:00", **told})


@pytest.mark.parametrize(
    ("begin", "end", "zone", "at", "next_at"),
    [
        ("22:00", "06:00", "UTC", "2026-11-27T12:00", "2026-11-27T22:00"),
        ("22:00", "06:00", "UTC", "2026-11-27T22:00", None),
        ("22:00", "06:00", "UTC", "2026-11-27T23:30", None),
        ("22:00", "06:00", "UTC", "2026-11-28T05:59", None),
        ("22:00", "06:00", "UTC", "2026-11-28T06:00", "2026-11-28T22:00"),
        ("01:00", "04:00", "UTC", "2026-11-27T00:30", "2026-11-27T01:00"),
        ("01:00", "04:00", "UTC", "2026-11-27T04:00", "2026-11-28T01:00"),
        # winter and summer in Berlin are one and two hours ahead
        ("22:00", "06:00", BERLIN, "2026-11-27T12:00", "2026-11-27T21:00"),
        ("22:00", "06:00", BERLIN, "2026-07-01T12:00", "2026-07-01T20:00"),
        ("22:00", "06:00", NEW_YORK, "2026-11-27T12:00", "2026-11-28T03:00"),
        # the night of 29 March 2026 has no 02:30 in Berlin: it comes as much later
        ("02:30", "05:00", BERLIN, "2026-03-29T00:00", "2026-03-29T01:30"),
        ("02:30", "05:00", BERLIN, "2026-03-29T01:30", None),
        # on 25 October 2026 the hour from 02:00 comes twice: quiet hours begin at the first 02:30 and last over the second
        ("02:30", "05:00", BERLIN, "2026-10-24T23:00", "2026-10-25T00:30"),
        ("02:30", "05:00", BERLIN, "2026-10-25T01:45", None),
        ("02:30", "05:00", BERLIN, "2026-10-25T04:00", "2026-10-26T01:30"),
    ],
)
def test_quiet_hours_begin_by_the_local_clock(begin: str, end: str, zone: str, at: str, next_at: str | None) -> None:
    assert next_quiet(clock(begin), clock(end), zone, utc(at)) == (utc(next_at) if next_at else None)


@given(
    at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001  it adds the zone
    begin=st.times(),
    length_h=st.integers(1, 22),
    zone=st.sampled_from(["UTC", BERLIN, NEW_YORK, "Australia/Lord_Howe", "Pacific/Apia"]),
)
def test_the_next_quiet_hours_are_at_most_a_day_away_and_quiet_when_they_begin(
    at: datetime, begin: time, length_h: int, zone: str
) -> None:
    begin = begin.replace(second=0, microsecond=0)
    end = (datetime.combine(at.date(), begin) + timedelta(hours=length_h)).time()

    found = next_quiet(begin, end, zone, at)

    if found is not None:
        assert at < found <= at + timedelta(hours=26)
        assert next_quiet(begin, end, zone, found) is None
        local = found.astimezone(ZoneInfo(zone))
        assert local.time() == begin or local.replace(tzinfo=None) != datetime.combine(local.date(), begin)


def test_a_rule_defers_what_it_names_and_the_first_that_fits_decides() -> None:
    rules = [
        a_rule(kinds=["return"], sources=["shop*"], classes=["low"], targets=["books"], at_most_s=3_600),
        a_rule(kinds=["return"]),
    ]
    noon, night = utc("2026-11-27T12:00"), utc("2026-11-27T22:00")

    assert rests_until(rules, "return", "shopify", "low", "books", noon) == noon + timedelta(hours=1)
    assert rests_until(rules, "return", "shopify", "high", "books", noon) == night
    assert rests_until(rules, "return", "open", "low", "books", noon) == night
    assert rests_until(rules, "return", "shopify", "low", "other", noon) == night
    assert rests_until(rules, "order", "shopify", "low", "books", noon) is None
    assert rests_until(rules, "return", "shopify", "low", "books", night) is None
    assert rests_until([], "return", "shopify", "low", "books", noon) is None
