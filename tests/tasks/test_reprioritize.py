"""Moving what is queued to another class, on both databases: in its class's turn, once each, counted first, taken back."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import ledger.moves
from canonical.outcome import Outcome, Throttled, Unavailable
from ledger.moves import Move
from ledger.standing_rows import Filter
from routing.letters import DELIVER_TASK, Letter
from routing.names import CLASSES, Class, class_of
from tasks import reprioritize
from tasks.reprioritize import MoveRefusedError, move, preview, undo
from tests.documents import a_shipment, an_order
from tests.tasks.desk import ANNA, refused
from tests.tasks.world import World, a_world, queues_of
from workers.relay import Relay

numbers = itertools.count(1)


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def queued(world: World, *orders: str, **more: Any) -> None:
    """Orders prepared one by one, each with a message of its own that waits to be posted."""
    for order in orders:
        world.prepare(*world.tell(an_order(order, **more), cls="normal"))


def by_class(world: World) -> None:
    """Work as a worker does that always serves the highest class, until nothing is left."""
    while letters := sorted(world.tray._letters, key=lambda entry: (entry[0], CLASSES.index(class_of(entry[1].queue)))):
        world.tray._letters.remove(letters[0])
        world.clock.move_to(letters[0][0])
        world.work_letter(letters[0][1])


def ready_in(world: World, queue: str) -> int:
    return sum(letter.queue == queue for _, letter in world.tray._letters)


def posted(world: World) -> list[str]:
    """Order keys in the order in which the ERP has them."""
    return [effect.key.rpartition("/")[2] for effect in world.erp.effects]


def found(world: World, move_id: int) -> Move:
    with world.ledger.read() as session:
        told = ledger.moves.find(session, move_id)
    assert told is not None
    return told


def test_a_delivery_moved_up_goes_before_the_others_and_once(world: World) -> None:
    queued(world, "1", "2", "3", "4")

    move_id = move(world.context, Filter(lane="deliver.sandbox", keys=("3", "#4")), "high", ANNA)
    by_class(world)

    assert posted(world) == ["3", "4", "1", "2"]
    assert not world.erp.doubled
    assert (found(world, move_id).state, found(world, move_id).moved) == ("done", 2)


def test_a_delivery_moved_down_goes_last_although_its_message_stands_in_the_higher_queue(world: World) -> None:
    queued(world, "1", "2", "3")

    move(world.context, Filter(keys=("1",)), "low", ANNA)
    by_class(world)

    assert posted(world) == ["2", "3", "1"]
    assert [class_of(letter.queue) for letter in world.letters_worked].count("low") == 1


def test_a_bundle_of_which_one_row_was_moved_down_serves_the_others_first(world: World) -> None:
    world.prepare(*world.tell(*(an_order(str(n)) for n in range(1, 4))))

    move(world.context, Filter(keys=("1",)), "low", ANNA)
    by_class(world)

    assert posted(world) == ["2", "3", "1"]


def test_an_event_that_waits_to_be_prepared_is_moved_with_what_it_leads_to(world: World) -> None:
    receipts = [world.tell(an_order(str(n)))[0] for n in (1, 2)]
    world.tray.publish([Letter("orders.normal", "orders.prepare", (r.id,), "event") for r in receipts])

    move(world.context, Filter(lane="orders", keys=("event-2",)), "high", ANNA)
    by_class(world)

    assert posted(world) == ["2", "1"]
    assert world.rows("select class from deliveries order by id") == [("high",), ("normal",)]


def test_an_event_moved_down_is_prepared_last_and_its_effect_is_low(world: World) -> None:
    receipts = [world.tell(an_order(str(n)))[0] for n in (1, 2)]
    world.tray.publish([Letter("orders.normal", "orders.prepare", tuple(r.id for r in receipts), "events")])

    move(world.context, Filter(keys=("event-1",)), "low", ANNA)
    by_class(world)

    assert posted(world) == ["2", "1"]
    assert world.rows("select class from deliveries where business_key = 'order/shopify/1'") == [("low",)]


def test_what_waits_for_its_retry_comes_back_in_its_new_class(world: World) -> None:
    world.erp.script.append(Unavailable("503", 30.0))
    queued(world, "1")
    first = world.tray.take()
    assert first is not None
    world.work_letter(first)

    move(world.context, Filter(), "high", ANNA)
    letters = [letter for _, letter in world.tray._letters]
    by_class(world)

    assert {(class_of(letter.queue), letter.rung_s is not None) for letter in letters} == {("normal", True), ("high", True)}
    assert posted(world) == ["1"]


def test_what_waits_behind_another_of_its_order_is_moved_with_it(world: World) -> None:
    queued(world, "1", "2")
    world.prepare(*world.tell(a_shipment("f2", order_key="2")))

    move(world.context, Filter(keys=("2",)), "high", ANNA)
    by_class(world)

    assert posted(world) == ["2", "f2", "1"]


def test_a_row_that_is_parked_or_under_way_is_left_alone(world: World) -> None:
    refused(world, "1")
    queued(world, "2")
    world.rows("select 1")
    with world.ledger.write() as session:
        session.exec_driver_sql("update deliveries set state = 'claimed', claim = 'x' where state = 'queued'")

    told = preview(world.context, Filter(), "high")
    move_id = move(world.context, Filter(), "high", ANNA)

    assert (told.rows, found(world, move_id).moved) == (0, 0)
    assert world.rows("select distinct class from deliveries") == [("normal",)]


def test_a_mover_that_dies_before_it_publishes_loses_nothing(world: World) -> None:
    queued(world, "1", "2")
    world.tray.open = False
    move(world.context, Filter(keys=("2",)), "high", ANNA)
    world.tray.open = True
    standing = world.rows("select state, published_at from deliveries where class = 'high'")

    by_class(world)

    assert standing == [("ready", None)]
    assert posted(world) == ["1", "2"]
    assert not world.erp.doubled


def test_the_preview_counts_what_the_move_then_moves(world: World) -> None:
    queued(world, "1", "2", total="900.00", lines=[{"key": "1", "sku": "SKU-0001", "quantity": 1, "unit_price": "900.00"}])
    queued(world, "3", shipping_method="Standard")
    queued(world, "4", shipping_method="Ground Saver", customer_tier="Gold", promised_by=world.clock.now())
    world.tell(an_order("5", total="950.00"))
    big = Filter(total_at_least=Decimal("900.00"))

    told = preview(world.context, big, "high")
    counts = {
        "all": preview(world.context, Filter(), "high").rows,
        "lane": preview(world.context, Filter(lane="orders"), "high").rows,
        "source": preview(world.context, Filter(source="elsewhere"), "high").rows,
        "kind": preview(world.context, Filter(kind="shipment"), "high").rows,
        "class": preview(world.context, Filter(cls="low"), "high").rows,
        "below": preview(world.context, Filter(total_below=Decimal(900)), "high").rows,
        "method": preview(world.context, Filter(shipping_method="saver"), "high").rows,
        "tier": preview(world.context, Filter(customer_tier="gold"), "high").rows,
        "promised": preview(world.context, Filter(promised_before=world.clock.now() + timedelta(hours=1)), "high").rows,
        "kept": preview(world.context, Filter(promised_before=world.clock.now()), "high").rows,
        "older": preview(world.context, Filter(accepted_before=world.clock.now()), "high").rows,
        "younger": preview(world.context, Filter(accepted_after=world.clock.now()), "high").rows,
        "there": preview(world.context, Filter(), "normal").rows,
    }
    move_id = move(world.context, big, "high", ANNA)

    assert {(p.lane, p.state): p.count for p in told.places} == {("orders", "accepted"): 1, ("deliver.sandbox", "queued"): 2}
    assert counts == {
        "all": 5, "lane": 1, "source": 0, "kind": 0, "class": 0, "below": 2, "method": 1, "tier": 1,
        "promised": 1, "kept": 0, "older": 0, "younger": 5, "there": 0,
    }  # fmt: skip
    assert found(world, move_id).moved == told.rows == 3


def test_a_shipment_that_came_before_its_order_is_moved_by_the_orders_key(world: World) -> None:
    world.prepare(*world.tell(a_shipment("f7", order_key="7"), a_shipment("f17", order_key="17"), cls="normal"))

    move_id = move(world.context, Filter(keys=("7",)), "high", ANNA)
    world.prepare(*world.tell(an_order("7"), an_order("17"), cls="normal"))
    by_class(world)

    shipped = world.rows("select business_key, class from deliveries where operation <> 'order.create' order by id")
    assert found(world, move_id).moved == 1
    assert sorted(shipped) == [("shipment/shopify/f17", "normal"), ("shipment/shopify/f7", "high")]
    assert not world.erp.doubled


def test_a_large_move_goes_in_batches_and_tells_its_progress(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reprioritize, "BATCH_ROWS", 3)
    queued(world, *(str(n) for n in range(1, 9)))
    told: list[int] = []

    move(world.context, Filter(), "high", ANNA, told.append)
    by_class(world)

    assert told == [3, 6, 8]
    assert sorted(posted(world), key=int) == [str(n) for n in range(1, 9)]


def test_undoing_takes_back_what_has_not_gone_and_nothing_that_was_moved_again(world: World) -> None:
    queued(world, "1", "2", "3", "4")
    move_id = move(world.context, Filter(), "high", ANNA)
    gone = next(entry for entry in world.tray._letters if class_of(entry[1].queue) == "high" and 1 in entry[1].rows)
    world.work_letter(replace(gone[1], rows=(1,)))
    move(world.context, Filter(keys=("4",)), "low", ANNA)

    undone = undo(world.context, move_id, ANNA)
    classes = world.rows("select class from deliveries order by id")
    by_class(world)

    assert (undone.state, undone.moved, undone.back) == ("undone", 4, 2)
    assert classes == [("high",), ("normal",), ("normal",), ("low",)]
    assert posted(world) == ["1", "2", "3", "4"]
    assert not world.erp.doubled


def test_undoing_gives_the_effects_of_a_moved_event_the_class_that_the_rules_give_them(world: World) -> None:
    receipts = world.tell(an_order("1"), an_order("2", shipping_method="Express"))
    move_id = move(world.context, Filter(), "low", ANNA)
    world.prepare(*receipts)
    moved = world.rows("select class from deliveries order by id")

    undo(world.context, move_id, ANNA)

    assert moved == [("low",), ("low",)]
    assert world.rows("select class from deliveries order by id") == [("normal",), ("high",)]


def test_a_move_is_undone_once_and_only_if_it_is_known(world: World) -> None:
    queued(world, "1")
    move_id = move(world.context, Filter(), "high", ANNA)
    undo(world.context, move_id, ANNA)

    with pytest.raises(MoveRefusedError, match="undone already"):
        undo(world.context, move_id, ANNA)
    with pytest.raises(MoveRefusedError, match="no move 99"):
        undo(world.context, 99, ANNA)
    with pytest.raises(MoveRefusedError, match=r"no lane 'deliver\.nowhere'"):
        move(world.context, Filter(lane="deliver.nowhere"), "high", ANNA)


def test_who_moved_what_and_why_is_kept(world: World) -> None:
    queued(world, "1", "2")
    move_id = move(world.context, Filter(kind="order"), "high", ANNA)
    undo(world.context, move_id, replace(ANNA, why="the wrong ones"))

    with world.ledger.read() as session:
        undone, made = ledger.actions.listed(session, f"move {move_id}", 5)

    assert (made.by, made.action, made.reason) == ("anna", "reprioritize", "a test")
    assert made.before == {"deliver.sandbox orders normal queued": 2}
    assert made.after == {"class": "high", "filter": {"kind": "order"}}
    assert (undone.action, undone.reason) == ("reprioritize.undo", "the wrong ones")


def test_a_filter_written_down_is_read_back_the_same(world: World) -> None:
    now = world.clock.now()
    wanted = Filter(
        "orders", "shopify", "order", "low", now, now - timedelta(hours=1), Decimal("1.50"), None, "x", now, "gold", ("1",)
    )

    assert Filter.of_words(wanted.words()) == wanted


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all examples: each tells of orders of its own."""
    with a_world(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}") as made:
        yield made


classes = st.sampled_from(CLASSES)
acts = st.tuples(
    st.sampled_from(["work", "work", "move", "move", "undo", "broker"]), st.integers(0, 99), st.none() | classes, classes
)


@settings(max_examples=25, deadline=None, phases=(Phase.generate, Phase.shrink), suppress_health_check=[HealthCheck.too_slow])
@given(
    told=st.lists(classes, min_size=5, max_size=5),
    weather=st.lists(st.sampled_from([Throttled("429", 1.0), Unavailable("503")]), max_size=4),
    script=st.lists(acts, max_size=25),
)
def test_however_rows_are_moved_each_takes_effect_once_and_none_before_its_class(
    shared: World, told: list[Class], weather: list[Outcome], script: list[tuple[str, int, Class | None, Class]]
) -> None:
    world, orders, moves = shared, [str(next(numbers)) for _ in told], []
    world.tray.lose_all()
    world.tray.open = True
    world.erp.effects.clear()
    world.erp.script.clear()
    world.erp.script.extend(weather)
    for order, cls in zip(orders, told, strict=True):
        [receipt] = world.tell(an_order(order), cls=cls)
        world.tray.publish([Letter(f"orders.{cls}", "orders.prepare", (receipt.id,), "event")])

    for act, number, now_in, goal in script:
        if act == "broker":
            world.tray.open = not world.tray.open
        elif act == "work" and world.tray._letters:
            work_one(world, number % len(world.tray._letters))
        elif act == "move":
            wanted = Filter(keys=(orders[number % len(orders)], f"event-{world.told - number % len(orders)}"), cls=now_in)
            moves.append(move(world.context, wanted, goal, ANNA))
        elif act == "undo" and moves:
            undo(world.context, moves.pop(), ANNA)
    world.tray.open = True
    relay = Relay(world.context, lambda lanes: {queue: ready_in(world, queue) for queue in queues_of(world, lanes)})
    for _ in range(20):
        while world.tray._letters:
            work_one(world, 0)
        world.clock.move(601)
        relay.sweep()

    mine = [key for key in posted(world) if key in orders]
    assert sorted(mine, key=int) == orders
    assert not world.erp.doubled


def work_one(world: World, index: int) -> None:
    """Work one letter of any queue; no row that stands in a class below its queue's may be tried by it."""
    due_at, letter = world.tray._letters[index]
    del world.tray._letters[index]
    world.clock.move_to(due_at)
    lower = CLASSES[CLASSES.index(class_of(letter.queue)) + 1 :]
    table, ended = ("deliveries", "(select count(*) from attempts where delivery_id = t.id)")
    if letter.task != DELIVER_TASK:
        table, ended = "events", "(select t.state <> 'accepted')"
    query = f"select id, {ended} from {table} t where id in ({', '.join(str(row) for row in letter.rows)})"
    below = {row_id for row_id, cls in world.rows(query.replace(ended, "class")) if cls in lower}
    before = [row for row in world.rows(query) if row[0] in below]

    world.work_letter(letter)

    assert [row for row in world.rows(query) if row[0] in below] == before, letter
