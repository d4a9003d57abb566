"""What a process shows is read and found well named by Prometheus' own tool."""

import subprocess

from telemetry.backlog import BacklogSample, backlog_collector
from telemetry.figures import FIGURES, READABLE
from telemetry.gauges import Reading, gauges_collector
from telemetry.lanes import LaneSample, LimiterSample, lanes_collector
from telemetry.metrics import Metrics
from tests.metrics_shown import series


def shown() -> bytes:
    """Everything a relay can show."""
    made = Metrics()
    made.show(backlog_collector(lambda: [BacklogSample("orders", "high", "queued", 1, 2.0)]))
    limiter = LimiterSample(1, 1, 1, 0, 0, 0, {"": "closed"})
    made.show(lanes_collector(lambda: [LaneSample("deliver.erp", "erp", 1.0, 1, 1, 1, limiter)]))
    every = [Reading(name, 1, dict.fromkeys(figure.labels, "x")) for name, figure in FIGURES.items()]
    made.show(gauges_collector(FIGURES, READABLE, lambda: every))
    return made.exposition()


def test_prometheus_own_tool_finds_nothing_wrong_with_names_types_and_help() -> None:
    done = subprocess.run(["promtool", "check", "metrics"], check=False, input=shown(), capture_output=True, timeout=60)

    assert (done.returncode, done.stdout.decode() + done.stderr.decode()) == (0, "")


def test_every_metric_of_the_catalogue_is_in_what_is_shown() -> None:
    text = shown().decode()

    missing = [name for name in series() if f"# TYPE {name.removesuffix('_total')}" not in text and f"\n{name}" not in text]
    assert not [name for name in missing if not name.endswith(("_bucket", "_sum", "_count"))]
