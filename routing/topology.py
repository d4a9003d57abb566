"""Decides the broker's topology: every exchange, queue and binding as values, from the one file of data and the targets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from config.topology import TopologyTable
from routing import names

Argument = str | int


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue, bound to ``exchange`` by ``routing_key``."""

    name: str
    exchange: str
    routing_key: str
    arguments: Mapping[str, Argument]


@dataclass(frozen=True, slots=True)
class Topology:
    """All of it; ``families`` are those that workers serve: a domain's own, and in each target's lane one a domain."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    families: tuple[str, ...]

    @property
    def items(self) -> tuple[Exchange | Queue, ...]:
        """Everything to declare, exchanges first."""
        return (*self.exchanges, *self.queues)

    @property
    def work_queues(self) -> frozenset[str]:
        """Names of the queues workers may consume."""
        return frozenset(q.name for q in self.queues if q.exchange == names.WORK_EXCHANGE)

    @property
    def dead_queues(self) -> tuple[str, ...]:
        """Names of the queues the recorder consumes."""
        return tuple(q.name for q in self.queues if q.exchange == names.DEAD_EXCHANGE)


def build_topology(table: TopologyTable, targets: Iterable[str]) -> Topology:
    """The topology of these targets."""
    lanes = (*table.domains, *(names.lane(target) for target in targets))
    families = tuple(family for lane in lanes for family in names.families_of(lane, table.domains))
    exchanges = (
        Exchange(names.UNROUTED, "fanout"),
        Exchange(names.WORK_EXCHANGE, "direct", {"alternate-exchange": names.UNROUTED}),
        Exchange(names.DEAD_EXCHANGE, "direct", {"alternate-exchange": names.UNROUTED}),
        *(Exchange(names.rung(tier_s), "fanout") for tier_s in table.ladder_s),
    )
    queues = (
        Queue(names.UNROUTED, names.UNROUTED, "", {"x-queue-type": "quorum"}),
        *(_dead(lane) for lane in lanes),
        *(_work(family, cls, table.delivery_limit) for family in families for cls in names.CLASSES),
        *(_rung(tier_s) for tier_s in table.ladder_s),
    )
    return Topology(exchanges, queues, families)


def _work(family: str, cls: names.Class, delivery_limit: int) -> Queue:
    name = names.queue(family, cls)
    arguments = {"x-delivery-limit": delivery_limit} | _safe_dead_lettering(
        names.DEAD_EXCHANGE, names.dead(names.lane_of(family))
    )
    return Queue(name, names.WORK_EXCHANGE, name, arguments)


def _dead(lane: str) -> Queue:
    name = names.dead(lane)
    return Queue(name, names.DEAD_EXCHANGE, name, {"x-queue-type": "quorum"})


def _rung(tier_s: int) -> Queue:
    # Without a dead-letter routing key the message keeps the one it was published with: the queue it goes back to.
    # The time to live is the queue's, never the message's: a queue expires its head first, so a long one would hold short ones.
    name = names.rung(tier_s)
    return Queue(name, name, "", {"x-message-ttl": tier_s * 1000} | _safe_dead_lettering("", None))


def _safe_dead_lettering(exchange: str, routing_key: str | None) -> dict[str, Argument]:
    """At-least-once: the queue keeps a message until the dead-letter target confirmed it; needs reject-publish."""
    arguments: dict[str, Argument] = {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return arguments if routing_key is None else arguments | {"x-dead-letter-routing-key": routing_key}
