"""Redirecting on both databases: with its own cross-references, with what waits behind, once, and never in doubt."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import ledger.crossrefs
from canonical.outcome import Uncertain
from ledger.crossrefs import CrossRef
from tasks.redirect import RedirectRefusedError, redirect
from tests.documents import a_shipment, an_order
from tests.tasks.desk import ANNA, BACKUP, cases, refused, with_backup
from tests.tasks.world import TARGET, World, a_world


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def test_a_redirected_order_and_its_shipment_are_at_the_other_target_once(world: World) -> None:
    backup = with_backup(world)
    [key] = refused(world, "1")
    world.prepare(*world.tell(a_shipment("f1", order_key="1")))

    done = redirect(world.context, key, BACKUP, ANNA)
    world.work()

    assert [(e.operation, e.key) for e in backup.effects] == [
        ("order.create", "order/shopify/1"),
        ("shipment.create", "shipment/shopify/f1"),
    ]
    assert world.erp.effects == []
    assert len(done.moved) == 2
    rows = world.rows(f"select state, failure_remedy from deliveries where target = '{TARGET}' order by id")
    assert rows[0] == ("redirected", f"redirected to {BACKUP} as {done.moved[0][1]}: a test")
    assert {state for state, _ in rows} == {"redirected"}
    assert cases(world) == []


def test_the_other_targets_own_cross_references_are_used_or_asked_for(world: World) -> None:
    with_backup(world, items=True)
    [key] = refused(world, "1")

    with pytest.raises(RedirectRefusedError, match="backup has no item for 'SKU-0001'"):
        redirect(world.context, key, BACKUP, ANNA)
    with world.ledger.write() as session:
        ledger.crossrefs.put(session, [CrossRef(BACKUP, "item", "*", "SKU-0001", "B-9")], world.clock.now())
    redirect(world.context, key, BACKUP, ANNA)

    [(references,)] = world.rows(f"select \"references\" from deliveries where target = '{BACKUP}'")
    assert "B-9" in str(references)


def test_an_effect_in_doubt_stays_where_it_is(world: World) -> None:
    with_backup(world)
    world.erp.script.extend([Uncertain("reset")] * 30)
    world.prepare(*world.tell(an_order("1")))
    world.work()
    [case] = cases(world)

    with pytest.raises(RedirectRefusedError, match="in doubt"):
        redirect(world.context, case.key, BACKUP, ANNA)


def test_a_shipment_does_not_go_where_its_order_is_not(world: World) -> None:
    with_backup(world)
    world.prepare(*world.tell(an_order("1")))
    world.work()
    lines = [{"order_line": "1", "sku": "NEW", "quantity": 1}]
    world.prepare(*world.tell(a_shipment("f1", order_key="1", lines=lines)))
    [case] = cases(world)

    with pytest.raises(RedirectRefusedError, match="does not have its order"):
        redirect(world.context, case.key, BACKUP, ANNA)


def test_two_who_redirect_at_once_move_it_once(world: World) -> None:
    backup = with_backup(world)
    [key] = refused(world, "1")
    gate = threading.Barrier(4)

    def move(_: int) -> bool:
        gate.wait(20)
        try:
            redirect(world.context, key, BACKUP, ANNA)
        except RedirectRefusedError:
            return False
        return True

    with ThreadPoolExecutor(4) as crowd:
        moved = sum(crowd.map(move, range(4)))
    world.work()

    assert moved == 1
    assert len(backup.effects) == 1
