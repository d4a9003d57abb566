"""A filled failure desk for tests: orders that a target refuses, and the hands that work on them."""

from collections.abc import Sequence
from dataclasses import replace

import ledger.desk
from adapters.erps.memory import MemoryErp
from adapters.http.client import Client
from adapters.throttle.base import Limit
from adapters.throttle.local import LocalThrottle
from canonical.outcome import Rejected
from ledger.actions import Actor
from ledger.desk import Case, Filter, Group
from ledger.failures import FailureKey
from tasks.jobs import work
from tests.documents import an_order, an_order_line
from tests.tasks.world import TARGET, World

ANNA = Actor("anna", "a test")
BACKUP = "backup"


def refused(world: World, *orders: str, reason: str = "no such customer {}") -> list[FailureKey]:
    """Orders that the ERP refuses, parked; their deliveries' keys in order."""
    for key in orders:
        world.erp.script.append(Rejected("INVALID", reason.format(key), "add it"))
        world.prepare(*world.tell(an_order(key)))
        world.work()
    return keys_of(world, orders)


def of_unknown_item(world: World, *orders: str, sku: str = "GONE-1") -> list[FailureKey]:
    """Orders of an article the target does not know, parked; their deliveries' keys in order."""
    world.prepare(*world.tell(*(an_order(key, lines=[an_order_line(sku=sku) | {"sku": sku}]) for key in orders)))
    world.work()
    return keys_of(world, orders)


def keys_of(world: World, orders: Sequence[str]) -> list[FailureKey]:
    """The parked deliveries of these orders."""
    rows = world.rows("select business_key, id from deliveries where state = 'parked'")
    found = {str(key): int(str(row_id)) for key, row_id in rows}
    return [FailureKey("delivery", found[f"order/shopify/{key}"]) for key in orders]


def with_backup(world: World, *, items: bool = False) -> MemoryErp:
    """A second target beside the first, known to the world's context."""
    erp = MemoryErp(items=items)
    fleet = world.context.fleet
    targets = fleet.targets | {BACKUP: fleet.targets[TARGET]}
    world.context = replace(
        world.context,
        fleet=fleet.model_copy(update={"targets": targets}),
        erps={**world.context.erps, BACKUP: erp},
        clients={**world.context.clients, BACKUP: Client(erp.http)},
        throttles={**world.context.throttles, BACKUP: LocalThrottle(Limit())},
    )
    return erp


def cases(world: World, **words: object) -> list[Case]:
    """What the desk shows."""
    with world.ledger.read() as session:
        return ledger.desk.listed(session, world.context.fleet.desk, Filter(**words), world.clock.now(), 100)  # type: ignore[arg-type]


def groups(world: World, *by: ledger.desk.Dimension, **words: object) -> list[Group]:
    """What the desk shows in groups."""
    with world.ledger.read() as session:
        return ledger.desk.groups(session, world.context.fleet.desk, Filter(**words), world.clock.now(), by, 100)  # type: ignore[arg-type]


def run_jobs(world: World, *, rounds: int = 40, token: str = "relay") -> None:
    """Let the relay's rounds and the fleet's work take turns, a second each."""
    for _ in range(rounds):
        work(world.context, token)
        world.work()
        world.clock.move(1)
