"""Every metric that a process of ours shows, as its code registers it: name, type and labels."""

from dataclasses import dataclass

from telemetry import backlog, lanes, metrics
from telemetry.figures import FIGURES, READABLE


@dataclass(frozen=True, slots=True)
class Shown:
    """One metric. ``type`` is counter, gauge or histogram."""

    name: str
    type: str
    labels: frozenset[str]


def shown() -> dict[str, Shown]:
    """All of them by name."""
    found = [Shown(spec.name, "counter", frozenset(spec.label_names)) for spec in metrics._COUNTERS.values()]
    found += [Shown(spec.name, "histogram", frozenset(spec.label_names)) for spec in metrics._SECONDS.values()]
    found += [Shown("millrace_dropped_fields_total", "counter", frozenset()), Shown(READABLE, "gauge", frozenset())]
    gauges = [*backlog._gauges(), *lanes._gauges().values()]
    found += [Shown(gauge.name, "gauge", frozenset(gauge._labelnames)) for gauge in gauges]
    found += [Shown(name, "counter" if f.total else "gauge", frozenset(f.labels)) for name, f in FIGURES.items()]
    return {one.name: one for one in found}


def series() -> dict[str, frozenset[str]]:
    """Every name that a query may use, with the labels it has."""
    found = {one.name: one.labels for one in shown().values() if one.type != "histogram"}
    for one in shown().values():
        if one.type == "histogram":
            found |= {f"{one.name}_bucket": one.labels | {"le"}, f"{one.name}_sum": one.labels, f"{one.name}_count": one.labels}
    return found
