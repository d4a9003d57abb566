"""The report compares the product with the best peer, and says how its memory grows."""

import pytest

from bench.report import Result, headline, ratios


def result(title: str, **medians: dict[str, float]) -> Result:
    return Result(title, medians, {}, ())


def test_a_rate_is_compared_with_the_highest_and_a_cost_with_the_lowest() -> None:
    run = result(
        "pipeline",
        millrace={"orders_per_s": 600.0, "worker_cpu_s_per_1000": 1.0},
        celery={"orders_per_s": 300.0, "worker_cpu_s_per_1000": 4.0},
        dramatiq={"orders_per_s": 200.0, "worker_cpu_s_per_1000": 2.0},
    )

    assert ratios(run) == {"orders_per_s": 2.0, "worker_cpu_s_per_1000": 0.5}
    assert headline([run]) == {"drain.ratio": 2.0, "drain.cpu_ratio": 0.5}


def test_without_the_product_there_is_nothing_to_compare() -> None:
    assert ratios(result("intake", celery={"accepted_per_s": 900.0})) == {}


def test_memory_growth_is_the_largest_backlog_over_the_smallest() -> None:
    small = result("memory at a backlog of 1000", millrace={"worker_mb": 200.0})
    large = result("memory at a backlog of 100000", millrace={"worker_mb": 210.0})

    assert headline([small, large])["memory.growth"] == pytest.approx(1.05)
