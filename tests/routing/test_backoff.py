"""Backoff: full jitter under a doubling ceiling, walked in fixed rungs that never overshoot by more than the smallest."""

from hypothesis import given
from hypothesis import strategies as st

from config.topology import load_topology
from routing.backoff import SOON_S, retry_wait_s, rung_for

LADDER = load_topology().ladder_s


@given(st.integers(min_value=1, max_value=10_000), st.floats(min_value=0, max_value=0.999999))
def test_a_wait_stays_under_its_ceiling(attempts: int, drawn: float) -> None:
    wait_s = retry_wait_s(attempts, 2.0, 3_600.0, lambda: drawn)

    assert 0 <= wait_s <= min(3_600.0, 2.0 * 2 ** min(attempts - 1, 20))


@given(st.floats(min_value=0, max_value=100_000))
def test_walking_the_rungs_ends_close_to_the_wait(wait_s: float) -> None:
    rest_s, walked_s, steps = wait_s, 0, 0
    while (rung := rung_for(rest_s, LADDER)) is not None:
        rest_s, walked_s, steps = rest_s - rung, walked_s + rung, steps + 1
        assert steps < 40

    assert -SOON_S <= rest_s < SOON_S or walked_s == LADDER[0]
