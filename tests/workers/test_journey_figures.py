"""Figures of what happens to orders and returns outside: what is counted, what is left out, and that no whole table is read."""

import re
from collections.abc import Iterator

import pytest

from canonical.kinds import AnyDocument
from config.fleet import Fleet, Source
from ledger import journey_figures, return_figures
from tests.documents import a_milestone, a_return, an_order, at
from tests.looks import plans_of
from tests.tasks.world import World, a_fleet, a_world
from workers.journey_figures import journeys_of

DAY_S = 86_400.0


@pytest.fixture
def fleet() -> Fleet:
    shop = Source(channel="shopify", secrets=("SHOPIFY",), confirms_within_s=3_600)
    return a_fleet().model_copy(update={"sources": {**a_fleet().sources, "shopify": shop}})


@pytest.fixture
def world(ledger_url: str, fleet: Fleet) -> Iterator[World]:
    with a_world(ledger_url, fleet=fleet) as made:
        yield made


def tell(world: World, *documents: AnyDocument) -> None:
    for document in documents:
        world.prepare(*world.tell(document))


def figures(world: World) -> dict[tuple[str, ...], float]:
    """Every figure there is now, by its name without ``millrace_`` and the values of its labels."""
    with world.ledger.read() as session:
        told = list(journeys_of(session, world.context.fleet, world.clock.now()))
    return {(one.metric.removeprefix("millrace_"), *one.labels.values()): one.value for one in told}


def test_promises_that_fell_due_are_kept_late_or_missing_and_a_cancelled_order_promises_nothing(world: World) -> None:
    for key in ("kept", "late", "missing", "cancelled"):
        tell(world, an_order(key, promised_by=at(1_000)))
    tell(world, an_order("future", promised_by=at(9 * DAY_S)), an_order("old", promised_by=at(1)), an_order("none"))
    tell(world, an_order("cancelled", status="cancelled", told_at=5))
    tell(world, a_milestone(order_key="kept", told_at=1_000), a_milestone(order_key="late", told_at=1_001))
    assert figures(world).get(("delivery_promises", "shopify", "missing")) is None
    world.clock.move_to(at(7 * DAY_S + 100))

    told = figures(world)

    assert {key[2]: value for key, value in told.items() if key[0] == "delivery_promises"} == {"kept": 1, "late": 1, "missing": 1}
    assert told["delivery_on_time_ratio", "shopify"] == pytest.approx(1 / 3)


def test_the_cycle_is_from_placing_to_the_last_parcel_of_orders_that_are_known(world: World) -> None:
    placed_at = an_order().placed_at
    for n, key in enumerate(("a", "b", "c"), start=1):
        tell(world, an_order(key), a_milestone(order_key=key, told_at=n * 100.0))
    tell(world, a_milestone(order_key="c", key="second-parcel", told_at=400))
    tell(world, a_milestone(order_key="never-told", told_at=50))
    world.clock.move_to(at(500))

    told = figures(world)

    assert told["order_cycle_samples", "shopify"] == 3
    assert told["order_cycle_seconds", "shopify", "50"] == (at(200) - placed_at).total_seconds()
    assert told["order_cycle_seconds", "shopify", "95"] == (at(400) - placed_at).total_seconds()
    assert told["milestones_reached", "delivered"] == 5


def test_orders_that_a_warehouse_has_to_confirm_are_counted_until_it_does(world: World) -> None:
    tell(world, an_order("a"), an_order("b"), an_order("open", source="open"))
    world.work()
    posted_at = world.clock.now()
    world.clock.move(3_601)
    assert figures(world)["orders_unconfirmed", "shopify"] == 2
    assert figures(world)["orders_unconfirmed_oldest_age_seconds", "shopify"] == pytest.approx(3_601, abs=60)

    confirmed = a_milestone("warehouse_confirmed", order_key="a", at=world.clock.now())
    tell(world, confirmed)
    told = figures(world)

    assert told["orders_unconfirmed", "shopify"] == 1
    assert told["warehouse_confirmation_samples", "shopify"] == 1
    took_s = (confirmed.at - posted_at).total_seconds()
    assert told["warehouse_confirmation_seconds", "shopify", "50"] == pytest.approx(took_s, abs=60)
    assert not [key for key in told if "open" in key]


def test_orders_without_confirmation_are_seen_however_many_came_after_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journey_figures, "MOST_LOOKED_AT", 2)
    tell(world, an_order("silent"))
    world.work()
    world.clock.move(3_601)
    for n in range(5):
        tell(world, an_order(f"young-{n}"))
    world.work()

    assert figures(world)["orders_unconfirmed", "shopify"] == 1


def step(name: str, at_s: float, key: str = "r1", order_key: str = "1001") -> AnyDocument:
    return a_milestone(name, key=f"{key}-{name}", return_key=key, order_key=order_key, told_at=at_s)


def test_a_return_is_followed_from_asking_to_posting(world: World) -> None:
    tell(world, an_order())
    tell(world, step("return_requested", 0), step("return_received", 100), step("refund_issued", 400))
    world.clock.move_to(at(500))
    told = figures(world)
    assert told["return_step_seconds", "return_received", "50"] == 100
    assert told["return_step_seconds", "refund_issued", "95"] == 300
    assert (told["refunds_before_credit", "shopify"], told["refunds_before_credit_oldest_age_seconds", "shopify"]) == (1, 100)

    tell(world, a_return("r1"))
    world.work()
    told = figures(world)

    assert ("refunds_before_credit", "shopify") not in told
    assert told["return_step_samples", "posted"] == 1
    assert ("returns_not_received", "shopify") not in told


def test_a_return_that_is_posted_and_never_arrives_is_told_when_its_time_is_over(world: World) -> None:
    tell(world, an_order(), step("return_requested", 0), step("return_requested", 0, "r2"), a_return("r1"), a_return("r2"))
    tell(world, step("return_received", 50, "r2"))
    world.work()
    assert ("returns_not_received", "shopify") not in figures(world)

    world.clock.move(15 * DAY_S)

    assert figures(world)["returns_not_received", "shopify"] == 1
    assert figures(world)["returns_not_received_oldest_age_seconds", "shopify"] == pytest.approx(15 * DAY_S, abs=60)


def test_a_return_that_never_arrives_is_seen_however_many_were_asked_for_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(return_figures, "LATEST", 2)
    tell(world, an_order(), step("return_requested", 0), a_return("r1"))
    world.work()
    world.clock.move(15 * DAY_S)
    for n in range(5):
        tell(world, step("return_requested", 14.5 * DAY_S + n, f"young-{n}", f"other-{n}"))

    assert figures(world)["returns_not_received", "shopify"] == 1


def test_no_figure_reads_a_whole_table(sqlite_url: str, fleet: Fleet) -> None:
    with a_world(sqlite_url, fleet=fleet) as world:
        tell(world, an_order(promised_by=at(5)), a_milestone(), step("refund_issued", 9), a_return("r1"))
        world.work()
        looked = plans_of(world, lambda: figures(world))
    plans = [line for line, statement in looked if not re.search(r"ORDER BY deliveries.id DESC\s+LIMIT", statement)]

    assert len(plans) > 20
    assert not [line for line in plans if "FOR ORDER BY" in line], "the latest are read in the order of an index"
    assert not [line for line in plans if re.fullmatch(r"SCAN (documents|deliveries|milestones|journeys|order_head)", line)]
