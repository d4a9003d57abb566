"""Telemetry tells: event names and the listeners that log, count, trace and report them."""

from telemetry.bus import bind, bound, correlation_id, emit, new_correlation_id
from telemetry.events import Name

__all__ = ["Name", "bind", "bound", "correlation_id", "emit", "new_correlation_id"]
