"""Turns events into OpenTelemetry spans; imported only when the extra is installed."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from telemetry import bus, semantics, trace
from telemetry.errors import type_name


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

    def hear(self, event: bus.Event) -> None:
        """Open or end the span the event speaks of; events of no piece of work are passed over."""
        work, _, state = event.name.rpartition(".")
        work = semantics.ALSO_ENDS.get(event.name, work)
        if work not in semantics.WORKS:
            return
        if state == "start":
            span = self._open(work, event, started_s=0.0)
            trace.enter(trace.Place(_traceparent(span), work, span))
            return
        place = trace.leave(work)
        opened = place.span if place else None
        if isinstance(opened, Span):
            self._end(opened, event)
        elif event.name not in semantics.ALSO_ENDS:
            duration_s = event.fields.get("duration_s", 0.0)
            self._end(self._open(work, event, float(duration_s) if isinstance(duration_s, int | float) else 0.0), event)

    def _open(self, work: str, event: bus.Event, started_s: float) -> Span:
        kind = semantics.WORKS[work]
        parent = trace.current_traceparent()
        context = self._propagator.extract({"traceparent": parent} if parent else {})
        span = self._tracer.start_span(
            f"{kind.name} {event.fields.get(kind.destination, '')}".strip(),
            context=context,
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
        provider.shutdown()

    return stop


def _describe(span: Span, event: bus.Event) -> None:
    for field, value in event.fields.items():
        span.set_attribute(semantics.attribute(field), value)


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
