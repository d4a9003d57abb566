"""How many workers pay: as many as what waits takes, never more than the target can feed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.scaling import Load, demand_of, workers_for

loads = st.builds(
    Load,
    rows=st.integers(0, 1_000_000),
    row_s=st.floats(0.001, 5),
    per_s=st.none() | st.floats(0.1, 500),
    at_once=st.none() | st.integers(1, 60),
    share=st.just(0.0) | st.floats(0.001, 1),
)


@given(loads, st.floats(1, 86_400))
def test_no_more_slots_are_asked_for_than_the_target_can_feed(load: Load, within_s: float) -> None:
    demand = demand_of(load, within_s)

    assert (demand.slots == 0) == (load.rows == 0 or load.share == 0)
    if load.per_s is not None:
        assert demand.per_s <= load.per_s + 1e-9
    if load.at_once is not None:
        assert demand.slots <= load.at_once
    if demand.drain_s:
        assert math.isclose(demand.per_s * demand.drain_s, load.rows)
        assert demand.drain_s >= within_s - 1e-6


@pytest.mark.parametrize(
    ("load", "slots", "drain_s", "bound"),
    [
        (Load(rows=0, row_s=0.1), 0, 0.0, "idle"),
        (Load(rows=10, row_s=0.1, share=0.0), 0, None, "closed"),
        (Load(rows=9_000, row_s=0.3), 3, 900.0, "load"),
        (Load(rows=90_000, row_s=0.3, per_s=20.0), 6, 4500.0, "rate"),
        (Load(rows=90_000, row_s=0.5, per_s=20.0, at_once=5), 5, 9000.0, "concurrency"),
        (Load(rows=90_000, row_s=0.5, per_s=20.0, share=0.5), 5, 9000.0, "rate"),
    ],
)
def test_what_bounds_a_lane_is_said_with_the_soonest_end(load: Load, slots: int, drain_s: float | None, bound: str) -> None:
    demand = demand_of(load, 900)

    assert (demand.slots, demand.drain_s, demand.bound) == (slots, drain_s, bound)


def test_lanes_of_a_pool_share_its_workers() -> None:
    demands = [
        demand_of(Load(rows=9_000, row_s=0.3), 900),
        demand_of(Load(rows=3_000, row_s=0.6), 900),
        demand_of(Load(0, 1), 900),
    ]

    assert [demand.slots for demand in demands] == [3, 2, 0]
    assert workers_for(demands, slots_each=4) == 2
    assert workers_for([], slots_each=4) == 0
