"""Telemetry tells: event names and the listeners that log, count, trace and report them."""

from telemetry.bus import bind, bound, correlation_id, emit, new_correlation_id
from telemetry.events import Name
from telemetry.trace import continue_from, current_traceparent

__all__ = [
    "Name",
    "bind",
    "bound",
    "continue_from",
    "correlation_id",
    "current_traceparent",
    "emit",
    "new_correlation_id",
]
