"""Shows the lanes: gauges of limits, working limits, what holds them and how long they take, read by the one exporter process."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from telemetry.scraping import read_for_scrape

BREAKER_STATES: Mapping[str, int] = {"closed": 0, "probing": 1, "open": 2}


@dataclass(frozen=True, slots=True)
class LimiterSample:
    """One target's limiter, as the fleet shares it. ``breakers`` by operation; ``""`` is the whole account's."""

    working_per_s: float | None
    working_concurrency: int | None
    permits: int
    paused_s: float
    answered_60s: int
    throttled_60s: int
    breakers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LaneSample:
    """One lane: ``family`` is its name (`orders`, `deliver.netsuite`). ``open_share`` is the part of its limit that an
    operator's pause, a maintenance window and a ramp leave: 1 all, 0 closed. ``limiter`` None: it cannot be read.
    """

    family: str
    target: str | None
    open_share: float
    limit_per_s: float | None = None
    limit_concurrency: int | None = None
    drain_s: float | None = None
    limiter: LimiterSample | None = None


def lanes_collector(read: Callable[[], Iterable[LaneSample]]) -> Collector:
    """A collector to be handed to `Metrics.show`. When `read` raises, the scrape goes on and `millrace_lanes_readable` is 0."""
    return _Lanes(read)


class _Lanes(Collector):
    def __init__(self, read: Callable[[], Iterable[LaneSample]]) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """Name the gauges without reading."""
        return iter(_gauges().values())

    def collect(self) -> Iterator[Metric]:
        """Read once and yield the gauges."""
        gauges = _gauges()
        samples = read_for_scrape("lanes", self._read, gauges["readable"])
        if samples is None:
            yield gauges["readable"]
            return
        for sample in samples:
            _fill(gauges, sample)
        yield from gauges.values()


def _fill(gauges: Mapping[str, GaugeMetricFamily], sample: LaneSample) -> None:
    gauges["open_share"].add_metric([sample.family], sample.open_share)
    if sample.target is None:
        return
    _put(gauges["limit_per_s"], sample.target, sample.limit_per_s)
    _put(gauges["limit_concurrency"], sample.target, sample.limit_concurrency)
    _put(gauges["drain_s"], sample.target, sample.drain_s)
    seen = sample.limiter
    if seen is None:
        return
    _put(gauges["working_per_s"], sample.target, seen.working_per_s)
    _put(gauges["working_concurrency"], sample.target, seen.working_concurrency)
    for name in ("permits", "paused_s", "answered_60s", "throttled_60s"):
        _put(gauges[name], sample.target, getattr(seen, name))
    for operation, state in seen.breakers.items():
        gauges["breaker"].add_metric([sample.target, operation or "all"], BREAKER_STATES.get(state, 2))


def _put(gauge: GaugeMetricFamily, target: str, value: float | None) -> None:
    if value is not None:
        gauge.add_metric([target], value)


def _gauges() -> dict[str, GaugeMetricFamily]:
    def gauge(name: str, told: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"millrace_{name}", told, labels=labels)

    return {
        "open_share": gauge("lane_open_share", "Part of the limit that pause, window and ramp leave; 0 closed", "family"),
        "limit_per_s": gauge("lane_limit_per_second", "Requests a second that are allowed", "target"),
        "working_per_s": gauge("lane_working_per_second", "Requests a second that the limiter gives now", "target"),
        "limit_concurrency": gauge("lane_limit_concurrency", "Requests at once that are allowed", "target"),
        "working_concurrency": gauge("lane_working_concurrency", "Requests at once that the limiter gives now", "target"),
        "permits": gauge("lane_permits", "Permits in use", "target"),
        "paused_s": gauge("lane_paused_seconds", "Rest of a pause that the target asked for", "target"),
        "answered_60s": gauge("lane_answers_last_minute", "Answers of the target in the last 60 s", "target"),
        "throttled_60s": gauge("lane_throttled_last_minute", "Those of them that were throttle answers", "target"),
        "breaker": gauge("lane_breaker_state", "0 closed, 1 probing, 2 open", "target", "operation"),
        "drain_s": gauge("lane_drain_seconds", "What waits at the pace of the last half minute", "target"),
        "readable": gauge("lanes_readable", "1 when the lanes could be read for this scrape"),
    }
