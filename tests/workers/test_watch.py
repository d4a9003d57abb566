"""What is watched, on both databases: figures in business words, and what makes an alert."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

import ledger.business
from canonical.outcome import Uncertain
from config.fleet import ServiceLevels
from ledger import service_levels
from ledger.actions import Actor
from tasks.reconcile import reconcile
from telemetry.figures import FIGURES
from telemetry.gauges import Reading
from tests.documents import a_position, a_reservation, a_settlement, a_settlement_line, a_shipment, an_order
from tests.tasks.desk import refused
from tests.tasks.world import TARGET, World, a_stock_fleet, a_world
from tests.workers.peaks import PeakDesk, a_profile
from tests.workers.test_stock_figures import OF_STOCK
from workers import lane_actions
from workers.business_figures import business_of
from workers.lane_actions import Operator
from workers.lanes import Lookout
from workers.notify.rules import sightings
from workers.watch import Watch, promises_of

SHOP = {"channel": "shopify", "target": TARGET, "class": "normal"}
ANN = Actor("ann", "a test")


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url, fleet=a_stock_fleet()) as made:
        yield made


def watch(world: World) -> Watch:
    fleet = world.context.fleet
    return Watch(world.ledger, fleet, Lookout(fleet, world.ledger), None, world.context.now)


def values(readings: list[Reading], metric: str) -> dict[tuple[str, ...], float]:
    return {tuple(one.labels.values()): one.value for one in readings if one.metric == metric}


def judge(world: World) -> None:
    with world.ledger.write() as session:
        service_levels.judge(session, promises_of(world.context.fleet.service_levels), world.context.now())


def test_the_peak_profile_in_force_is_told_with_its_end_and_not_after_it(world: World) -> None:
    desk = PeakDesk(world)
    before = watch(world).read()
    desk.apply(a_profile("sale", lasts_s=600))
    world.clock.move(60)
    during = watch(world).read()
    desk.apply(a_profile("quiet"))
    endless = watch(world).read()
    desk.revert()
    desk.revert()
    after = watch(world).read()

    standing, rest = "millrace_peak_profile_in_force", "millrace_peak_profile_rest_seconds"
    assert [values(told, standing) for told in (before, during, endless, after)] == [{}, {("sale",): 1}, {("quiet",): 1}, {}]
    assert [values(told, rest) for told in (during, endless)] == [{("sale",): 540}, {}]


def test_business_figures_tell_what_waits_how_old_it_is_and_what_it_is_worth(world: World) -> None:
    refused(world, "3")
    world.prepare(*world.tell(an_order("1"), an_order("2")))
    world.clock.move_to(world.clock.now() + timedelta(minutes=40))
    world.prepare(*world.tell(an_order("4")))

    found = business_of(world.ledger, world.context.fleet, world.context.now())

    awaiting = "millrace_orders_awaiting_posting"
    (count,) = values(found, awaiting).values()
    (age_s,) = values(found, f"{awaiting}_oldest_age_seconds").values()
    assert {tuple(one.labels) for one in found if one.metric == awaiting} == {tuple(SHOP)}
    with world.ledger.read() as session:
        (stock,) = ledger.business.orders_awaiting_posting(session, [TARGET])
    assert count == stock.count == 4
    assert stock.parked == 1
    assert values(found, f"{awaiting}_parked") == {tuple(SHOP.values()): 1}
    assert age_s == pytest.approx(2_400, abs=120)
    assert list(values(found, "millrace_money_awaiting_posting")) == [(*SHOP.values(), "USD")]
    assert values(found, "millrace_posting_latency_samples")["order_creation",] == 0
    assert ("shopify", "orders", TARGET, "parked") in values(found, "millrace_business_backlog")


def test_a_shipment_past_its_promise_is_not_reconciled(world: World) -> None:
    world.prepare(*world.tell(an_order("1"), a_shipment("f1", order_key="1")))
    early = business_of(world.ledger, world.context.fleet, world.context.now())
    late = business_of(world.ledger, world.context.fleet, world.context.now() + timedelta(hours=1))

    assert values(early, "millrace_shipments_not_reconciled") == {}
    assert list(values(late, "millrace_shipments_not_reconciled").values()) == [1]


def test_every_reading_is_a_figure_of_the_list_with_its_labels(world: World) -> None:
    refused(world, "2")
    world.prepare(*world.tell(an_order("1")))
    world.erp.script.append(Uncertain("the answer was lost"))
    letter = world.tray.take()
    assert letter
    world.work_letter(letter)
    world.prepare(*world.tell(a_reservation(), a_settlement("PO-1", a_settlement_line(amount="9.00"))))
    reconcile(world.context)
    judge(world)
    PeakDesk(world).apply(a_profile("sale", lasts_s=600))

    watched = watch(world)
    found = [*business_of(world.ledger, world.context.fleet, world.context.now()), *watched.read(), *watched.chain()]

    told = {one.metric for one in found}
    elsewhere = {"millrace_broker_alarm", "millrace_limiter_unshared", "millrace_lane_throttled_share",
                 "millrace_operator_deeds_total", "millrace_shipments_not_reconciled", "millrace_refunds_not_in_finance",
                 "millrace_posting_latency_seconds", "millrace_replay_success_ratio", "millrace_peak_profile_in_force",
                 "millrace_peak_profile_rest_seconds", *OF_STOCK}  # fmt: skip
    assert {(one.metric, tuple(sorted(one.labels))) for one in found} <= {
        (name, tuple(sorted(figure.labels))) for name, figure in FIGURES.items()
    }
    # What happens outside has values where milestones were told: tests/workers/test_journey_figures.py.
    outside = ("delivery_", "order_cycle_", "warehouse_", "orders_unconfirmed", "milestones_", "return", "refunds_before_")
    elsewhere |= {name for name in FIGURES if name.removeprefix("millrace_").startswith(outside)}
    assert set(FIGURES) - elsewhere <= told


def test_missed_promises_burn_the_budget_and_are_sighted(world: World) -> None:
    judge(world)
    for number in range(4):
        world.prepare(*world.tell(an_order(f"{number}")))
    calm = watch(world).read()
    world.clock.move_to(world.clock.now() + timedelta(seconds=1_000))
    judge(world)

    burning = watch(world).read()

    assert set(values(calm, "millrace_service_level_burn").values()) == {0.0}
    assert values(burning, "millrace_service_judged_total")["order_creation", "late"] == 4
    assert values(burning, "millrace_service_level_burn")["order_creation", "fast"] == pytest.approx(1 / 0.01 / 6)
    seen = {(one.name, one.labels.get("flow")) for one in sightings(burning, {})}
    assert ("MillraceServiceLevelBurning", "order_creation") in seen
    assert not any(flow == "shipment_confirmation" for _, flow in seen)


def test_an_effect_in_doubt_and_a_forgotten_pause_are_sighted_with_their_reason(world: World) -> None:
    world.prepare(*world.tell(an_order("1")))
    world.erp.script.append(Uncertain("the answer was lost"))
    letter = world.tray.take()
    assert letter
    world.work_letter(letter)
    with world.ledger.write() as session:
        lane_actions.pause(session, "orders", Operator("ann", "stock count"), world.context.now(), None, 0)
    world.clock.move_to(world.clock.now() + timedelta(seconds=1_000))

    seen = {one.name: one for one in sightings(watch(world).read(), {})}

    assert dict(seen["MillraceUncertainOutcomes"].labels) == {"target": TARGET}
    assert "stock count (ann)" in seen["MillraceLanePaused"].summary
    assert seen["MillraceLanePaused"].for_s == 1_800


def test_rows_that_no_broker_took_are_sighted(world: World) -> None:
    world.tray.open = False
    world.prepare(*world.tell(an_order("1")))
    world.clock.move_to(world.clock.now() + timedelta(seconds=61))

    seen = {one.name: one for one in sightings(watch(world).read(), {})}

    assert dict(seen["MillraceOutboxUnsent"].labels) == {"stage": "delivery"}


def test_a_changed_record_of_deeds_is_sighted(world: World) -> None:
    with world.ledger.write() as session:
        lane_actions.pause(session, "orders", Operator("ann", "a test"), world.context.now(), None, 0)
    whole = watch(world).chain()
    with world.ledger.write() as session:
        for trigger in ("actions_only_added", "actions_never_updated"):
            on = " ON actions" if session.dialect.name == "postgresql" else ""
            session.exec_driver_sql(f"DROP TRIGGER IF EXISTS {trigger}{on}")
        session.exec_driver_sql("UPDATE actions SET reason = 'another'")

    assert [one.value for one in whole] == [0]
    assert [one.name for one in sightings(watch(world).chain(), {})] == ["MillraceAuditChainBroken"]


def test_the_bounds_of_the_fleet_file_take_the_place_of_the_shipped_ones() -> None:
    waiting = Reading("millrace_backlog_oldest_age_seconds", 400, {"family": "orders", "class": "high", "state": "accepted"})

    shipped, own = sightings([waiting], {}), sightings([waiting], {"urgent_backlog_s": 500})

    assert [one.name for one in shipped] == ["MillraceUrgentBacklogOld"]
    assert own == []


def test_promises_are_those_of_the_fleet_file() -> None:
    flows = {promise.flow: promise.within_s for promise in promises_of(ServiceLevels(refund_posting_s=60))}

    assert flows == {"order_creation": 900, "shipment_confirmation": 1_800, "stock_publication": 300, "refund_posting": 60}


def test_stock_that_is_not_published_in_time_burns_its_own_budget(world: World) -> None:
    judge(world)
    for number in range(4):
        world.prepare(*world.tell(a_position(f"SKU-000{number}")))
    world.prepare(*world.tell(a_reservation()))
    world.clock.move_to(world.clock.now() + timedelta(seconds=400))
    judge(world)

    burning = watch(world).read()

    assert values(burning, "millrace_service_judged_total")["stock_publication", "parked"] == 3
    assert values(burning, "millrace_service_judged_total")["stock_publication", "late"] == 1
    seen = {(one.name, one.labels.get("flow")) for one in sightings(burning, {})}
    assert ("MillraceServiceLevelBurning", "stock_publication") in seen


def test_reservations_are_pending_until_their_target_has_them(world: World) -> None:
    world.prepare(*world.tell(a_reservation("v1"), a_reservation("v2", order_key="1002"), a_position()))
    world.clock.move(30)

    def told() -> dict[str, dict[tuple[str, ...], float]]:
        found = business_of(world.ledger, world.context.fleet, world.context.now())
        return {name: values(found, f"millrace_reservations_pending{name}") for name in ("", "_oldest_age_seconds")}

    pending = told()
    world.work()

    shop = tuple(SHOP.values())
    assert pending == {"": {shop: 2.0}, "_oldest_age_seconds": {shop: 30.0}}
    assert told() == {"": {}, "_oldest_age_seconds": {}}
