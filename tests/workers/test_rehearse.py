"""A rehearsal: every arrival ends exactly once, no limit is passed, the same seed tells the same, and the rules in force hold."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.erps.memory import MemoryErp
from routing.windows import Maintenance
from tasks.in_force import rules_of
from tests.workers.rehearsing import BEGINS_S, QUICK, a_fleet, a_scene, every, mixed, played, predicted
from workers.maintenance import Windows
from workers.plan import Rules
from workers.rehearse.arrivals import KINDS, Arrival
from workers.rehearse.effects import Effects
from workers.rehearse.erp import Outage
from workers.rehearse.scenes import NOTHING_SET
from workers.rehearse.service import Service, Spread

ARRIVALS = st.lists(
    st.builds(
        Arrival,
        at_s=st.floats(0, 20),
        source=st.just("shop"),
        kind=st.sampled_from(["order", "shipment", "return"]),
        method=st.sampled_from(["", "Express"]),
        order=st.sampled_from(["", "1", "2", "3"]),
    ),
    max_size=60,
).map(lambda some: sorted(some, key=lambda one: one.at_s))
SERVICES = st.builds(
    lambda failing, own, call: Service(
        targets={"erp": QUICK.model_copy(update={"failing": failing, "own_rate_per_s": own, "call_ms": Spread(median=call)})}
    ),
    st.sampled_from([0.0, 0.1, 0.6]),
    st.sampled_from([None, 4.0]),
    st.sampled_from([5.0, 300.0]),
)
OUTAGES = st.sampled_from([(), (Outage("erp", 2.0, 9.0),)])
LIMITS = st.sampled_from(
    [{"rate_per_s": 5, "burst": 3, "concurrency": 2}, {"rate_per_s": 50, "burst": 10}, {"concurrency": 1}, {}]
)


@settings(max_examples=40, deadline=None)
@given(arrivals=ARRIVALS, service=SERVICES, outages=OUTAGES, limit=LIMITS, workers=st.integers(1, 3), seed=st.integers(0, 9))
def test_every_arrival_ends_exactly_once_whatever_fails(
    arrivals: list[Arrival], service: Service, outages: tuple[Outage, ...], limit: dict[str, Any], workers: int, seed: int
) -> None:
    scene = a_scene(
        a_fleet(target={"limit": limit, "max_attempts": 3, "max_execution_s": 1.0}, waits={"longest_retry_s": 20}),
        service=service,
        outages=outages,
        workers={"prepare": 1, "deliver": workers},
        seed=seed,
    )

    what = played(scene, arrivals)

    parked = {one.event.key for one in what.book.deliveries.values() if one.state == "parked"}
    assert [event.deliveries for event in what.book.events] == [1] * len(arrivals)
    assert len(what.book.deliveries) == len(arrivals)
    for one in what.book.deliveries.values():
        # What stands behind a parked one of its order waits for a person, as in production; nothing else is left.
        assert (one.state in ("done", "parked")) == (one.ended_s is not None)
        assert one.ended_s is not None or (one.state == "waiting" and one.event.key in parked)
    assert what.book.open == 0


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 150), rate=st.sampled_from([3.0, 11.0, 40.0]), burst=st.integers(1, 8), workers=st.integers(1, 4))
def test_no_more_calls_go_out_than_the_limit_allows_however_many_workers(
    count: int, rate: float, burst: int, workers: int
) -> None:
    fleet = a_fleet(target={"limit": {"rate_per_s": rate, "burst": burst, "concurrency": 6}})
    scene = a_scene(fleet, workers={"prepare": 2, "deliver": workers})

    what = played(scene, every(0.005, count))

    calls = what.erps["erp"].calls
    seconds = range(min(calls), max(calls) + 1)
    for first in seconds:
        for last in seconds[first - seconds[0] :]:
            sent = sum(calls.get(second, 0) for second in range(first, last + 1))
            assert sent <= burst + rate * (last - first + 1) + 1e-6
    assert all(held <= 6 + 1e-6 for held in what.erps["erp"].held.values())


def test_the_same_seed_tells_the_same_and_another_one_something_else() -> None:
    service = Service(targets={"erp": QUICK.model_copy(update={"failing": 0.2, "call_ms": Spread(median=50, p95=200)})})
    arrivals = mixed(every(0.05, 200), every(0.3, 30, method="Express"))

    first, again, other = (asdict(predicted(a_scene(service=service, seed=seed), arrivals)) for seed in (4, 4, 5))

    assert first == again
    assert first != other


def test_classes_share_the_limit_by_their_weights_while_all_wait() -> None:
    fleet = a_fleet(target={"limit": {"rate_per_s": 20, "burst": 1}}, weights={"deliver.erp": {"high": 4, "normal": 2, "low": 1}})
    some = [every(0.001, 200, cls=cls) for cls in ("high", "normal", "low")]

    what = played(a_scene(fleet), mixed(*some))

    ended = sorted((one.ended_s or 0.0, one.effect.cls) for one in what.book.deliveries.values())
    first = [cls for _, cls in ended[20:230]]
    assert [round(first.count(cls) / 30) for cls in ("high", "normal", "low")] == [4, 2, 1]


def test_a_profile_changes_classes_weights_and_limit_of_what_is_rehearsed() -> None:
    fleet = a_fleet(target={"limit": {"rate_per_s": 10, "burst": 1}})
    arrivals = mixed(every(0.02, 200), every(0.2, 20, tier="gold"))
    profile = {
        "lanes": {"deliver.erp": {"limit": {"rate_per_s": 20}, "weights": {"strict": True}}},
        "classes": [{"class": "high", "kinds": ["order"], "customer_tiers": ["gold"]}],
    }

    without, under = predicted(a_scene(fleet), arrivals), predicted(a_scene(fleet, profile=profile), arrivals)

    assert [one.cls for one in without.waits] == ["normal"]
    assert [(one.cls, one.count) for one in under.waits] == [("high", 20), ("normal", 200)]
    assert under.waits[0].longest_s < 1.0 < under.waits[1].p50_s  # type: ignore[operator]
    assert under.drained_s < 0.6 * without.drained_s  # type: ignore[operator]
    assert (without.allowances[0].allowed_per_s, under.allowances[0].allowed_per_s) == (10, 20)


def test_what_a_profile_defers_waits_for_quiet_hours() -> None:
    profile = {"defer": [{"kinds": ["return"], "quiet_from": "11:00", "quiet_to": "12:00", "zone": "UTC"}]}

    what = played(a_scene(profile=profile), mixed(every(1, 3), every(1, 3, kind="return")))

    ended = {one.event.arrival.kind: (one.ended_s or 0.0) - BEGINS_S for one in what.book.deliveries.values()}
    assert ended["order"] < 5
    assert 3_600 <= ended["return"] < 3_605


def test_a_maintenance_window_holds_then_lets_one_at_a_time_go_then_rises() -> None:
    begins_at = datetime.fromtimestamp(BEGINS_S, UTC)
    window = Maintenance(1, "deliver.erp", begins_at + timedelta(seconds=10), 60.0, begins_at, drain_s=5.0, canary=3, ramp_s=30.0)
    fleet = a_fleet(target={"limit": {"rate_per_s": 20, "burst": 1, "concurrency": 4}})
    scene = a_scene(fleet, rules=Rules({}, Windows((window,))))

    what = played(scene, every(0.25, 400))

    ended = sorted((one.ended_s or 0.0) - BEGINS_S for one in what.book.deliveries.values())
    after = [moment for moment in ended if moment >= 70]
    assert not [moment for moment in ended if 6 < moment < 70]
    assert all(later - earlier >= 0.02 for earlier, later in pairwise(after[:3]))
    assert 1.6 * sum(moment < 80 for moment in after) < sum(80 <= moment < 90 for moment in after)


def test_a_paused_lane_posts_nothing_until_its_pause_ends() -> None:
    until = datetime.fromtimestamp(BEGINS_S + 40, UTC).isoformat()
    paused = Rules({"paused.deliver.erp": {"reason": "look", "by": "ann", "until": until}}, NOTHING_SET.windows)

    what = played(a_scene(rules=paused), every(1, 20))

    ended = [(one.ended_s or 0.0) - BEGINS_S for one in what.book.deliveries.values()]
    assert 40 <= min(ended) < 43


def test_an_outage_costs_retries_by_the_ladder_and_what_fails_too_often_is_parked() -> None:
    fleet = a_fleet(target={"limit": {"rate_per_s": 20, "burst": 5}}, waits={"longest_retry_s": 30})
    given_up = a_fleet(target={"max_attempts": 2}, waits={"longest_retry_s": 2})
    down = Outage("erp", 1.0, 61.0)

    kept = predicted(a_scene(fleet, outages=[down]), every(0.5, 40))
    lost = predicted(
        a_scene(given_up, service=Service(targets={"erp": QUICK.model_copy(update={"failing": 0.5})})), every(0.5, 80)
    )

    assert (kept.done, kept.parked) == (40, 0)
    assert 61 <= kept.drained_s < 200  # type: ignore[operator]
    assert 0 < lost.parked < 60
    assert lost.done + lost.parked == 80


def test_shipments_go_after_their_order() -> None:
    orders = every(0.01, 30)
    chained = [
        one
        for number, order in enumerate(orders)
        for one in (
            Arrival(order.at_s, "shop", order=f"o{number}"),
            Arrival(order.at_s + 0.001, "shop", "shipment", order=f"o{number}", cls="high"),
        )
    ]

    what = played(a_scene(a_fleet(target={"limit": {"rate_per_s": 10, "burst": 1}})), chained)

    ended = {(one.event.key, one.effect.domain): one.ended_s or 0.0 for one in what.book.deliveries.values()}
    assert all(ended[f"o{number}", "orders"] < ended[f"o{number}", "shipments"] for number in range(30))


def test_promises_are_breached_by_what_comes_late_or_not_at_all() -> None:
    fleet = a_fleet(target={"limit": {"rate_per_s": 10, "burst": 1}})
    arrivals = mixed(every(0.001, 100), every(0.001, 5, method="Express", promised_in_s=0.001))

    told = {one.cls: one for one in predicted(a_scene(fleet), arrivals, normal=5.0).waits}
    broken_off = predicted(a_scene(fleet, longest_s=2.0), every(0.001, 100), normal=5.0)

    assert (told["high"].promised, told["high"].breached) == (5, 5)
    assert told["normal"].promised == 100
    assert 45 <= told["normal"].breached <= 60
    assert broken_off.drained_s is None
    assert broken_off.open == 100 - broken_off.done > 70
    assert broken_off.waits[0].breached == broken_off.waits[0].count - broken_off.done


def test_it_says_whether_the_limit_or_the_workers_bind_and_how_many_it_takes() -> None:
    slow = Service(targets={"erp": QUICK.model_copy(update={"call_ms": Spread(median=500)})})
    limited = predicted(a_scene(a_fleet(target={"limit": {"rate_per_s": 5, "burst": 1}})), every(0.01, 200))
    short = predicted(a_scene(service=slow), every(0.01, 300))
    staffed = predicted(a_scene(service=slow, workers={"prepare": 1, "deliver": 8}), every(0.01, 300))

    assert (limited.binds, short.binds, staffed.binds) == ("limit", "workers", "nothing")
    assert short.staff[1].full
    assert staffed.drained_s < 0.4 * short.drained_s  # type: ignore[operator]
    assert 1 < staffed.staff[1].takes <= 8


def test_a_target_that_takes_less_than_its_limit_says_is_found_and_followed() -> None:
    service = Service(targets={"erp": QUICK.model_copy(update={"own_rate_per_s": 10.0})})
    fleet = a_fleet(target={"limit": {"rate_per_s": 50, "burst": 5, "concurrency": 8}})

    told = predicted(a_scene(fleet, service=service), every(0.02, 300))

    assert told.done == 300
    assert 25 <= told.drained_s < 60  # type: ignore[operator]
    assert 0 < told.allowances[0].refused < 60


def test_stock_and_reservations_go_where_a_route_names_them() -> None:
    routes = [{"target": "erp"}, {"target": "stores", "kinds": ["stock", "reservation"]}]
    one = {"adapter": "memory", "url": "http://127.0.0.1:1"}
    pools = {
        "prepare": {"kind": "prefork", "families": ["orders", "stock"]},
        "deliver": {"kind": "threads", "families": ["deliver.erp", "deliver.stores"]},
    }
    fleet = a_fleet(routes=routes, targets={"erp": one, "stores": one}, pools=pools)
    erps = {name: MemoryErp() for name in fleet.targets}
    effects = Effects(fleet, rules_of(fleet, None), erps, frozenset({"deliver.erp", "deliver.stores"}))

    made = [
        (effect.target, effect.domain, effect.operation)
        for kind in KINDS
        for effect in effects.of(Arrival(0.0, "shop", kind), "k1", BEGINS_S, BEGINS_S)
    ]

    assert made == [
        ("erp", "orders", "order.create"),
        ("erp", "shipments", "shipment.create"),
        ("erp", "returns", "return.create"),
        ("stores", "stock", "stock.publish"),
        ("stores", "stock", "reservation.create"),
    ]
