"""Runs Celery's consumer with our fetching in it: no gossip, no delay in memory, no message that stops a worker."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from celery import bootsteps
from celery.exceptions import ImproperlyConfigured
from celery.worker import state
from celery.worker.consumer.connection import Connection
from celery.worker.consumer.consumer import Consumer, Evloop
from celery.worker.consumer.control import Control
from celery.worker.consumer.events import Events
from celery.worker.consumer.heart import Heart
from kombu import Queue
from kombu.common import QoS
from vine import promise

from adapters.throttle.base import Limit
from routing import names
from workers.fetch.delivered import Part
from workers.fetch.fetcher import Fetcher, Hands
from workers.fetch.intake import Intake
from workers.fetch.parts import Parts, Rules
from workers.fetch.permits import PermitBook
from workers.fetch.plan import FetchPlan, Plan, PlanWatch

_log = logging.getLogger(__name__)

TEND_S = 1.0


@dataclass(frozen=True, slots=True)
class Serving:
    """What a worker serves and by what it goes. ``queues`` are the topology's work queues it may ever consume, ``lanes``
    those it begins with, ``rules`` what bounds the parts of each target's lane.
    """

    lanes: tuple[str, ...]
    queues: Mapping[str, Queue]
    plan: Plan
    permits: PermitBook
    rules: Mapping[str, Rules]

    @property
    def wanted(self) -> tuple[str, ...]:
        """The queues it begins with."""
        return tuple(queue for queue in self.queues if names.lane_of(names.family_of(queue)) in self.lanes)


class Fetch(bootsteps.StartStopStep):
    """Takes the place of Celery's ``Tasks`` step; stands in for its ``task_consumer`` and ``qos`` as well.

    Everything here runs in the worker's event loop, which owns the broker connection in every pool; a pool's threads and
    the plan's thread reach it by ``hub.call_soon`` alone. The loop looks at what was called soon before it polls, and not
    again: what the loop's own thread wants done at once goes by a timer of no time, or it would wait for the next message.
    """

    requires = (Events,)
    label = "fetch"

    def __init__(self, c: Any, **kwargs: Any) -> None:
        super().__init__(c, **kwargs)
        serving: Serving = c.serving
        self._c = c
        self._serving = serving
        self._pick = promise(self._do_pick)
        self._timer: Any = None
        self._loop_thread = 0
        self._soon = False
        self._tending: Any = None
        self._watch: PlanWatch | None = None
        self._limits: Mapping[str, Limit] = {}
        self.on_message: Callable[[Any], Any] | None = None
        hands = Hands(
            limit=lambda: int(c.pool.num_processes),
            reserved=lambda: len(state.reserved_requests),
            soon=self.wake,
            later=self._wake_later,
            in_process=c.pool.in_process,
        )
        self.fetcher = Fetcher(serving.wanted, serving.permits, Parts(serving.rules, on_threads=c.pool.in_process), hands)
        c.task_consumer = c.qos = None
        c.fetch = self
        for queue in serving.wanted:
            if refused := self.refusal(queue):
                raise ImproperlyConfigured(refused)

    def start(self, c: Any) -> None:
        """After every connect: nothing flows before the event loop calls :meth:`consume`."""
        c.update_strategies()
        c.qos = QoS(_leave_as_it_is, 0)
        c.qos.update()
        c.task_consumer = self
        if self._watch is None:
            self._watch = PlanWatch(self._serving.plan, self._plan_changed)
            plan = self._watch.start()
            self._adjust(plan)
            self.fetcher.follow(plan)
        # Celery cancels the timers of a lost connection, and all made since it was opened count as its own.
        if self._tending is not None:
            self._tending.cancel()
        self._tending = c.hub.call_repeatedly(TEND_S, self._tend)

    def stop(self, c: Any) -> None:
        """At a shutdown, and after a lost connection: then there is nothing to hand back to."""
        connected = c.connection is not None and bool(c.connection.connected)
        try:
            self.fetcher.end(connected)
        except c.connection_errors + c.channel_errors:
            _log.warning("buffered messages could not be handed back: the broker takes them back with the connection")

    def shutdown(self, c: Any) -> None:
        """The worker's end."""
        if self._watch is not None:
            self._watch.stop()
        c.task_consumer = None

    def info(self, _c: Any) -> dict[str, int]:  # type: ignore[override]  # Celery returns a dict, its stubs say None
        """For ``inspect stats`` and Flower's worker page."""
        return {"prefetch_count": self.fetcher.prefetch, "buffered": self.fetcher.buffered}

    @property
    def queues(self) -> list[Queue]:
        """Queues consumed now, as ``inspect active_queues`` and Flower show them."""
        return [self._serving.queues[name] for name in self.fetcher.consumed]

    def refusal(self, queue: object) -> str | None:
        """Why this worker may not consume a queue, None if it may."""
        if not isinstance(queue, str) or queue not in self._serving.queues:
            return f"{queue!r} is no work queue of the topology; one of them is {min(self._serving.queues, default='none')}"
        target = names.target_of(names.family_of(queue))
        if target is None:
            return None
        if not self._c.pool.in_process:
            return f"{queue} holds deliveries: they need their permit in the process that runs them, a worker on threads"
        if not self._serving.permits.knows(target):
            return f"this worker has no throttle for {target}: start one that serves the lane"
        return None

    def consume(self) -> None:
        """Begin; called by Celery's event loop when it is ready to read."""
        c = self._c
        self._loop_thread = threading.get_ident()
        self._soon, self._timer = False, None
        intake = Intake(c.connection, c.strategies, clock=time.monotonic, arrived=self.wake)
        self.fetcher.begin(intake, self._hand_over)
        self._read_what_is_buffered()

    def wake(self) -> None:
        """Pick as soon as the loop comes round; from any thread, any number of times."""
        if threading.get_ident() != self._loop_thread:
            self._c.hub.call_soon(self._pick)
        elif not self._soon:
            self._soon = True
            self._c.hub.call_later(0, self._do_pick)

    def _hand_over(self, part: Part) -> None:
        if self.on_message is not None:
            self.on_message(part)

    def _do_pick(self) -> None:
        self._soon = False
        try:
            self.fetcher.pick()
        except self._c.connection_errors + self._c.channel_errors:
            raise
        except Exception:  # noqa: BLE001 a fault in picking must not end the loop that acknowledges and heartbeats
            _log.exception("picking failed: tried again in a second")
            self._wake_later(TEND_S)

    def _tend(self) -> None:
        if self._c.task_consumer is self and self._c.connection is not None:
            self.fetcher.tend()

    def _wake_later(self, wait_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._c.hub.call_later(wait_s, self._do_pick)

    def _plan_changed(self, plan: FetchPlan) -> None:
        self._adjust(plan)
        self._c.hub.call_soon(self.fetcher.follow, plan)

    def _adjust(self, plan: FetchPlan) -> None:
        """Put the plan's limits in force, and the configured one again where it names none any more. On the plan's thread."""
        for target, limit in plan.limits.items():
            if self._limits.get(target) != limit:
                self._serving.permits.adjust(target, limit)
        for target in self._limits.keys() - plan.limits.keys():
            rules = self._serving.rules.get(names.lane(target))
            if rules is not None:
                self._serving.permits.adjust(target, rules.limit)
        self._limits = plan.limits

    def _read_what_is_buffered(self) -> None:
        # Waiting for an answer on one channel can leave frames of others read from the socket but not dispatched (TLS).
        connection = self._c.connection
        self._c.hub.call_soon(connection.transport.on_readable, connection.connection, self._c.hub)


def _leave_as_it_is(prefetch_count: int) -> None:
    """Celery's loop sets one prefetch for all; ours are set for each consumer."""


class RemoteControl(Control):
    """Celery's remote control after our fetching."""

    requires = (Fetch,)


class SafeConsumer(Consumer):
    """Rejects to the dead-letter exchange what Celery would lose or fall over."""

    serving: ClassVar[Serving]
    fetch: Fetch
    connection_errors: tuple[type[Exception], ...]
    controller: Any

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc, valid-type]  # the stubs type the attribute, not the class
        """Celery's steps without mingle, gossip, its own task consumer and its delayed delivery."""

        default_steps: ClassVar[list[Any]] = [Connection, Events, Heart, Fetch, RemoteControl, Evloop]

    def __init__(self, on_task_request: Callable[[Any], Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(self._guarded(on_task_request), *args, **kwargs)

    def on_decode_error(self, message: Any, _exc: Exception) -> None:
        """Celery would acknowledge it, which loses it."""
        message.reject_log_error(_log, self.connection_errors)

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """An answer to the broker: on the thread where the work ended, sent from the loop."""
        message = getattr(p, "__self__", None)
        queued = super().call_soon_ack(p, *args, **kwargs)  # type: ignore[misc]  # missing in the stubs
        if isinstance(message, Part):
            message.ended()
        return queued

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Celery's handler, with a fate for whatever it raises."""
        handle = super().create_task_handler(*args, **kwargs)

        def handle_safely(message: Part) -> None:
            try:
                handle(message)
            except self.connection_errors:
                raise
            except Exception:  # noqa: BLE001 whatever a message makes Celery raise, the worker goes on
                _log.exception("message of %s could not be begun: refused to the dead-letter exchange", message.queue)
                if not message.acknowledged:
                    message.reject_log_error(_log, self.connection_errors)

        return handle_safely

    def _guarded(self, begin: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def begin_or_free(request: Any) -> Any:
            try:
                return begin(request)
            except Exception:
                state.task_ready(request)
                if self.controller.semaphore is not None:
                    self.controller.semaphore.release()
                raise

        return begin_or_free
