"""Shows figures that are read from the ledger: a closed list with its labels, one collector, one look every few seconds."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from telemetry.scraping import read_for_scrape

MOST_SERIES = 1_000
"""Series of one metric that are shown; more would be a mistake in what is read, and are left out."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric: what it tells, its labels, its unit, and what the requirements call it. ``total``: a sum that only rises."""

    told: str
    labels: tuple[str, ...] = ()
    unit: str = "1"
    wanted: str = ""
    total: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one metric. ``why``: words for people, never a label."""

    metric: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    why: str = ""


class Kept:
    """What a reader gave, kept for ``every_s``: scrapes and looks in between cost nothing. Thread-safe."""

    def __init__(
        self, read: Callable[[], Iterable[Reading]], every_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._readings: tuple[Reading, ...] = ()
        self._until: float | None = None

    def __call__(self) -> tuple[Reading, ...]:
        """The readings, at most ``every_s`` old. Raises what the reader raises, and reads anew at the next call."""
        with self._lock:
            if self._until is None or self._clock() >= self._until:
                self._until = None
                self._readings = tuple(self._read())
                self._until = self._clock() + self._every_s
            return self._readings


def gauges_collector(figures: Mapping[str, Figure], readable: str, read: Callable[[], Iterable[Reading]]) -> Collector:
    """A collector to be handed to `Metrics.show`. When ``read`` raises, the scrape goes on and ``readable`` is 0."""
    return _Gauges(figures, readable, read)


class _Gauges(Collector):
    def __init__(self, figures: Mapping[str, Figure], readable: str, read: Callable[[], Iterable[Reading]]) -> None:
        self._figures = figures
        self._readable = readable
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """Name the metrics without reading."""
        yield from (_family(name, figure) for name, figure in self._figures.items())
        yield GaugeMetricFamily(self._readable, "1 when the figures could be read for this scrape")

    def collect(self) -> Iterator[Metric]:
        """Read once and yield what was read; a reading of a metric that is not on the list is left out."""
        readable = GaugeMetricFamily(self._readable, "1 when the figures could be read for this scrape")
        readings = read_for_scrape("figures", self._read, readable)
        if readings is None:
            yield readable
            return
        families = {name: _family(name, figure) for name, figure in self._figures.items()}
        for reading in readings:
            family = families.get(reading.metric)
            if family is not None and len(family.samples) < MOST_SERIES:
                values = [reading.labels.get(label, "") for label in self._figures[reading.metric].labels]
                family.add_metric(values, reading.value)
        yield from families.values()
        yield readable


def _family(name: str, figure: Figure) -> GaugeMetricFamily | CounterMetricFamily:
    made = CounterMetricFamily if figure.total else GaugeMetricFamily
    return made(name, figure.told, labels=figure.labels)
