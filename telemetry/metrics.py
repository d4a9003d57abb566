"""Counts what is told: Prometheus metrics, low-cardinality labels only, never an id.

Prefork pools: prometheus_client shares counters between processes through a folder named by PROMETHEUS_MULTIPROC_DIR, and reads
that variable when it is first imported. Whoever launches a worker therefore passes `launch_environment(folder)` into the child's
environment; the worker passes the same folder as `multiproc_dir`, and its parent process answers for all its children.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    make_wsgi_app,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from telemetry import bus
from telemetry.events import Name
from telemetry.fields import Value
from telemetry.pages import Page, serve_pages

Fields = Mapping[str, Value]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_LABEL_VALUES = 200
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_CALL = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LONG = (0.1, 0.5, 1, 2.5, 5, 15, 30, 60, 300, 900, 1800, 3600, 14_400, 86_400)


class Metrics:
    """The metrics of this process, fed by the bus once `start` attached it."""

    def __init__(self, multiproc_dir: Path | None = None) -> None:
        self._folder = multiproc_dir
        self._own = CollectorRegistry()
        self._shown = self._own if multiproc_dir is None else CollectorRegistry()
        self._values: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        if multiproc_dir is not None:
            MultiProcessCollector(self._shown, path=str(multiproc_dir))  # type: ignore[no-untyped-call]
        ProcessCollector(registry=self._shown)
        self._counters = {name: self._counter(spec) for name, spec in _COUNTERS.items()}
        self._seconds = {name: self._histogram(spec) for name, spec in _SECONDS.items()}
        self._dropped = Counter("millrace_dropped_fields", "Fields not on the allow-list", registry=self._own)
        self._children: dict[_Rule, dict[tuple[Value | None, ...], Callable[[float], None]]] = {}

    def hear(self, event: bus.Event) -> None:
        """Count one event."""
        if event.dropped:
            self._dropped.inc(event.dropped)
        fields = event.fields
        for rule in _RULES.get(event.name, ()):
            if rule.when is None or fields.get(rule.when[0]) == rule.when[1]:
                self._count(rule, fields)

    def show(self, collector: Collector) -> None:
        """Add a collector (the backlog's) to what this process exposes."""
        self._shown.register(collector)

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format (`CONTENT_TYPE`); in prefork, of the parent and all its children."""
        return generate_latest(self._shown)

    def serve(
        self, port: int, host: str = "127.0.0.1", pages: Mapping[str, Page] | None = None
    ) -> tuple[WSGIServer, threading.Thread]:
        """Answer `GET /metrics`, and ``pages`` by path, from a thread; port 0 takes a free one (`server.server_port`).

        Raises OSError when it is taken.
        """
        return serve_pages(port, host, make_wsgi_app(self._shown), pages or {})

    def _count(self, rule: "_Rule", fields: Fields) -> None:
        amount = fields.get(rule.amount, 1 if rule.metric in _COUNTERS else None)
        if not isinstance(amount, int | float):
            return
        self._child(rule, fields)(max(0, amount))

    def _child(self, rule: "_Rule", fields: Fields) -> Callable[[float], None]:
        """How to add to the one series an event counts in. Looked up by what the event says: making the labels anew is most of
        the cost, and asking for the kind of a metric a part of the rest.
        """
        children = self._children.setdefault(rule, {})
        said = tuple([fields.get(name) for name in rule.says])
        found = children.get(said)
        if found is None:
            metric = self._counters.get(rule.metric) or self._seconds[rule.metric]
            labels = self._labels(_spec_of(rule), rule, fields)
            child = metric.labels(**labels) if labels else metric
            found = child.inc if isinstance(child, Counter) else child.observe
            if len(children) < MOST_LABEL_VALUES:
                children[said] = found
        return found

    def _counter(self, spec: "_Spec") -> Counter:
        return Counter(spec.name, spec.help, spec.label_names, registry=self._own)

    def _histogram(self, spec: "_Spec") -> Histogram:
        return Histogram(spec.name, spec.help, spec.label_names, registry=self._own, buckets=spec.buckets)

    def _labels(self, spec: "_Spec", rule: "_Rule", fields: Fields) -> dict[str, str]:
        fixed = dict(rule.fixed)
        return {
            label: fixed[label] if label in fixed else self._capped(label, _label_value(field, fields))
            for label, field in spec.labels
        }

    def _capped(self, label: str, value: str) -> str:
        # What a sender writes (topics, unknown sources) must not grow the metrics without bound.
        known = self._values.setdefault(label, set())
        if value in known:
            return value
        with self._lock:
            if len(known) >= MOST_LABEL_VALUES:
                return "other"
            known.add(value)
        return value


def start(multiproc_dir: Path | None = None) -> Metrics:
    """Make the metrics of this process and attach them to the bus. Call once per process, before a pool forks."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    metrics = Metrics(multiproc_dir)
    bus.attach("metrics", metrics.hear, wants=_wants())
    return metrics


def _wants() -> bus.Wants:
    """Every event, for what was dropped from it is counted; of its fields those that a rule reads."""
    return {name: frozenset(field for rule in _RULES.get(name, ()) for field in rule.reads) for name in Name}


def launch_environment(folder: Path) -> dict[str, str]:
    """Wipe the folder in which a prefork worker shares its counts, and return what its environment must hold in addition."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob("*.db"):
        leftover.unlink(missing_ok=True)
    return {"PROMETHEUS_MULTIPROC_DIR": str(folder)}


@dataclass(frozen=True, slots=True)
class _Spec:
    name: str
    help: str
    labels: tuple[tuple[str, str], ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label for label, _ in self.labels)


@dataclass(frozen=True, eq=False)
class _Rule:
    metric: str
    amount: str = ""
    when: tuple[str, str] | None = None
    fixed: tuple[tuple[str, str], ...] = ()

    @cached_property
    def says(self) -> tuple[str, ...]:
        """Fields whose values tell which series of its metric an event counts in."""
        fixed = dict(self.fixed)
        named = [field for label, field in _spec_of(self).labels if label not in fixed]
        return tuple(dict.fromkeys(field for name in named for field in _STATUS_CLASS.get(name, (name,))))

    @property
    def reads(self) -> tuple[str, ...]:
        """Every field it looks at."""
        return (*self.says, *((self.amount,) if self.amount else ()), *((self.when[0],) if self.when else ()))


_STATUS_CLASS = {"status_class": ("status", "result")}


def _spec_of(rule: _Rule) -> _Spec:
    return _COUNTERS.get(rule.metric) or _SECONDS[rule.metric]


def _label_value(field: str, fields: Fields) -> str:
    if field == "status_class":
        status = fields.get("status")
        if isinstance(status, int) and 100 <= status < 600:
            return f"{status // 100}xx"
        return str(fields.get("result", "none"))
    return str(fields.get(field, "none"))


def _counter_spec(name: str, help_text: str, *labels: str, **renamed: str) -> _Spec:
    return _Spec(f"millrace_{name}", help_text, (*((label, label) for label in labels), *renamed.items()))


def _seconds_spec(name: str, help_text: str, buckets: tuple[float, ...], *labels: str, **renamed: str) -> _Spec:
    spec = _counter_spec(name, help_text, *labels, **renamed)
    return _Spec(spec.name, spec.help, spec.labels, buckets)


_COUNTERS: Mapping[str, _Spec] = {
    "accepted": _counter_spec("accepted_total", "Events answered with 2xx", "source", "topic", "result"),
    "refused": _counter_spec("refused_total", "Requests refused at the door", "source", "status"),
    "accept_failed": _counter_spec("accept_failures_total", "Events not accepted for a fault of ours", "source"),
    "prepared": _counter_spec("prepared_total", "Events prepared", "domain", "outcome"),
    "effect": _counter_spec("effect_total", "Attempts to take effect", "target", "operation", "outcome"),
    "uncertain": _counter_spec("uncertain_outcomes_total", "Attempts whose answer was lost", "target", "operation"),
    "retries": _counter_spec("retries_total", "Attempts scheduled again", "target", "outcome"),
    "duplicates": _counter_spec("duplicates_suppressed_total", "Repeats that changed nothing", "stage"),
    "superseded": _counter_spec("superseded_total", "States that a newer one took the place of", "target", "operation"),
    "parked": _counter_spec("parked_total", "Rows parked for a person, by class of failure", "stage", **{"class": "failure"}),
    "dead": _counter_spec("dead_letters_total", "Messages found in a dead-letter queue", "family"),
    "rejected": _counter_spec("rejected_messages_total", "Messages that could not be read", "family"),
    "published": _counter_spec("published_total", "Messages published", "outcome"),
    "swept": _counter_spec("swept_total", "Rows the relay published in place of a lost publisher"),
    "fetched": _counter_spec("fetched_total", "Rows picked", "family", **{"class": "cls"}),
    "denied": _counter_spec("throttle_denied_total", "Permits refused", "target"),
    "paused": _counter_spec("throttle_pauses_total", "Pauses a target asked for", "target"),
    "fallback": _counter_spec("throttle_fallbacks_total", "Falls back to a safe local share", "target"),
    "step_failures": _counter_spec("step_failures_total", "Steps that broke unexpectedly", "operation"),
    "ledger_failures": _counter_spec("ledger_failures_total", "Ledger writes given up"),
    "children_lost": _counter_spec("worker_children_lost_total", "Pool processes that died"),
    "drift": _counter_spec("topology_drift_total", "Drift found between file and broker"),
    "listener_failures": _counter_spec("listener_failures_total", "Failures of telemetry itself", "listener"),
}  # fmt: skip

_SECONDS: Mapping[str, _Spec] = {
    "accept": _seconds_spec("accept_seconds", "From request to answer", _FAST, "source"),
    "commit": _seconds_spec("intake_commit_seconds", "One shared commit of the receiver", _FAST),
    "prepare": _seconds_spec("prepare_seconds", "One event prepared", _FAST, "domain"),
    "post": _seconds_spec("post_seconds", "One attempt, look-ups included", _CALL, "target", "operation"),
    "end_to_end": _seconds_spec("end_to_end_seconds", "From acceptance to effect", _LONG, "domain", **{"class": "cls"}),
    "erp_request": _seconds_spec("erp_request_seconds", "One request to a target", _CALL, "target", "operation",
                                 "status_class"),
    "throttle_wait": _seconds_spec("throttle_wait_seconds", "Waiting for a permit", _CALL, "target"),
    "publish": _seconds_spec("publish_seconds", "One publish with its confirm", _FAST),
    "sweep": _seconds_spec("relay_sweep_seconds", "One sweep of the relay", _CALL),
}  # fmt: skip

_RULES: Mapping[Name, tuple[_Rule, ...]] = {
    Name.EVENT_ACCEPT_DONE: (
        _Rule("accepted"),
        _Rule("accept", "duration_s"),
        _Rule("duplicates", when=("result", "duplicate"), fixed=(("stage", "event"),)),
    ),
    Name.EVENT_ACCEPT_FAILED: (_Rule("accept_failed"),),
    Name.EVENT_REFUSE_DONE: (_Rule("refused"),),
    Name.INTAKE_COMMIT_STOP: (_Rule("commit", "duration_s"),),
    Name.EVENT_PREPARE_STOP: (_Rule("prepared"), _Rule("prepare", "duration_s")),
    Name.EVENT_PARK_DONE: (_Rule("parked", fixed=(("stage", "event"),)),),
    Name.DELIVERY_CLAIM_STOP: (_Rule("duplicates", when=("outcome", "already_done"), fixed=(("stage", "delivery"),)),),
    Name.DELIVERY_POST_STOP: (
        _Rule("effect"),
        _Rule("post", "duration_s"),
        _Rule("end_to_end", "end_to_end_s"),
        _Rule("uncertain", when=("outcome", "uncertain")),
        _Rule("duplicates", when=("outcome", "already_done"), fixed=(("stage", "effect"),)),
    ),
    Name.DELIVERY_PARK_DONE: (_Rule("parked", fixed=(("stage", "delivery"),)),),
    Name.DELIVERY_RETRY_SCHEDULED: (_Rule("retries"),),
    Name.DELIVERY_SUPERSEDE_DONE: (_Rule("superseded", "count"),),
    Name.STEP_RUN_FAILED: (_Rule("step_failures"),),
    Name.ERP_EXCHANGE_STOP: (_Rule("erp_request", "duration_s"),),
    Name.LANE_THROTTLE_GRANTED: (_Rule("throttle_wait", "waited_s"),),
    Name.LANE_THROTTLE_DENIED: (_Rule("denied"),),
    Name.LANE_THROTTLE_PAUSED: (_Rule("paused"),),
    Name.LANE_THROTTLE_FALLBACK: (_Rule("fallback"),),
    Name.FETCH_PICK_STOP: (_Rule("fetched", "count"),),
    Name.FETCH_MESSAGE_REJECTED: (_Rule("rejected"),),
    Name.PUBLISH_BATCH_STOP: (_Rule("published", "count"), _Rule("publish", "duration_s")),
    Name.PUBLISH_BATCH_FAILED: (_Rule("published", "count", fixed=(("outcome", "failed"),)),),
    Name.RELAY_SWEEP_STOP: (_Rule("swept", "count"), _Rule("sweep", "duration_s")),
    Name.DEAD_RECORD_DONE: (_Rule("dead", "count"),),
    Name.LEDGER_WRITE_FAILED: (_Rule("ledger_failures"),),
    Name.WORKER_CHILD_LOST: (_Rule("children_lost"),),
    Name.TOPOLOGY_DRIFT_SEEN: (_Rule("drift"),),
    Name.TELEMETRY_LISTEN_FAILED: (_Rule("listener_failures"),),
}
