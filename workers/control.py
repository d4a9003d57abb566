"""Runs the remote control commands that our fetching changes: Flower's buttons act on what is fetched."""

import os
from collections.abc import Callable
from typing import Any

from celery.worker.control import Panel

from routing import names
from workers.fetch.consumer import Fetch

Answer = dict[str, Any]


def install() -> None:
    """Put our commands in place of Celery's own; once a process is enough, again is harmless."""
    for name, command in _COMMANDS.items():
        Panel.data[name] = command


def add_consumer(state: Any, queue: str, **_: Any) -> Answer:
    """Serve one more queue of the topology."""
    return _on_loop(state, queue, _add)


def cancel_consumer(state: Any, queue: str, **_: Any) -> Answer:
    """Serve a queue no more; what is buffered of it goes back at once."""
    return _on_loop(state, queue, _cancel)


def active_queues(state: Any, **_: Any) -> list[Answer]:
    """Queues with a consumer at this moment."""
    return [dict(queue.as_dict(recurse=True)) for queue in _fetch(state).queues]


def pool_grow(state: Any, n: int = 1, **_: Any) -> Answer:
    """Let ``n`` more tasks run at once, and fetch for them."""
    return _resize(state, n)


def pool_shrink(state: Any, n: int = 1, **_: Any) -> Answer:
    """Let ``n`` fewer tasks run at once, and fetch less."""
    return _resize(state, -n)


def pool_now(state: Any, **_: Any) -> Answer:
    """Which pool of the fleet this worker is of, and its size: now, and as it began."""
    told = state.app.conf
    return {
        "pool": told.millrace_pool,
        "size": state.consumer.pool.num_processes,
        "configured": told.millrace_size,
        "pid": os.getpid(),
    }


def autoscale(state: Any, **_: Any) -> Answer:
    """Refused: there is one way to size a pool."""
    size = state.consumer.pool.num_processes
    return nok(f"autoscale is not used here: the pool has {size}; set its size with pool_grow and pool_shrink")


def rate_limit(state: Any, **_: Any) -> Answer:  # noqa: ARG001 Celery's signature
    """Refused: it would park fetched messages in memory."""
    return nok("rate_limit is not used here: set the target's rate_per_s, which holds for the whole fleet")


def _resize(state: Any, change: object) -> Answer:
    pool = state.consumer.pool
    if not isinstance(change, int) or isinstance(change, bool) or change == 0:
        return nok("give a whole number above 0")
    if pool.num_processes + change < 1:
        return nok(f"the pool has {pool.num_processes}: at least 1 must stay; to stop fetching, pause the family")
    try:
        pool.grow(change) if change > 0 else pool.shrink(-change)
    except ValueError as error:
        return nok(str(error))
    _fetch(state).fetcher.resize()
    return ok(f"pool has {pool.num_processes}, each queue may have {_fetch(state).fetcher.prefetch} messages here")


def _on_loop(state: Any, queue: str, act: Callable[[Fetch, str], Answer]) -> Answer:
    fetch = _fetch(state)
    if refusal := fetch.refusal(queue):
        return nok(refusal)
    return act(fetch, queue)


def _add(fetch: Fetch, queue: str) -> Answer:
    if fetch.fetcher.add(queue):
        return ok(f"consuming from {queue}")
    return nok(f"{queue} does not exist on the broker: run `millrace topology declare`")


def _cancel(fetch: Fetch, queue: str) -> Answer:
    fetch.fetcher.drop(queue)
    return ok(f"no longer consuming from {queue} (lane {names.lane_of(names.family_of(queue))})")


def ok(said: str) -> Answer:
    """An answer that says what was done."""
    return {"ok": said}


def nok(said: str) -> Answer:
    """An answer that says why nothing was done."""
    return {"error": said}


def _fetch(state: Any) -> Fetch:
    fetch: Fetch = state.consumer.fetch
    return fetch


_COMMANDS: dict[str, Callable[..., Any]] = {
    command.__name__: command
    for command in (add_consumer, cancel_consumer, active_queues, pool_now, pool_grow, pool_shrink, autoscale, rate_limit)
}
