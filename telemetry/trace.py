"""Carries the W3C trace context as a string, with tracing on or off."""

import hashlib
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
    of_order: bool = False
    carrier: str | None = None
    """In the trace of an order: the traceparent of the message that led here, which is about many orders."""


_followed = False
_path: ContextVar[tuple[Place, ...]] = ContextVar("telemetry_trace", default=())


def current_traceparent() -> str | None:
    """The traceparent to put into a message or request header; None outside of any trace."""
    place = current_place()
    return place.traceparent if place else None


def follow_orders(followed: bool) -> None:
    """Whether somebody keeps traces of orders; told by the listener that does. Nobody pays for them otherwise."""
    global _followed  # noqa: PLW0603  one process has one such listener
    _followed = followed


def trace_id_of_order(order: str) -> str:
    """The trace of an order, ``source/key``: the same in every process and at every time, so that nothing need carry it.

    >>> trace_id_of_order("shopify/1001")
    'd60d9ad7fec90d8c8dd572f371d5e0c3'
    """
    return hashlib.blake2b(order.encode("utf-8", "surrogatepass"), digest_size=16, person=b"order trace").hexdigest()


@contextmanager
def of_order(order: str | None) -> Iterator[None]:
    """Step into the trace of an order, ``source/key``: what happens inside belongs to it. None: stay where we are."""
    if not _followed or order is None:
        yield
        return
    whole = trace_id_of_order(order)
    place = Place(f"00-{whole}-{whole[:16]}-01", of_order=True, carrier=current_traceparent())
    token = _path.set((place,))
    try:
        yield
    finally:
        _path.reset(token)


def current_place() -> Place | None:
    """The innermost place; None outside of any trace."""
    path = _path.get()
    return path[-1] if path else None


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
