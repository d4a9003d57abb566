"""The way of an order through the ledger and the tasks: exactly once in effect, in business order."""

from collections.abc import Iterator

import pytest

from adapters.erps.memory import Effect
from canonical.outcome import Rejected, Throttled, Unavailable
from ledger.actions import Actor
from ledger.failures import FailureKey
from tasks.replay import drop, retry
from tests.documents import a_return, a_shipment, an_order
from tests.tasks.world import TARGET, World, a_world


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def effects(world: World) -> list[tuple[str, int]]:
    return [(effect.operation, effect.version) for effect in world.erp.effects]


def test_an_order_told_twice_is_posted_once(world: World) -> None:
    first = world.tell(an_order(), key="same")
    again = world.tell(an_order(), key="same")

    world.prepare(*first, *again)
    world.work()

    assert (again[0].id, again[0].new) == (first[0].id, False)
    assert world.erp.effects == [Effect("order.create", "order/shopify/1001", 1)]


def test_the_same_state_in_two_events_changes_nothing(world: World) -> None:
    world.prepare(*world.tell(an_order(told_at=0), an_order(told_at=5)))
    world.work()

    assert effects(world) == [("order.create", 1)]


def test_a_repeat_in_the_same_bundle_never_makes_the_newest_state_look_old(world: World) -> None:
    paid, moved, closed = an_order(told_at=1, note="paid"), an_order(told_at=2, note="moved"), an_order(told_at=3, note="closed")

    world.prepare(*world.tell(paid, paid, closed))
    world.prepare(*world.tell(moved))
    world.work()

    assert world.rows("select state from events order by id desc limit 1") == [("stale",)]
    assert effects(world) == [("order.create", 1), ("order.update", 2)]


def test_a_stale_state_changes_nothing(world: World) -> None:
    world.prepare(*world.tell(an_order(told_at=9, note="new")))
    world.prepare(*world.tell(an_order(told_at=1, note="old")))
    world.work()

    assert effects(world) == [("order.create", 1)]
    assert world.rows("select state from events order by id") == [("done",), ("stale",)]


def test_an_order_is_changed_only_after_it_was_made(world: World) -> None:
    world.prepare(*world.tell(an_order(told_at=0), an_order(told_at=1, note="a"), an_order(told_at=2, note="b")))

    assert world.rows("select state from deliveries order by id") == [("queued",), ("waiting",), ("waiting",)]
    world.work()
    assert effects(world) == [("order.create", 1), ("order.update", 2), ("order.update", 3)]


def test_a_shipment_that_came_before_its_order_waits_for_it(world: World) -> None:
    world.prepare(*world.tell(a_shipment()))
    assert world.rows("select state, waits_for from events") == [("waiting", "order/shopify/1001")]
    assert world.work() == 0

    world.prepare(*world.tell(an_order()))
    world.work()

    assert effects(world) == [("order.create", 1), ("shipment.create", 1)]


def test_a_cancel_that_overtook_its_order_is_honoured(world: World) -> None:
    world.prepare(*world.tell(an_order(told_at=9, status="cancelled")))
    world.prepare(*world.tell(an_order(told_at=0)))
    world.work()

    assert effects(world) == []
    assert world.rows("select status, version from documents") == [("cancelled", 1)]


def test_a_cancel_after_the_order_cancels_it_there(world: World) -> None:
    world.prepare(*world.tell(an_order(told_at=0), an_order(told_at=1, status="cancelled"), a_return(), a_shipment()))
    world.work()

    assert [operation for operation, _ in effects(world)] == ["order.create", "order.cancel", "return.create", "shipment.create"]


def test_another_order_never_waits_for_one_that_is_parked(world: World) -> None:
    world.erp.script.append(Rejected("INVALID", "no such customer", "add the customer"))
    world.prepare(*world.tell(an_order("1"), a_shipment("f1", order_key="1"), an_order("2"), a_shipment("f2", order_key="2")))
    world.work()

    assert [(e.operation, e.key) for e in world.erp.effects] == [
        ("order.create", "order/shopify/2"),
        ("shipment.create", "shipment/shopify/f2"),
    ]
    assert world.rows("select state from deliveries order by id") == [("parked",), ("waiting",), ("done",), ("done",)]


def test_an_unknown_sku_parks_its_order_until_the_cross_reference_is_set(world: World) -> None:
    import ledger.crossrefs
    from ledger.crossrefs import CrossRef

    line = {"key": "1", "sku": "NEW-SKU", "quantity": 1, "unit_price": "10.00"}
    world.prepare(*world.tell(an_order(lines=[line])))
    ((row_id, reason, remedy),) = world.rows("select id, failure_reason, failure_remedy from deliveries")
    assert "NEW-SKU" in str(reason)
    assert "millrace crossrefs set sandbox item NEW-SKU" in str(remedy)
    assert retry(world.context, [FailureKey("delivery", int(str(row_id)))], Actor("test", "")).retried == ()

    with world.ledger.write() as session:
        ledger.crossrefs.put(session, [CrossRef(TARGET, "item", "*", "NEW-SKU", "777")], world.clock.now())
    key = FailureKey("delivery", int(str(row_id)))
    assert retry(world.context, [key], Actor("test", "")).retried == (key,)
    assert retry(world.context, [key], Actor("test", "")).left == ((key, "it is not parked (any more)"),)
    world.work()

    assert effects(world) == [("order.create", 1)]


def test_a_dropped_delivery_lets_what_waits_behind_it_go(world: World) -> None:
    world.erp.script.append(Rejected("INVALID", "no such customer", "add the customer"))
    world.prepare(*world.tell(an_order(), a_shipment()))
    world.work()

    assert drop(world.context, FailureKey("delivery", 1), Actor("test", "posted by hand"))
    assert not drop(world.context, FailureKey("delivery", 1), Actor("test", "again"))
    assert world.rows("select failure_remedy from deliveries where id = 1") == [("given up: posted by hand",)]
    world.work()

    assert effects(world) == [("shipment.create", 1)]


def test_a_throttled_bundle_waits_without_spending_an_attempt(world: World) -> None:
    world.erp.script.append(Throttled("429", 3.0))
    world.prepare(*world.tell(*(an_order(str(n)) for n in range(4))))
    world.work()

    assert len(world.erp.effects) == 4
    assert world.rows("select distinct attempts from deliveries") == [(1,)]
    assert world.rows("select count(*) from attempts where outcome = 'HandedBack'") == [(3,)]


def test_an_outage_is_climbed_and_survived(world: World) -> None:
    world.erp.script.extend([Unavailable("503")] * 3)
    world.prepare(*world.tell(an_order()))
    world.work()

    assert effects(world) == [("order.create", 1)]
    assert world.rows("select attempts, state from deliveries") == [(4, "done")]


def test_an_outage_without_end_is_parked_for_operations(world: World) -> None:
    most = world.context.fleet.targets[TARGET].max_attempts
    world.erp.script.extend([Unavailable("503")] * most)
    world.prepare(*world.tell(an_order()))
    world.work()

    assert world.rows("select attempts, state, failure_class from deliveries") == [(most, "parked", "exhausted")]


@pytest.mark.parametrize("lost", ["lost before", "lost after"])
def test_a_lost_answer_is_looked_up_before_anything_is_sent_again(world: World, lost: str) -> None:
    world.erp.script.append(lost)  # type: ignore[arg-type]
    began = world.clock.now()
    world.prepare(*world.tell(an_order()))
    world.work()

    assert effects(world) == [("order.create", 1)]
    assert (world.clock.now() - began).total_seconds() >= world.context.fleet.targets[TARGET].max_execution_s
    assert world.rows("select state, uncertain from deliveries")[0][0] == "done"


def test_a_return_told_again_with_other_content_is_shown_to_a_person(world: World) -> None:
    world.prepare(*world.tell(an_order(), a_return(told_at=0), a_return(told_at=5, total="99.00")))
    world.work()

    assert effects(world) == [("order.create", 1), ("return.create", 1)]
    assert world.rows("select failure_code from events where state = 'parked'") == [("return.changed",)]


def test_an_unreadable_event_and_a_defect_are_parked_beside_a_good_one(world: World) -> None:
    receipts = [world.tell_bytes(b"{"), world.tell_bytes(b"defect"), *world.tell(an_order())]
    world.prepare(*receipts)
    world.work()

    assert world.rows("select state, failure_class from events order by id") == [
        ("parked", "malformed"),
        ("parked", "defect"),
        ("done", None),
    ]
    assert effects(world) == [("order.create", 1)]


def test_an_unknown_topic_is_kept(world: World) -> None:
    world.prepare(world.tell_bytes(b"{}", domain=None))

    assert world.rows("select state from events") == [("kept",)]


def test_the_class_an_event_waited_in_is_a_hint_and_its_document_has_its_own(world: World) -> None:
    world.prepare(*world.tell(an_order(), cls="high"))

    assert world.rows("select class from events") == [("high",)]
    assert world.rows("select class from deliveries") == [("normal",)]
