"""A ledger as on a busy morning: orders on every stage, failures of several causes, a job, a paused lane, without a fleet."""

from canonical.outcome import Rejected, Unavailable, Uncertain
from ledger.actions import Actor
from ledger.desk import Filter
from ledger.failures import FailureKey
from routing.ramp import Pace
from tasks.desk import assign, note, start_job
from tasks.jobs import work
from tasks.reconcile import reconcile
from tests.documents import a_return, a_settlement, a_settlement_line, a_shipment, an_order, an_order_line
from tests.tasks.desk import of_unknown_item, refused
from tests.tasks.world import World

ANNA = Actor("anna", "master data is mended", "operator")


def done_orders(world: World, count: int = 12) -> None:
    """Orders that went the whole way, each told some seconds before it was done."""
    for number in range(count):
        world.prepare(*world.tell(an_order(f"7{number:03d}"), key=f"evt-7{number:03d}"))
        world.clock.move(2 + number % 3)
        world.work()
    world.prepare(*world.tell(a_shipment("f-7000", order_key="7000"), a_return("r-7001", order_key="7001")))
    world.work()


def a_busy_morning(world: World) -> list[FailureKey]:
    """Everything at once; returns the keys of those that a target refused."""
    done_orders(world)
    world.prepare(*world.tell(a_settlement("PO-1", a_settlement_line(order="7001", amount="9.50"))))
    reconcile(world.context)
    keys = refused(world, "8001", "8002", "8003", reason="no such customer {}")
    of_unknown_item(world, "8101", "8102", sku="MUG-BLUE")
    world.prepare(world.tell_bytes(b"{ cut off"))
    world.clock.move(1_900)
    world.prepare(*world.tell(a_shipment("f-8001", order_key="8001"), a_return("r-9", order_key="unknown")))
    world.clock.move(3_700)
    note(world.context, keys[0], Actor("bea", "asked the ERP team, they look at it", "operator"))
    assign(world.context, [keys[1]], "sales", world.clock.now(), ANNA)
    _a_job(world)
    _under_way(world)
    return keys


def _a_job(world: World) -> None:
    world.erp.script.append(Rejected("INVALID", "no such customer 8003", "add it"))
    start_job(world.context, Filter(text="8003"), [], Pace((1, 10), 5.0, 0.2, 900.0), ANNA)
    for _ in range(3):
        work(world.context, "relay")
        world.work()
        world.clock.move(1)


def _under_way(world: World) -> None:
    world.prepare(*world.tell(an_order("8201"), an_order("8202", source="open")))
    for outcome in (Unavailable("maintenance until noon"), Uncertain("the answer was lost")):
        letter = world.tray.take()
        assert letter
        world.erp.script.append(outcome)
        world.work_letter(letter)
    express = an_order("8301", source="open", lines=[an_order_line(quantity=3)], total="30.00")
    world.prepare(*world.tell(express, cls="high"))
    world.prepare(*world.tell(*(an_order(f"84{number:02d}", total="125.50") for number in range(37))))
    world.tell(*(an_order(f"85{number:02d}", source="open") for number in range(5)))
    world.clock.move(95)
