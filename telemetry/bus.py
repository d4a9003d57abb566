"""Tells listeners what happened: emit is synchronous, almost free when nobody listens, and never raises."""

import logging
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from msgspec import Struct

from telemetry.events import Name
from telemetry.fields import Value, admit


class Event(Struct, frozen=True):
    """One thing that happened. `fields` are allow-listed and masked; `error` is for its type and stack, never for its text."""

    name: Name
    at: datetime
    fields: Mapping[str, Value]
    dropped: int = 0
    error: BaseException | None = None


Listener = Callable[[Event], None]

Wants = Mapping[Name, frozenset[str] | None]
"""The events a listener is to be told of, each with the fields it reads there; None: all of them."""

_NOTHING: Mapping[str, Value] = MappingProxyType({})
_bound: ContextVar[Mapping[str, Value]] = ContextVar("telemetry_bound", default=_NOTHING)
_log = logging.getLogger("millrace.telemetry")


@dataclass(frozen=True, slots=True)
class _Plan:
    """Who is told of one event, and the fields that any of them reads; None: all of them."""

    listeners: tuple[tuple[str, Listener], ...]
    fields: frozenset[str] | None


class _Listeners:
    """The attached listeners and the count of their failures; replaced as a whole so that emit needs no lock."""

    def __init__(self) -> None:
        self.attached: Mapping[str, tuple[Listener, Wants | None]] = {}
        self.plans: Mapping[Name, _Plan] = {}
        self.failures: Counter[str] = Counter()
        self.lock = threading.Lock()

    def replace(self, attached: Mapping[str, tuple[Listener, Wants | None]]) -> None:
        self.attached = attached
        self.plans = {name: plan for name in Name if (plan := _plan(name, attached)).listeners}

    def failed(self, listener_id: str) -> int:
        with self.lock:
            self.failures[listener_id] += 1
            return self.failures[listener_id]


_listeners = _Listeners()


def attach(listener_id: str, listener: Listener, wants: Wants | None = None) -> None:
    """Call `listener` from now on for every event, or for those it `wants`. An id attached again replaces the earlier
    listener in its place. What nobody reads is not even looked at: an event may reach a listener with more fields than it
    wants, never with fewer.
    """
    with _listeners.lock:
        _listeners.replace({**_listeners.attached, listener_id: (listener, wants)})


def detach(listener_id: str) -> None:
    """Stop calling a listener; an unknown id is no error."""
    with _listeners.lock:
        _listeners.replace({known: pair for known, pair in _listeners.attached.items() if known != listener_id})
        _listeners.failures.pop(listener_id, None)


def failures() -> Mapping[str, int]:
    """How often each attached listener raised, by its id."""
    with _listeners.lock:
        return dict(_listeners.failures)


def emit(name: Name, /, *, error: BaseException | None = None, **fields: object) -> None:
    """Tell every listener, now and in this thread. Fields outside `telemetry.fields.FIELDS` are dropped and counted.

    >>> emit(Name.DELIVERY_POST_STOP, delivery_id=7, target="netsuite", outcome="done", duration_s=0.12)
    """
    plan = _listeners.plans.get(name)
    if plan is None:
        return
    admitted = admit(fields, plan.fields)
    event = Event(name, datetime.now(UTC), {**_bound.get(), **admitted.values}, admitted.dropped, error)
    for listener_id, listener in plan.listeners:
        _tell(listener_id, listener, event)


@contextmanager
def bind(**fields: object) -> Iterator[None]:
    """Everything emitted inside carries these fields too. Another thread gets them by `bind(**bound())` inside it.

    >>> with bind(correlation_id=new_correlation_id()):
    ...     emit(Name.EVENT_ACCEPT_DONE, source="shopify-eu")
    """
    token = _bound.set({**_bound.get(), **admit(fields).values})
    try:
        yield
    finally:
        _bound.reset(token)


def bound() -> Mapping[str, Value]:
    """What is bound here, to be handed to another thread or put into a message header."""
    return _bound.get()


def correlation_id() -> str | None:
    """The correlation id bound here, if any."""
    found = _bound.get().get("correlation_id")
    return found if isinstance(found, str) else None


def new_correlation_id() -> str:
    """A fresh correlation id: 32 hexadecimal digits, so that it may serve as a W3C trace id as well."""
    return uuid.uuid4().hex


def _tell(listener_id: str, listener: Listener, event: Event) -> None:
    try:
        listener(event)
    except Exception as error:  # noqa: BLE001 - a fault of any kind in a listener must not reach the work
        # The border where a listener's fault ends: telemetry must never decide whether an order is posted.
        times = _listeners.failed(listener_id)
        if event.name is not Name.TELEMETRY_LISTEN_FAILED:
            _tell_of_failure(listener_id, times, error)


def _tell_of_failure(listener_id: str, times: int, error: Exception) -> None:
    if times == 1:
        _log.error("telemetry listener %s failed with %s; it stays attached, later failures are only counted",
                   listener_id, type(error).__name__)  # fmt: skip
    fields = admit({"listener": listener_id, "count": times, "error_type": type(error).__name__}).values
    event = Event(Name.TELEMETRY_LISTEN_FAILED, datetime.now(UTC), fields)
    plan = _listeners.plans.get(event.name)
    for other_id, other in plan.listeners if plan else ():
        if other_id != listener_id:
            _tell(other_id, other, event)


def _plan(name: Name, attached: Mapping[str, tuple[Listener, Wants | None]]) -> _Plan:
    told = {key: pair for key, pair in attached.items() if pair[1] is None or name in pair[1]}
    read = [None if wants is None else wants[name] for _, wants in told.values()]
    fields = None if None in read else frozenset().union(*(some for some in read if some is not None))
    return _Plan(tuple((key, listener) for key, (listener, _) in told.items()), fields)
