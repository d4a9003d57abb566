"""Decides whether a broker has the topology, and gives it what is missing; drift is told, never repaired by force."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from amqp.exceptions import AMQPError, NotFound, PreconditionFailed
from kombu import Connection

from routing.topology import Exchange, Queue, Topology

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
    for item, finding in zip((*topology.exchanges, *topology.queues), findings, strict=True):
        if finding.state == "missing":
            _with_channel(connection, lambda channel, item=item: _make(channel, item))  # type: ignore[misc]
    for queue in topology.queues:
        _with_channel(
            connection,
            lambda channel, q=queue: channel.queue_bind(q.name, q.exchange, q.routing_key),  # type: ignore[misc]
        )
    return [Finding(f.kind, f.name, "declared") if f.state == "missing" else f for f in findings]


def inspect(connection: Connection, topology: Topology) -> list[Finding]:
    """Compare without changing anything: exchanges first, then queues, in the topology's order."""
    return [_inspect(connection, item) for item in (*topology.exchanges, *topology.queues)]


def _inspect(connection: Connection, item: Exchange | Queue) -> Finding:
    kind: Literal["exchange", "queue"] = "exchange" if isinstance(item, Exchange) else "queue"
    if isinstance(_with_channel(connection, lambda channel: _exists(channel, item)), NotFound):
        return Finding(kind, item.name, "missing")
    # The broker compares the arguments itself when an existing thing is declared again, and says what differs.
    answer = _with_channel(connection, lambda channel: _make(channel, item))
    if isinstance(answer, PreconditionFailed):
        return Finding(kind, item.name, "differs", str(answer.reply_text))
    return Finding(kind, item.name, "ok")


def _with_channel(connection: Connection, act: Callable[..., None]) -> AMQPError | None:
    """Run one call on a channel of its own: the broker closes the channel of a refused one."""
    channel = connection.channel()
    try:
        act(channel)
    except (NotFound, PreconditionFailed) as refusal:
        return refusal
    else:
        channel.close()
        return None


def _exists(channel: object, item: Exchange | Queue) -> None:
    if isinstance(item, Exchange):
        channel.exchange_declare(item.name, item.kind, passive=True)  # type: ignore[attr-defined]
    else:
        channel.queue_declare(item.name, passive=True)  # type: ignore[attr-defined]


def _make(channel: object, item: Exchange | Queue) -> None:
    if isinstance(item, Exchange):
        channel.exchange_declare(  # type: ignore[attr-defined]
            item.name, item.kind, durable=True, auto_delete=False, arguments=dict(item.arguments)
        )
    else:
        channel.queue_declare(  # type: ignore[attr-defined]
            item.name, durable=True, exclusive=False, auto_delete=False, arguments=dict(item.arguments)
        )
