"""Gives the telemetry tests a listener that remembers, and detaches whatever a test attached."""

from collections.abc import Iterator

import pytest

from telemetry import bus


@pytest.fixture
def seen() -> Iterator[list[bus.Event]]:
    events: list[bus.Event] = []
    bus.attach("test", events.append)
    yield events
    bus.detach("test")
