"""Does the joining of Celery and our tasks: four tasks by name, each a few lines around a plain function."""

from collections.abc import Callable
from typing import Any, Protocol

from celery import Celery, Task
from celery.exceptions import Reject

from adapters.throttle.base import Granted
from ledger.session import LedgerUnavailable
from routing.letters import DELIVER_TASK, Letter, prepare_task
from routing.names import class_of
from tasks.context import Context
from tasks.prepare import prepare
from tasks.step import LEDGER_REST_S, Message, run
from telemetry.bus import emit
from telemetry.events import Name
from telemetry.trace import continue_from


class Permits(Protocol):
    """What the fetcher keeps of the parts it handed out, by task id."""

    def hand_over(self, task_id: str) -> Granted | None:
        """The permit taken for a task, once."""
        ...

    def found_nothing(self, task_id: str) -> None:
        """None of the task's rows was there to be posted."""
        ...


def register(app: Celery, domains: tuple[str, ...], context_of: Callable[[], Context], permits: Permits) -> None:
    """Give the app its tasks. ``context_of`` is called in the process that runs a task, never at import or before a fork."""
    for domain in domains:
        app.task(name=prepare_task(domain), bind=True, shared=False)(_prepare_task(context_of))
    app.task(name=DELIVER_TASK, bind=True, shared=False)(_deliver_task(context_of, permits))


def _prepare_task(context_of: Callable[[], Context]) -> Callable[[Task[Any, Any], list[int]], None]:
    def run_prepare(task: Task[Any, Any], rows: list[int]) -> None:
        """Read the events, write documents and deliveries."""
        context = context_of()
        queue, redelivered = _delivered(task)
        if redelivered and len(rows) > 1:
            return _send_singly(context, task, queue, rows)
        try:
            with continue_from(_trace(task)):
                prepare(context, rows, class_of(queue))
        except LedgerUnavailable as error:
            emit(Name.LEDGER_WRITE_FAILED, stage="prepare", error=error)
            _again(context, Letter(queue, task.name, tuple(rows), "again: ledger away", rung_s=LEDGER_REST_S, since=_since(task)))

    return run_prepare


def _deliver_task(context_of: Callable[[], Context], permits: Permits) -> Callable[[Task[Any, Any], list[int]], None]:
    def run_deliver(task: Task[Any, Any], rows: list[int]) -> None:
        """Post the deliveries to their target."""
        context = context_of()
        queue, _ = _delivered(task)
        permit = permits.hand_over(str(task.request.id))
        if permit is None:
            raise Reject("delivered without a permit: the message was not picked by the fetcher", requeue=True)
        try:
            with continue_from(_trace(task)):
                if not run(context, Message(queue, tuple(rows), _operation(task), _since(task)), permit):
                    permits.found_nothing(str(task.request.id))
        except ConnectionError as error:
            raise Reject(str(error), requeue=True) from error

    return run_deliver


def _send_singly(context: Context, task: Task[Any, Any], queue: str, rows: list[int]) -> None:
    """A bundle that came back killed its worker, or lost it by chance: alone, each row shows which it was."""
    letters = [Letter(queue, task.name, (row,), f"again: {row}", since=_since(task)) for row in rows]
    if len(context.publisher.publish(letters)) < len(letters):
        raise Reject("the broker did not take the bundle's parts", requeue=True)


def _again(context: Context, letter: Letter) -> None:
    if not context.publisher.publish([letter]):
        raise Reject("neither the ledger nor the broker took the events", requeue=True)


def _delivered(task: Task[Any, Any]) -> tuple[str, bool]:
    info = task.request.delivery_info or {}
    return str(info.get("routing_key", "")), bool(info.get("redelivered"))


def _operation(task: Task[Any, Any]) -> str:
    return str((task.request.headers or {}).get("operation") or "")


def _since(task: Task[Any, Any]) -> int:
    return int((task.request.headers or {}).get("since") or 0)


def _trace(task: Task[Any, Any]) -> str | None:
    """The trace that the message continues, None if it begins one."""
    headers = task.request.headers or {}
    return str(headers.get("traceparent") or "") or None
