"""The way of stock through the ledger and the tasks: only the newest position is sent, reservations wait for no order."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import ledger.search
from adapters.erps.memory import Effect
from canonical.outcome import Rejected, Unavailable
from canonical.stock import StockPosition
from config.fleet import ClassRule
from ledger import service_levels
from ledger.actions import Actor
from ledger.failures import FailureKey
from ledger.standing_rows import Filter
from ledger.story import whole_story
from routing.patch import Setting
from tasks.edit import Change, edit
from tasks.in_force import PeakRules
from tasks.redirect import redirect
from tasks.reprioritize import move
from telemetry import bus
from telemetry.events import Name
from tests.documents import a_position, a_reservation, an_order
from tests.tasks.world import TARGET, World, a_fleet, a_stock_fleet, a_world
from workers.watch import promises_of

BERLIN = "stock/shopify/SKU-0001@berlin"


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url, items=False, fleet=a_stock_fleet()) as made:
        yield made


def effects(world: World) -> list[tuple[str, str, int]]:
    return [(effect.operation, effect.key, effect.version) for effect in world.erp.effects]


def tell(world: World, *positions: StockPosition) -> None:
    for position in positions:
        world.prepare(*world.tell(position))


def rule(world: World, **rule: object) -> None:
    """Have a class rule stand before the fleet's."""
    fleet = world.context.fleet
    classes = (ClassRule.model_validate(rule), *fleet.classes)
    world.context = replace(world.context, fleet=fleet.model_copy(update={"classes": classes}), peak=PeakRules())


def test_a_position_is_published_and_told_anew_only_when_it_changed(world: World) -> None:
    tell(world, a_position(available=5, told_at=0))
    world.work()
    tell(world, a_position(available=5, told_at=1), a_position(available=4, told_at=2))
    world.work()

    assert effects(world) == [("stock.publish", BERLIN, 1), ("stock.publish", BERLIN, 2)]


def test_a_count_that_is_older_than_the_known_one_changes_nothing(world: World) -> None:
    tell(world, a_position(available=4, told_at=9), a_position(available=7, told_at=1))
    world.work()

    assert effects(world) == [("stock.publish", BERLIN, 1)]
    assert world.rows("select state from events order by id") == [("done",), ("stale",)]


def test_a_position_that_waits_in_its_lane_gives_its_place_to_the_newer_one(world: World) -> None:
    tell(world, a_position("A", told_at=0), a_position("B", told_at=0))
    tell(world, *(a_position("A", available=n, told_at=n) for n in range(1, 4)))
    world.work()

    assert effects(world) == [
        ("stock.publish", "stock/shopify/A@berlin", 4),
        ("stock.publish", "stock/shopify/B@berlin", 1),
    ]


def test_of_several_positions_in_one_bundle_only_the_last_is_sent(world: World) -> None:
    world.prepare(*world.tell(*(a_position(available=n, told_at=n) for n in range(4))))
    world.work()

    assert effects(world) == [("stock.publish", BERLIN, 4)]


def test_what_was_superseded_is_counted_by_target_and_operation(world: World) -> None:
    told: list[tuple[object, object]] = []
    bus.attach("superseded", lambda event: told.append((event.fields["operation"], event.fields["count"])),
               wants={Name.DELIVERY_SUPERSEDE_DONE: frozenset({"operation", "count"})})  # fmt: skip
    try:
        tell(world, a_position(told_at=0))
        world.prepare(*world.tell(*(a_position(available=n, told_at=n) for n in range(1, 4))))
    finally:
        bus.detach("superseded")

    assert told == [("stock.publish", 3)]


def test_a_position_whose_answer_was_lost_is_looked_up_before_the_newer_one_is_sent(world: World) -> None:
    world.erp.script.append("lost after")
    tell(world, a_position(told_at=0))
    letter = world.tray.take()
    assert letter is not None
    world.work_letter(letter)

    tell(world, a_position(available=1, told_at=1), a_position(available=2, told_at=2))
    world.work()

    assert effects(world) == [("stock.publish", BERLIN, 1), ("stock.publish", BERLIN, 3)]


def test_a_lost_request_that_is_over_gives_its_place_too(world: World) -> None:
    world.erp.script.append("lost before")
    tell(world, a_position(told_at=0))
    letter = world.tray.take()
    assert letter is not None
    world.work_letter(letter)
    world.clock.move(world.context.fleet.targets[TARGET].max_execution_s + 1)

    tell(world, a_position(available=1, told_at=1))
    world.work()

    assert effects(world) == [("stock.publish", BERLIN, 2)]


def test_a_position_that_is_being_posted_is_finished_first(world: World) -> None:
    tell(world, a_position(told_at=0))
    with world.ledger.write() as session:
        session.exec_driver_sql("update deliveries set state = 'claimed', claim = 'another'")

    tell(world, a_position(available=1, told_at=1), a_position(available=2, told_at=2))

    assert world.rows("select version, state from deliveries order by id") == [(1, "claimed"), (3, "waiting")]


def test_a_parked_position_does_not_hold_up_the_newer_one(world: World) -> None:
    world.erp.refused[BERLIN] = Rejected("sku.unknown", "no such article", "create it")
    tell(world, a_position(told_at=0))
    world.work()
    assert world.rows("select state from cases") == [("open",)]
    world.erp.refused.clear()

    tell(world, a_position(available=1, told_at=1))
    world.work()

    assert effects(world) == [("stock.publish", BERLIN, 2)]
    assert world.rows("select state, failure_code from deliveries") == [("done", None)]
    assert world.rows("select state from cases") == [("closed",)]


def test_a_place_takes_the_higher_class_and_a_message_in_it(world: World) -> None:
    tell(world, a_position(told_at=0))
    rule(world, **{"class": "high", "kinds": ["stock"]})
    tell(world, a_position(available=1, told_at=1))
    world.work()

    queues = [letter.queue for letter in world.letters_worked if letter.queue.startswith("deliver")]
    assert sorted(queues) == ["deliver.sandbox.stock.high", "deliver.sandbox.stock.normal"]
    assert effects(world) == [("stock.publish", BERLIN, 2)]


def test_a_place_keeps_its_moment_of_acceptance_and_its_attempts_begin_anew(world: World) -> None:
    world.erp.script.append(Unavailable("down"))
    tell(world, a_position(told_at=0))
    letter = world.tray.take()
    assert letter is not None
    world.work_letter(letter)
    before = world.rows("select accepted_at, attempts, state from deliveries")

    world.clock.move(1)
    tell(world, a_position(available=1, told_at=1))

    assert before[0][1:] == (1, "retrying")
    assert world.rows("select accepted_at, attempts, state from deliveries") == [(before[0][0], 0, "retrying")]


def test_a_position_takes_no_lock_of_an_order_and_leaves_no_trace_of_one(world: World) -> None:
    tell(world, a_position(told_at=0))

    assert world.rows("select kind, key, number, order_key from documents") == [
        ("stock", "SKU-0001@berlin", "SKU-0001", "SKU-0001@berlin")
    ]


def test_stock_goes_only_where_a_route_names_it(ledger_url: str) -> None:
    with a_world(ledger_url, items=False, fleet=a_fleet()) as world:
        tell(world, a_position(told_at=0))
        world.work()

        assert world.rows("select state from events") == [("done",)]
        assert world.erp.effects == []


def test_a_reservation_waits_for_no_order_and_is_changed_and_released_in_its_order(world: World) -> None:
    changed: dict[str, Any] = {"lines": [{"sku": "SKU-0001", "quantity": 2, "location": "berlin"}]}
    for told in (a_reservation(), a_reservation(told_at=1, **changed), a_reservation(told_at=2, status="released", **changed)):
        world.prepare(*world.tell(told))
    world.work()

    assert [(operation, version) for operation, _, version in effects(world)] == [
        ("reservation.create", 1), ("reservation.update", 2), ("reservation.release", 3),
    ]  # fmt: skip


def test_a_reservation_that_is_first_told_as_released_is_not_posted(world: World) -> None:
    world.prepare(*world.tell(a_reservation(told_at=5, status="released")))
    world.prepare(*world.tell(a_reservation(told_at=1)))
    world.work()

    assert world.erp.effects == []


def test_an_order_that_follows_its_reservation_is_its_first_state(world: World) -> None:
    world.prepare(*world.tell(a_reservation()))
    world.prepare(*world.tell(an_order()))
    world.work()

    assert world.erp.effects == [
        Effect("reservation.create", "reservation/shopify/v1", 1), Effect("order.create", "order/shopify/1001", 1),
    ]  # fmt: skip


def test_a_reservation_takes_the_class_that_its_order_earns(world: World) -> None:
    rule(world, **{"class": "high", "shipping_methods": ["express"]})
    world.prepare(*world.tell(an_order(shipping_method="Express")))
    world.prepare(*world.tell(a_reservation()))

    assert world.rows("select operation, class from deliveries order by id") == [
        ("order.create", "high"), ("reservation.create", "high"),
    ]  # fmt: skip


def test_a_parked_position_is_edited_and_replayed(world: World) -> None:
    world.erp.refused[BERLIN] = Rejected("quantity.negative", "less than nothing", "send 0")
    tell(world, a_position(available=-2, told_at=0))
    world.work()
    world.erp.refused.clear()

    edit(world.context, FailureKey("delivery", 1), Change((Setting.read("available=0"),)), Actor("ada", "they take no less"))
    world.work()

    assert effects(world) == [("stock.publish", BERLIN, 2)]


def test_a_parked_position_is_redirected_although_no_order_is_at_the_other_target(world: World) -> None:
    fleet = world.context.fleet
    targets = {**fleet.targets, "backup": fleet.targets[TARGET]}
    world.context = replace(
        world.context, fleet=fleet.model_copy(update={"targets": targets}), erps={**world.context.erps, "backup": world.erp}
    )
    world.erp.refused[BERLIN] = Rejected("sku.unknown", "no such article", "create it")
    tell(world, a_position(told_at=0))
    world.work()

    done = redirect(world.context, FailureKey("delivery", 1), "backup", Actor("ada", "the other one knows it"))

    assert [str(new) for _, new in done.moved] == ["d2"]


def test_positions_that_gave_way_are_judged_once_by_the_time_of_the_first(world: World) -> None:
    promises = promises_of(world.context.fleet.service_levels)
    with world.ledger.write() as session:
        service_levels.judge(session, promises, world.clock.now())
    tell(world, a_position(told_at=0))
    world.clock.move(200)
    tell(world, a_position(available=1, told_at=1))
    world.clock.move(101)
    world.work()

    with world.ledger.write() as session:
        service_levels.judge(session, promises, world.clock.now())
        levels = {level.flow: (level.kept, level.late, level.parked) for level in service_levels.levels(session)}

    assert levels["stock_publication"] == (0, 1, 0)


def test_the_story_tells_that_a_newer_position_took_the_place(world: World) -> None:
    tell(world, a_position(told_at=0), a_position(available=1, told_at=1))
    world.work()

    with world.ledger.read() as session:
        whole = whole_story(session, "shopify", "SKU-0001@berlin")

    written = [moment.detail for moment in whole.moments if moment.what == "written"]
    assert written == ["as told by event e1; before it was sent a newer one took its place", "as told by event e2"]


def test_a_sku_finds_all_its_positions_and_an_order_its_reservations(world: World) -> None:
    tell(world, a_position(told_at=0), a_position(location="ulm", told_at=0))
    world.prepare(*world.tell(a_reservation()))

    with world.ledger.read() as session:
        by_sku = ledger.search.find(session, "SKU-0001", ["shopify"])
        by_key = ledger.search.find(session, "v1", ["shopify"])

    assert {(one.kind, one.order_key) for one in by_sku} == {("stock", "SKU-0001@berlin"), ("stock", "SKU-0001@ulm")}
    assert [(one.kind, one.order_key) for one in by_key] == [("reservation", "1001")]


def test_what_stands_is_moved_by_its_kind_although_two_kinds_share_the_domain(world: World) -> None:
    tell(world, a_position(told_at=0))
    world.prepare(*world.tell(a_reservation()))

    move(world.context, Filter(kind="reservation"), "high", Actor("ada", "baskets first"))
    moved = world.rows("select operation, class from deliveries order by id")
    move(world.context, Filter(kind="stock"), "low", Actor("ada", "later"))

    assert moved == [("stock.publish", "normal"), ("reservation.create", "high")]
    assert world.rows("select class from deliveries order by id") == [("low",), ("high",)]


def test_a_whole_state_that_lacks_a_reference_takes_no_place(world: World) -> None:
    tell(world, a_position(told_at=0))
    world.erp.items = True

    tell(world, a_position(available=1, told_at=1))

    assert world.rows("select version, state from deliveries order by id") == [(1, "queued"), (2, "waiting")]
