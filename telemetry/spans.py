"""Turns events into OpenTelemetry spans; imported only when the extra is installed."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from telemetry import bus, semantics, trace
from telemetry.errors import type_name

MOST_UNDER_WAY = 1_000


class _Rows:
    """Spans of deliveries under way, by the delivery: many begin together, in one request, and end one by one.

    A row that a batch left undone has begun and is not told to have ended: its span ends when the row begins again, or
    when MOST_UNDER_WAY others began after it.
    """

    def __init__(self) -> None:
        self._spans: dict[int, Span] = {}
        self._lock = threading.Lock()

    def put(self, row: int, span: Span) -> None:
        with self._lock:
            over = [self._spans.pop(row)] if row in self._spans else []
            self._spans[row] = span
            if len(self._spans) > MOST_UNDER_WAY:
                over.append(self._spans.pop(next(iter(self._spans))))
        for one in over:
            one.end()

    def take(self, row: int) -> Span | None:
        with self._lock:
            return self._spans.pop(row, None)


class Spans:
    """A listener: `start` opens a span inside the current one, any other state of the same work ends it."""

    _KINDS: ClassVar[dict[semantics.Role, SpanKind]] = {
        "server": SpanKind.SERVER,
        "client": SpanKind.CLIENT,
        "producer": SpanKind.PRODUCER,
        "consumer": SpanKind.CONSUMER,
        "internal": SpanKind.INTERNAL,
    }

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("millrace", schema_url=semantics.CONVENTIONS)
        self._propagator = TraceContextTextMapPropagator()
        self._rows = _Rows()
        trace.follow_orders(True)

    def hear(self, event: bus.Event) -> None:
        """Open or end the span the event speaks of; events of no piece of work are passed over."""
        work, _, state = event.name.rpartition(".")
        work = semantics.ALSO_ENDS.get(event.name, work)
        if work not in semantics.WORKS:
            return
        row = event.fields.get("delivery_id")
        if state == "start":
            span = self._open(work, event, started_s=0.0)
            trace.enter(trace.Place(_traceparent(span), work, span))
            if isinstance(row, int) and work == "delivery.post":
                self._rows.put(row, span)
            return
        if work == "event.prepare" and _in_trace_of_order():
            self._begin(event)
        place = trace.leave(work)
        begun = self._rows.take(row) if isinstance(row, int) and work == "delivery.post" else None
        opened = place.span if place else begun
        if isinstance(opened, Span):
            self._end(opened, event)
        elif event.name not in semantics.ALSO_ENDS:
            duration_s = event.fields.get("duration_s", 0.0)
            self._end(self._open(work, event, float(duration_s) if isinstance(duration_s, int | float) else 0.0), event)

    def _begin(self, event: bus.Event) -> None:
        """What the order's trace begins with: the channel's telling, or the step that somebody took long before it was told."""
        step = event.fields.get("stage")
        ago_s = event.fields.get("age_s" if step else "waited_s", 0.0)
        at = _nanoseconds(event.at) - int(float(ago_s if isinstance(ago_s, int | float) else 0.0) * 1e9)
        name = f"{step or 'told'} {event.fields.get('source', '')}".strip()
        span = self._tracer.start_span(name, context=self._parent(), kind=SpanKind.INTERNAL, start_time=at, links=self._links())
        _describe(span, event)
        span.end(end_time=at)

    def _parent(self) -> Context:
        parent = trace.current_traceparent()
        return self._propagator.extract({"traceparent": parent} if parent else {})

    def _links(self) -> list[Link]:
        """From the trace of an order to that of the message that led there."""
        place = trace.current_place()
        if place is None or place.carrier is None:
            return []
        return [Link(get_current_span(self._propagator.extract({"traceparent": place.carrier})).get_span_context())]

    def _open(self, work: str, event: bus.Event, started_s: float) -> Span:
        kind = semantics.WORKS[work]
        span = self._tracer.start_span(
            f"{kind.name} {event.fields.get(kind.destination, '')}".strip(),
            context=self._parent(),
            links=self._links(),
            kind=self._KINDS[kind.role],
            start_time=_nanoseconds(event.at) - int(started_s * 1e9),
        )
        if kind.operation_type:
            span.set_attributes({semantics.OPERATION_TYPE: kind.operation_type, semantics.SYSTEM[0]: semantics.SYSTEM[1]})
        _describe(span, event)
        return span

    def _end(self, span: Span, event: bus.Event) -> None:
        _describe(span, event)
        failed = event.fields.get("outcome") in semantics.FAILED_OUTCOMES or event.name.endswith(".failed")
        if event.error is not None:
            span.set_attribute(semantics.ERROR_TYPE, type_name(event.error))
        if failed or event.error is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end_time=_nanoseconds(event.at))


def start(endpoint: str, service: str, version: str, instance: str) -> Callable[[], None]:
    """Send spans to an OTLP/HTTP endpoint; returns what stops it."""
    resource = Resource.create({"service.name": service, "service.version": version, "service.instance.id": instance})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    bus.attach("otel", Spans(provider).hear)

    def stop() -> None:
        bus.detach("otel")
        trace.follow_orders(False)
        provider.shutdown()

    return stop


def _in_trace_of_order() -> bool:
    place = trace.current_place()
    return place is not None and place.of_order


def _describe(span: Span, event: bus.Event) -> None:
    for field, value in event.fields.items():
        span.set_attribute(semantics.attribute(field), value)


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
