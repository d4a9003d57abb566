"""Carries the W3C trace context as a string, with tracing on or off."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where we are in a trace: its traceparent, and the open work it belongs to when a listener keeps spans."""

    traceparent: str
    work: str = ""
    span: object = None


_path: ContextVar[tuple[Place, ...]] = ContextVar("telemetry_trace", default=())


def current_traceparent() -> str | None:
    """The traceparent to put into a message or request header; None outside of any trace."""
    path = _path.get()
    return path[-1].traceparent if path else None


@contextmanager
def continue_from(traceparent: str | None) -> Iterator[None]:
    """Continue the trace a message came with. None or a malformed value starts anew: a header is never trusted further."""
    usable = traceparent is not None and _TRACEPARENT.fullmatch(traceparent)
    token = _path.set((Place(traceparent),) if traceparent is not None and usable else ())
    try:
        yield
    finally:
        _path.reset(token)


def enter(place: Place) -> None:
    """Step into a piece of work; for the listener that keeps spans."""
    _path.set((*_path.get(), place))


def leave(work: str) -> Place | None:
    """Step out of the innermost open piece of that work, and out of whatever inside it was never ended."""
    path = _path.get()
    for depth in range(len(path) - 1, -1, -1):
        if path[depth].work == work:
            _path.set(path[:depth])
            return path[depth]
    return None
