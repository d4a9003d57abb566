"""Runs the count of what waits in lanes: rows and ages from the ledger's indexes, messages from the broker."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from amqp.exceptions import NotFound
from kombu import Connection

from config.topology import load_topology
from ledger import standing
from ledger.session import Session
from ledger.standing import MOST_COUNTED, Cell
from routing import names


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits of one domain and class. ``rows`` is the least when ``more``; ``messages`` None: the broker was not asked."""

    domain: str
    cls: str
    rows: int
    more: bool
    oldest_s: float | None
    messages: int | None = None


def cells_of(session: Session, lanes: Iterable[str]) -> dict[str, list[Cell]]:
    """What waits to be picked in these lanes, by lane."""
    domains = load_topology().domains
    found: dict[str, list[Cell]] = {}
    for lane in lanes:
        target = names.target_of(lane)
        cells = (
            standing.of_events(session, [lane], names.CLASSES)
            if target is None
            else standing.of_target(session, target, domains, names.CLASSES)
        )
        found[lane] = cells
    return found


def ready_messages(connection: Connection, lanes: Iterable[str]) -> dict[str, int]:
    """Messages that stand ready in the work queues of these lanes. Raises OSError or AMQPError if the broker is away."""
    found: dict[str, int] = {}
    for lane in lanes:
        for family in names.families_of(lane, load_topology().domains):
            for cls in names.CLASSES:
                queue = names.queue(family, cls)
                count = _ready(connection, queue)
                if count is not None:
                    found[queue] = count
    return found


def waiting_of(lane: str, cells: Sequence[Cell], messages: Mapping[str, int], at: datetime) -> tuple[Waiting, ...]:
    """Rows and messages side by side, by domain and class; places with neither are left out."""
    found = []
    for family in names.families_of(lane, load_topology().domains):
        domain = names.domain_of(family)
        for cls in names.CLASSES:
            here = [cell for cell in cells if cell.domain == domain and cell.cls == cls]
            ready = messages.get(names.queue(family, cls))
            if not here and not ready:
                continue
            oldest = min((cell.oldest_at for cell in here), default=None)
            age_s = max(0.0, (at - oldest).total_seconds()) if oldest else None
            more = any(cell.count >= MOST_COUNTED for cell in here)
            found.append(Waiting(domain, cls, sum(cell.count for cell in here), more, age_s, ready))
    return tuple(found)


def _ready(connection: Connection, queue: str) -> int | None:
    try:
        opened: Any = connection.channel()
        with opened as channel:
            return int(channel.queue_declare(queue, passive=True).message_count)
    except NotFound:
        # A queue that is not declared yet; the broker has closed the channel.
        return None
