"""Guards of a peak profile: each metric from the figures of the lanes, the worst of them, broken for how long."""

from datetime import datetime, timedelta
from math import inf
from typing import Any

import pytest

from adapters.throttle.base import Limit
from adapters.throttle.status import LaneStatus
from config.peaks import Guard
from ledger.standing import Cell
from tests.documents import at
from workers.lanes import LaneView
from workers.peak_guards import Figures, figure_of, since_of, watch
from workers.plan import LaneState
from workers.waiting import Waiting

BOOKS, SLOW = "deliver.books", "deliver.slow"


def a_guard(metric: str, **told: Any) -> Guard:
    return Guard.model_validate({"metric": metric, "above": 10, **told})


def a_view(lane: str, *waiting: Waiting, status: LaneStatus | None = None, done: float | None = 2.0) -> LaneView:
    return LaneView(lane, lane.partition(".")[2], Limit(), status, waiting, LaneState("open", "", 1.0), done)


def a_status(**told: Any) -> LaneStatus:
    return LaneStatus(Limit(), None, None, 0, None, **told)


FIGURES = Figures(
    [
        a_view(
            BOOKS,
            Waiting("orders", "high", 30, more=False, oldest_s=12.0),
            Waiting("orders", "low", 10, more=False, oldest_s=300.0),
            Waiting("returns", "low", 5, more=False, oldest_s=900.0),
            status=a_status(answered_60s=40, throttled_60s=10, breakers={"order.create": "probing"}),
        ),
        a_view(SLOW, Waiting("orders", "high", 50, more=False, oldest_s=70.0), status=a_status(answered_60s=0), done=0.0),
    ],
    [
        Cell(BOOKS, "orders", "high", "parked", 3, at(0)),
        Cell(BOOKS, "returns", "low", "deferred", 7, at(0)),
        Cell(SLOW, "orders", "low", "parked", 4, at(0)),
        Cell(BOOKS, "orders", "high", "claimed", 9, at(0)),
    ],
)


@pytest.mark.parametrize(
    ("guard", "figure"),
    [
        (a_guard("oldest_age_s"), 900.0),
        (a_guard("oldest_age_s", lane=BOOKS, **{"class": "high"}), 12.0),
        (a_guard("oldest_age_s", **{"class": "normal"}), 0.0),
        (a_guard("waiting"), 50.0),
        (a_guard("waiting", lane=BOOKS), 45.0),
        (a_guard("waiting", lane=BOOKS, **{"class": "low"}), 15.0),
        (a_guard("accepted_per_s", above=None, below=1), 0.0),
        (a_guard("accepted_per_s", lane=BOOKS), 2.0),
        (a_guard("drain_s", lane=BOOKS), 22.5),
        (a_guard("drain_s"), inf),
        (a_guard("throttled_part"), 0.25),
        (a_guard("throttled_part", lane=SLOW), 0.0),
        (a_guard("breaker_open"), 1.0),
        (a_guard("breaker_open", lane=SLOW), 0.0),
        (a_guard("parked"), 7.0),
        (a_guard("parked", lane=BOOKS), 3.0),
        (a_guard("deferred", **{"class": "low"}), 7.0),
        (a_guard("deferred", **{"class": "high"}), 0.0),
        (a_guard("waiting", lane="deliver.gone"), None),
    ],
)
def test_the_worst_figure_of_the_lanes_counts(guard: Guard, figure: float | None) -> None:
    assert figure_of(guard, FIGURES) == figure


def test_without_its_limiter_nobody_can_tell_how_much_a_lane_is_throttled() -> None:
    blind = Figures([a_view(BOOKS)], [])

    assert figure_of(a_guard("throttled_part"), blind) is None
    assert figure_of(a_guard("breaker_open"), blind) is None


@pytest.mark.parametrize(
    ("side", "broken"),
    [({"above": 44}, True), ({"above": 45}, False), ({"above": None, "below": 46}, True), ({"above": None, "below": 45}, False)],
)
def test_a_guard_is_broken_beyond_its_figure_and_not_at_it(side: dict[str, float | None], broken: bool) -> None:
    (seen,) = watch([a_guard("waiting", lane=BOOKS, for_s=0, **side)], FIGURES, {}, at(0), at(1))

    assert (seen.since is not None, seen.over) == (broken, broken)


def test_a_guard_is_over_once_it_was_broken_for_its_time_and_what_is_unknown_leaves_it_as_it_is() -> None:
    guards = [a_guard("waiting", lane=BOOKS, for_s=60), a_guard("throttled_part", lane="deliver.gone", for_s=60)]

    def look(known: dict[str, str], moment: datetime) -> tuple[dict[str, str], list[bool]]:
        seen = watch(guards, FIGURES, known, at(0), moment)
        return since_of(seen), [one.over for one in seen]

    first, over = look({}, at(10))
    late, over_late = look(first, at(69))
    unknown, _ = look({"1": at(5).isoformat()}, at(20))

    assert (first, over) == ({"0": at(10).isoformat()}, [False, False])
    assert (late, over_late) == (first, [False, False])
    assert look(first, at(70))[1] == [True, False]
    assert unknown["1"] == at(5).isoformat()


def test_a_guard_does_not_look_before_its_grace_is_over_whatever_was_known() -> None:
    guard = a_guard("waiting", lane=BOOKS, for_s=0, grace_s=100)

    (early,) = watch([guard], FIGURES, {"0": at(1).isoformat()}, at(0), at(99))
    (late,) = watch([guard], FIGURES, {}, at(0), at(100))

    assert (early.since, early.over) == (None, False)
    assert (late.since, late.over) == (at(0) + timedelta(seconds=100), True)
