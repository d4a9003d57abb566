"""Lanes as Prometheus sees them: every gauge of a lane that can be read, and only those of one that cannot."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest

from telemetry.lanes import LaneSample, LimiterSample, lanes_collector


def shown(samples: Iterable[LaneSample]) -> set[str]:
    return scraped(lambda: samples)


def scraped(read: Callable[[], Iterable[LaneSample]]) -> set[str]:
    registry = CollectorRegistry()
    registry.register(lanes_collector(read))
    return {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}


def test_a_lane_is_told_with_its_limits_its_limiter_and_what_holds_it() -> None:
    limiter = LimiterSample(41.5, 8, 3, 0.5, 2_400, 12, {"": "closed", "order.create": "open"})

    lines = shown([LaneSample("deliver.erp", "erp", 0.25, 50.0, 10, 120.0, limiter)])

    assert lines == {
        'millrace_lane_open_share{family="deliver.erp"} 0.25',
        'millrace_lane_limit_per_second{target="erp"} 50.0',
        'millrace_lane_limit_concurrency{target="erp"} 10.0',
        'millrace_lane_working_per_second{target="erp"} 41.5',
        'millrace_lane_working_concurrency{target="erp"} 8.0',
        'millrace_lane_permits{target="erp"} 3.0',
        'millrace_lane_paused_seconds{target="erp"} 0.5',
        'millrace_lane_answers_last_minute{target="erp"} 2400.0',
        'millrace_lane_throttled_last_minute{target="erp"} 12.0',
        'millrace_lane_breaker_state{operation="all",target="erp"} 0.0',
        'millrace_lane_breaker_state{operation="order.create",target="erp"} 2.0',
        'millrace_lane_drain_seconds{target="erp"} 120.0',
        "millrace_lanes_readable 1.0",
    }


def test_what_is_not_known_is_not_told() -> None:
    lines = shown([LaneSample("orders", None, 0.0), LaneSample("deliver.erp", "erp", 1.0)])

    assert lines == {
        'millrace_lane_open_share{family="orders"} 0.0',
        'millrace_lane_open_share{family="deliver.erp"} 1.0',
        "millrace_lanes_readable 1.0",
    }


def test_lanes_that_cannot_be_read_are_said_to_be_so() -> None:
    def away() -> Iterable[LaneSample]:
        raise ConnectionError("no ledger")

    assert scraped(away) == {"millrace_lanes_readable 0.0"}
