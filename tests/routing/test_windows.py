"""Maintenance windows: phases in absolute times, weeks across changes of the clock, canary, ramp, and what overlaps."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.windows import (
    LEAST_SCALE,
    Maintenance,
    Progress,
    Weekly,
    accepted_needed,
    current,
    next_occurrence,
    occurrences,
    phases,
    ramp_scale,
    strictest,
)

START = datetime(2026, 12, 1, 22, 0, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")


def once(number: int = 1, start: datetime = START, **more: object) -> Maintenance:
    told: dict[str, object] = {"duration_s": 7_200.0, "announce_s": 3_600.0, "drain_s": 600.0, "canary": 2, "ramp_s": 300.0}
    return Maintenance(number, "deliver.erp", start, created_at=LONG_AGO, **told | more)  # type: ignore[arg-type]


def weekly(days: set[int], at: time, zone: str, **more: object) -> Maintenance:
    told: dict[str, object] = {"duration_s": 3_600.0, "created_at": LONG_AGO}
    return Maintenance(1, "deliver.erp", Weekly(frozenset(days), at, zone), **told | more)  # type: ignore[arg-type]


def kind_at(window: Maintenance, at: datetime, progress: Progress | None = None) -> str | None:
    found = strictest(current(window, {progress.starts_at: progress} if progress else {}, at))
    return found.phase.kind if found else None


def test_a_window_is_announced_drained_held_and_then_waits_for_its_canary() -> None:
    window = once()

    seen = [(phase.kind, phase.starts_at - START, phase.ends_at and phase.ends_at - START) for phase in phases(window, START)]

    minute = timedelta(minutes=1)
    assert seen == [
        ("announced", -60 * minute, -10 * minute),
        ("draining", -10 * minute, 0 * minute),
        ("held", 0 * minute, 120 * minute),
        ("canary", 120 * minute, None),
    ]


def test_a_canary_goes_on_until_its_deliveries_are_accepted_then_the_limit_rises_to_its_whole() -> None:
    window, opened = once(), START + 5 * HOUR
    done = Progress(START, opened_at=opened, accepted=2)

    assert kind_at(window, START + 30 * timedelta(days=1)) == "canary"
    assert kind_at(window, opened - timedelta(seconds=1), done) == "canary"
    scales = [current(window, {START: done}, opened + timedelta(seconds=s))[0].scale(opened + timedelta(seconds=s)) for s in
              (0, 150, 299)]  # fmt: skip
    assert scales == [LEAST_SCALE, pytest.approx(0.55), pytest.approx(0.997)]
    assert kind_at(window, opened + timedelta(seconds=300), done) is None


def test_without_canary_and_ramp_the_lane_opens_at_the_end() -> None:
    window = once(canary=0, ramp_s=0.0)

    assert kind_at(window, START + timedelta(seconds=7_199)) == "held"
    assert kind_at(window, START + timedelta(seconds=7_200)) is None


def test_an_operator_may_let_the_canary_go_inside_the_window_also_where_none_was_asked_for() -> None:
    window, early = once(canary=0), Progress(START, canary_at=START + HOUR)

    assert kind_at(window, START + HOUR - timedelta(seconds=1), early) == "held"
    assert kind_at(window, START + HOUR, early) == "canary"
    assert (accepted_needed(window, None), accepted_needed(window, early)) == (0, 1)
    accepted = Progress(START, canary_at=START + HOUR, opened_at=START + HOUR + timedelta(minutes=1), accepted=1)
    assert kind_at(window, START + HOUR + timedelta(minutes=2), accepted) == "ramp"
    assert kind_at(window, START + HOUR + timedelta(minutes=7), accepted) is None


def test_a_canary_let_go_while_the_lane_drains_leaves_nothing_held() -> None:
    early = Progress(START, canary_at=START - timedelta(minutes=5))

    told = {phase.kind for phase in phases(once(), START, early)}

    assert told == {"announced", "draining", "canary"}


def test_an_occurrence_that_was_skipped_says_nothing() -> None:
    assert kind_at(once(), START + HOUR, Progress(START, skipped=True)) is None
    assert next_occurrence(once(), {START: Progress(START, skipped=True)}, START - HOUR) is None


def test_a_week_keeps_its_local_time_across_both_changes_of_the_clock() -> None:
    window = weekly({6}, time(1, 30), "Europe/Berlin")

    spring = list(occurrences(window, datetime(2026, 3, 20, tzinfo=UTC), datetime(2026, 4, 7, tzinfo=UTC)))
    autumn = list(occurrences(window, datetime(2026, 10, 17, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)))

    assert [f"{at:%d %H:%M}" for at in spring] == ["22 00:30", "29 00:30", "04 23:30"]
    assert [f"{at:%d %H:%M}" for at in autumn] == ["17 23:30", "24 23:30", "01 00:30"]
    assert all(at.astimezone(BERLIN).time() == time(1, 30) for at in spring + autumn)


def test_a_time_that_the_clock_skips_comes_as_much_later_and_one_that_comes_twice_at_the_first() -> None:
    window = weekly({6}, time(2, 30), "Europe/Berlin")

    (skipped,) = occurrences(window, datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC))
    (twice,) = occurrences(window, datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))

    assert skipped == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert skipped.astimezone(BERLIN).time() == time(3, 30)
    assert twice == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_duration_is_time_that_passes_also_over_a_change_of_the_clock() -> None:
    window = weekly({6}, time(1, 0), "Europe/Berlin", duration_s=4 * 3_600.0, canary=0, ramp_s=0.0)
    start = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)

    assert kind_at(window, start + 4 * HOUR - timedelta(seconds=1)) == "held"
    assert kind_at(window, start + 4 * HOUR) is None
    assert (start + 4 * HOUR).astimezone(BERLIN).time() == time(6, 0)


def test_an_occurrence_that_was_over_before_the_window_was_made_does_not_count() -> None:
    made = datetime(2026, 12, 2, 12, 0, tzinfo=UTC)
    window = weekly({1}, time(22, 0), "UTC", created_at=made)

    assert kind_at(window, made) is None
    assert next_occurrence(window, {}, made) == START + timedelta(days=7)


def test_a_window_made_in_the_middle_of_its_hours_holds_at_once() -> None:
    window = weekly({1}, time(22, 0), "UTC", created_at=START + HOUR / 2)

    assert kind_at(window, START + HOUR / 2) == "held"


def test_the_next_occurrence_takes_the_canary_of_the_last_one_away() -> None:
    window = weekly({1, 2}, time(22, 0), "UTC", drain_s=600.0)
    second = START + timedelta(days=1)

    before, inside, after = (current(window, {}, at) for at in (second - HOUR / 2, second + HOUR / 2, second + 2 * HOUR))

    assert [(s.occurs_at, s.phase.kind) for s in before] == [(START, "canary"), (second, "announced")]
    assert [(s.occurs_at, s.phase.kind) for s in inside] == [(second, "held")]
    assert [(s.occurs_at, s.phase.kind) for s in after] == [(second, "canary")]


def test_of_windows_that_overlap_the_one_that_closes_longest_is_in_force() -> None:
    early, late = once(1), once(2, START + HOUR)
    ending, ramping = once(3, START - 2 * HOUR), once(4, START - 3 * HOUR, canary=0, ramp_s=86_400.0)

    def at(moment: datetime) -> tuple[int, str]:
        found = strictest(s for window in (early, late, ending, ramping) for s in current(window, {}, moment))
        assert found
        return found.window.id, found.phase.kind

    assert at(START - timedelta(minutes=30)) == (3, "held")
    assert at(START + timedelta(minutes=30)) == (1, "held")
    assert at(START + timedelta(minutes=90)) == (2, "held")
    assert at(START + timedelta(minutes=150)) == (2, "held")
    assert at(START + timedelta(minutes=181))[1] == "canary"


@pytest.mark.parametrize(
    "wrong",
    [{"duration_s": 0.0}, {"duration_s": 8 * 86_400.0}, {"drain_s": -1.0}, {"canary": -1}, {"start": START.replace(tzinfo=None)}],
    ids=str,
)
def test_a_window_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"duration_s|drain_s|canary|time zone"):
        once(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("days", "zone"), [(set(), "UTC"), ({7}, "UTC"), ({1}, "Europe/Nowhere")])
def test_a_week_without_days_or_zone_is_refused(days: set[int], zone: str) -> None:
    with pytest.raises(ValueError, match=r"weekdays|time zone"):
        weekly(days, time(1), zone)


ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu"]
)
MOMENTS = st.integers(0, 4 * 366 * 86_400).map(lambda s: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
DAYS = st.sets(st.integers(0, 6), min_size=1)
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@given(ZONES, DAYS, TIMES, MOMENTS)
def test_every_wanted_local_date_has_one_occurrence_at_its_time_or_as_much_later_as_the_clock_skips(
    zone: str, days: set[int], at: time, since: datetime
) -> None:
    there = ZoneInfo(zone)
    first = since.astimezone(there).date()
    wanted = [day for n in range(21) if (day := first + timedelta(days=n)).weekday() in days]

    found = list(occurrences(weekly(days, at, zone), since - timedelta(days=2), since + timedelta(days=24)))

    for day in wanted:
        (met,) = [moment for moment in found if abs(moment - datetime.combine(day, at, there).astimezone(UTC)) < 12 * HOUR]
        late = met.astimezone(there).replace(tzinfo=None) - datetime.combine(day, at)
        skipped = met.astimezone(there).utcoffset() != (met - late).astimezone(there).utcoffset()
        assert late == timedelta(0) or (timedelta(0) < late <= HOUR and skipped)


@given(ZONES, DAYS, TIMES, MOMENTS, st.floats(60, 80_000), st.floats(0, 7_200), st.integers(0, 2), st.floats(0, 3_600))
def test_phases_follow_each_other_without_gap_and_close_the_lane_for_drain_and_duration(
    zone: str, days: set[int], at: time, since: datetime, lasts: float, drain: float, canary: int, ramp: float
) -> None:
    window = weekly(days, at, zone, duration_s=lasts, drain_s=drain, canary=canary, ramp_s=ramp)
    start = next(occurrences(window, since, since + timedelta(days=9)))

    found = phases(window, start)

    assert all(before.ends_at == after.starts_at for before, after in pairwise(found))
    closed = [p for p in found if p.kind in ("draining", "held")]
    assert closed[0].starts_at == start - timedelta(seconds=drain) or drain < 1e-6
    assert closed[-1].ends_at == start + timedelta(seconds=lasts)
    for phase in closed:
        standing = strictest(current(window, {}, phase.starts_at))
        assert standing is not None
        assert standing.scale(phase.starts_at) == 0.0


@given(st.floats(0.1, 86_400), st.lists(st.floats(-100, 100_000), min_size=2, max_size=20))
def test_a_ramp_never_falls_and_ends_at_the_whole(ramp_s: float, moments: list[float]) -> None:
    scales = [ramp_scale(START, ramp_s, START + timedelta(seconds=s)) for s in sorted(moments)]

    assert scales == sorted(scales)
    assert all(LEAST_SCALE <= scale <= 1.0 for scale in scales)
    assert ramp_scale(START, ramp_s, START + timedelta(seconds=ramp_s + 1)) == pytest.approx(1.0)
