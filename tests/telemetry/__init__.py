"""Tests of telemetry: pure, and one local HTTP endpoint for error reports."""
