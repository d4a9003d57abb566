"""Telemetry tells: event names and the listeners that log, count, trace and report them."""
