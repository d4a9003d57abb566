"""Shows the backlog: gauges read at scrape time by the one exporter process, never by workers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from telemetry.scraping import read_for_scrape


@dataclass(frozen=True, slots=True)
class BacklogSample:
    """What waits in one place: rows or messages of one family (`orders`, `deliver.netsuite`), class and state."""

    family: str
    cls: str
    state: str
    waiting: int
    oldest_age_s: float | None = None


def backlog_collector(read: Callable[[], Iterable[BacklogSample]]) -> Collector:
    """A collector to be handed to `Metrics.show`. When `read` raises, the scrape goes on and `millrace_backlog_readable` is 0."""
    return _Backlog(read)


class _Backlog(Collector):
    def __init__(self, read: Callable[[], Iterable[BacklogSample]]) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """Name the gauges without reading: registering must not touch the ledger."""
        return iter(_gauges())

    def collect(self) -> Iterator[Metric]:
        """Read once and yield the gauges."""
        messages, oldest, readable = _gauges()
        samples = read_for_scrape("backlog", self._read, readable)
        if samples is None:
            yield readable
            return
        for sample in samples:
            labels = [sample.family, sample.cls, sample.state]
            messages.add_metric(labels, sample.waiting)
            if sample.oldest_age_s is not None:
                oldest.add_metric(labels, sample.oldest_age_s)
        yield from (messages, oldest, readable)


def _gauges() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
    labels = ("family", "class", "state")
    return (
        GaugeMetricFamily("millrace_backlog_messages", "Rows or messages that wait", labels=labels),
        GaugeMetricFamily("millrace_backlog_oldest_age_seconds", "Age of the one that waits longest", labels=labels),
        GaugeMetricFamily("millrace_backlog_readable", "1 when the backlog could be read for this scrape"),
    )
