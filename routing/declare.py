"""Decides whether a broker has the topology, and gives it what is missing; drift is told, never repaired by force."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from amqp.exceptions import AMQPError, NotFound, PreconditionFailed
from kombu import Connection

from routing.topology import Exchange, Queue, Topology
from telemetry.bus import emit
from telemetry.events import Name

State = Literal["ok", "missing", "differs", "declared"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One exchange or queue as the broker has it. ``detail`` is the broker's own word on a difference."""

    kind: Literal["exchange", "queue"]
    name: str
    state: State
    detail: str = ""


def declare(connection: Connection, topology: Topology) -> list[Finding]:
    """Make what is missing, bind everything; what differs is left alone and reported."""
    findings = inspect(connection, topology)
    for item, finding in zip(topology.items, findings, strict=True):
        if finding.state == "missing":
            _with_channel(connection, partial(_make, item))
    for queue in topology.queues:
        _with_channel(connection, partial(_bind, queue))
    emit(Name.TOPOLOGY_DECLARE_DONE, count=sum(f.state == "missing" for f in findings))
    return [Finding(f.kind, f.name, "declared") if f.state == "missing" else f for f in findings]


def inspect(connection: Connection, topology: Topology) -> list[Finding]:
    """Compare without changing anything: exchanges first, then queues, in the topology's order."""
    return [_inspect(connection, item) for item in topology.items]


def _inspect(connection: Connection, item: Exchange | Queue) -> Finding:
    kind: Literal["exchange", "queue"] = "exchange" if isinstance(item, Exchange) else "queue"
    if isinstance(_with_channel(connection, partial(_exists, item)), NotFound):
        return Finding(kind, item.name, "missing")
    # The broker compares the arguments itself when an existing thing is declared again, and says what differs.
    answer = _with_channel(connection, partial(_make, item))
    if isinstance(answer, PreconditionFailed):
        return Finding(kind, item.name, "differs", str(answer.reply_text))
    return Finding(kind, item.name, "ok")


def _with_channel(connection: Connection, act: Callable[[Any], None]) -> AMQPError | None:
    """Run one call on a channel of its own: the broker closes the channel of a refused one."""
    channel: Any = connection.channel()
    try:
        act(channel)
    except (NotFound, PreconditionFailed) as refusal:
        return refusal
    else:
        channel.close()
        return None


def _bind(queue: Queue, channel: Any) -> None:
    channel.queue_bind(queue.name, queue.exchange, queue.routing_key)


def _exists(item: Exchange | Queue, channel: Any) -> None:
    if isinstance(item, Exchange):
        channel.exchange_declare(item.name, item.kind, passive=True)
    else:
        channel.queue_declare(item.name, passive=True)


def _make(item: Exchange | Queue, channel: Any) -> None:
    if isinstance(item, Exchange):
        channel.exchange_declare(item.name, item.kind, durable=True, auto_delete=False, arguments=dict(item.arguments))
    else:
        channel.queue_declare(item.name, durable=True, exclusive=False, auto_delete=False, arguments=dict(item.arguments))
