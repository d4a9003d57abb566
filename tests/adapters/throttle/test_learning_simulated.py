"""Against a target that polices strictly, on a virtual clock: how much of its allowance is used, how much it refuses."""

from statistics import mean

import pytest

from adapters.throttle.base import Learn, Limit
from adapters.throttle.local import LocalThrottle
from config.presets import preset_table
from tests.adapters.throttle.clock import Clock
from tests.adapters.throttle.strict_erp import Erp, Workers

SEEDS = pytest.mark.parametrize("seed", range(3))
KNOWN = Limit(rate_per_s=50, burst=10, concurrency=10)


def strict() -> Erp:
    return Erp(rate_per_s=50, burst=10, at_once=10, service_s=0.1)


def halved_for_a_while(at_s: float) -> float:
    return 0.5 if 10 <= at_s < 25 else 1.0


def worked(erp: Erp, limit: Limit, seconds: float, seed: int, leave_s: float = 0.004) -> float:
    """Runs two workers of 16 slots; returns the part of requests that was refused."""
    clock = Clock()
    Workers(LocalThrottle(limit, clock=clock), clock, erp, leave_s=leave_s, seed=seed).run(seconds)
    return len(erp.refused) / (len(erp.refused) + len(erp.accepted))


@SEEDS
@pytest.mark.parametrize("leave_s", [0.002, 0.015])
def test_with_the_limit_known_it_is_used_up_and_nothing_is_refused(seed: int, leave_s: float) -> None:
    erp = strict()

    refused = worked(erp, KNOWN, 40, seed, leave_s)

    assert len(erp.accepted) >= 0.99 * (50 * 40 + 10)
    assert refused <= 0.001


@SEEDS
@pytest.mark.parametrize("stall_s", [0.3, 0.5])
@pytest.mark.parametrize("workers", [(0,), (0, 1)], ids=["one worker", "both"])
def test_a_database_that_stands_still_now_and_then_has_next_to_nothing_refused(
    seed: int, stall_s: float, workers: tuple[int, ...]
) -> None:
    def until(worker: int, at_s: float) -> float:
        began = at_s - at_s % 3
        return max(at_s, began + stall_s) if worker in workers and began else at_s

    erp, clock = strict(), Clock()

    Workers(LocalThrottle(KNOWN, clock=clock), clock, erp, seed=seed, held_up=until).run(40)

    assert len(erp.refused) <= 0.002 * len(erp.accepted)
    # What the target let in while nothing came is gone, except for what its bucket holds.
    lost = len(range(3, 40, 3)) * 50 * stall_s
    assert len(erp.accepted) >= 0.99 * (50 * 40 + 10) - lost


@SEEDS
def test_another_user_taking_half_for_a_while_costs_little_and_is_refused_little(seed: int) -> None:
    erp = strict()
    erp.share = halved_for_a_while

    refused = worked(erp, KNOWN, 47, seed)

    assert len(erp.accepted) >= 0.95 * (50 * 47 - 25 * 15)
    assert refused <= 0.01
    # While it is taken and 8 s after, where all the searching is.
    near = sum(10 <= at < 33 for at in erp.refused), sum(10 <= at < 33 for at in erp.accepted)
    assert near[0] <= 0.011 * sum(near)


def test_what_another_user_leaves_is_used_up_and_taken_again_when_it_is_given_back() -> None:
    left, refused, back = [], [], []

    for seed, given_back_s in enumerate((23.0, 24.0, 25.0, 26.0, 27.0, 28.0)):
        erp = strict()
        erp.share = lambda at_s, until_s=given_back_s: 0.5 if 10 <= at_s < until_s else 1.0  # type: ignore[misc]
        worked(erp, KNOWN, given_back_s + 8, seed)
        calls = sum(at >= 10 for at in erp.refused), sum(at >= 10 for at in erp.accepted)
        left.append(sum(10 <= at < given_back_s for at in erp.accepted) / (25 * (given_back_s - 10)))
        back.append(sum(at >= given_back_s for at in erp.accepted) / (50 * 8))
        refused.append(calls[0] / sum(calls))

    assert mean(left) >= 0.96
    assert min(left) >= 0.95
    assert mean(refused) <= 0.0095
    assert mean(back) >= 0.85


@SEEDS
@pytest.mark.parametrize("limit", [Limit(learn=Learn(start_per_s=5)), Limit()], ids=["starts low", "starts unbounded"])
def test_a_limit_that_nobody_told_is_found_within_half_a_minute(seed: int, limit: Limit) -> None:
    erp = strict()

    refused = worked(erp, limit, 60, seed)

    after = [at for at in erp.accepted if at >= 30]
    assert len(after) >= 0.9 * 50 * 30
    assert sum(at >= 30 for at in erp.refused) <= 0.01 * len(after)
    assert refused <= 0.03


@SEEDS
def test_where_only_calls_at_once_are_bounded_less_than_configured_they_are_found(seed: int) -> None:
    erp = Erp(rate_per_s=None, burst=1, at_once=5, service_s=0.1)

    refused = worked(erp, Limit(concurrency=15), 60, seed)

    after = [at for at in erp.accepted if at >= 30]
    assert len(after) >= 0.8 * 46 * 30
    assert refused <= 0.02


@SEEDS
@pytest.mark.parametrize("preset", ["sap", "jde"])
def test_a_target_that_only_grows_slow_is_worked_at_its_knee(seed: int, preset: str) -> None:
    table = preset_table(preset)
    limit = Limit(concurrency=table["concurrency"], learn=Learn(**table["learn"]))
    erp = Erp(rate_per_s=None, burst=1, at_once=None, service_s=0.2, parallel=6)
    clock = Clock()

    Workers(LocalThrottle(limit, clock=clock), clock, erp, slots=32, seed=seed).run(60)

    after = [at for at in erp.accepted if at >= 20]
    assert len(after) >= 0.9 * (6 / 0.2) * 40
    # Six at once are all that is served, in 0.2 s: with all 32 it let through nobody would be served in less than a second.
    assert mean(took_s for at, took_s in erp.took if at >= 20) <= 0.5
