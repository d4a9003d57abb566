"""Reads what gauges show at scrape time: a ledger that is down hides nothing else."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from prometheus_client.core import GaugeMetricFamily

T = TypeVar("T")
_log = logging.getLogger("millrace.telemetry")


def read_for_scrape(what: str, read: Callable[[], Iterable[T]], readable: GaugeMetricFamily) -> tuple[T, ...] | None:
    """What was read, and 1 in ``readable``; None and 0, with a line in the log, when ``read`` raises."""
    try:
        found = tuple(read())
    except Exception as error:  # noqa: BLE001 - a ledger that is down must not hide every other metric
        _log.warning("%s could not be read for the metrics: %s", what, type(error).__name__)
        readable.add_metric([], 0)
        return None
    readable.add_metric([], 1)
    return found
