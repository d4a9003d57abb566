"""Switches OpenTelemetry on: an extra, with a clear word when it is missing."""

from collections.abc import Callable
from importlib import import_module

from telemetry.trace import continue_from, current_traceparent

__all__ = ["TracingUnavailableError", "continue_from", "current_traceparent", "start"]


class TracingUnavailableError(RuntimeError):
    """Tracing was switched on, but its packages are not installed."""


def start(endpoint: str, *, service: str, version: str, instance: str) -> Callable[[], None]:
    """Send spans to the OTLP/HTTP `endpoint` (its full URL, `.../v1/traces`); returns what stops it and sends the rest.

    Raises TracingUnavailableError when the `otel` extra is not installed. Call in each process, after a fork.
    """
    try:
        spans = import_module("telemetry.spans")
    except ImportError as missing:
        raise TracingUnavailableError(
            f"tracing to {endpoint} is switched on, but the module {missing.name} is missing: "
            "install millrace with its extra `otel`, or clear MILLRACE_OTEL_ENDPOINT"
        ) from missing
    stop: Callable[[], None] = spans.start(endpoint, service, version, instance)
    return stop
