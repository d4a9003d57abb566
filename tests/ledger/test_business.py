"""The business views on both databases: what is counted where, what is done falls out, and no whole table is read."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert

import ledger.actions
import ledger.business
import ledger.counts
import ledger.desk
import ledger.failures
import ledger.locations
import ledger.oversell
import ledger.performance
import ledger.search
import ledger.story
import ledger.unreserved
from canonical.outcome import Rejected, Unavailable, Uncertain
from config.fleet import DeskRule
from ledger.actions import Actor
from ledger.business import MOST_COUNTED
from ledger.schema import deliveries, documents, versions
from ledger.session import Session
from routing.patch import Setting
from routing.ramp import Pace
from tasks.desk import note, start_job
from tasks.edit import Change, edit
from tasks.replay import retry
from tests.documents import MORNING, a_position, a_return, a_shipment, an_order
from tests.looks import plans_of, read_as_a_whole
from tests.tasks.desk import ANNA, of_unknown_item, refused, run_jobs
from tests.tasks.world import TARGET, World, a_world

DOMAINS = ("orders", "shipments", "returns")


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def stages(world: World, *domains: str, targets: Sequence[str] = (TARGET,)) -> dict[tuple[str, str, str, str], int]:
    """What the backlog says, by channel, domain, operation and stage."""
    with world.ledger.read() as session:
        rows = ledger.business.backlog(session, targets, domains or DOMAINS)
    return {(row.channel, row.domain, row.operation, row.stage): row.count for row in rows}


def test_each_stage_of_the_way_shows_what_stands_there(world: World) -> None:
    refused(world, "1")
    world.prepare(*world.tell(an_order("try")))
    world.prepare(*world.tell(an_order("doubt")))
    for outcome in (Unavailable("maintenance"), Uncertain("the answer was lost")):
        letter = world.tray.take()
        assert letter
        world.erp.script.append(outcome)
        world.work_letter(letter)
    world.prepare(*world.tell(an_order("2", source="open"), a_shipment("f2", order_key="2", source="open")))
    world.prepare(*world.tell(a_return("r9", order_key="unknown")))
    world.tell(an_order("3", source="open"))

    assert stages(world) == {
        ("open", "orders", "", "accepted"): 1,
        ("open", "orders", "order.create", "prepared"): 1,
        ("open", "shipments", "shipment.create", "waiting"): 1,
        ("shopify", "orders", "order.create", "parked"): 1,
        ("shopify", "orders", "order.create", "retrying"): 1,
        ("shopify", "orders", "order.create", "uncertain"): 1,
        ("shopify", "returns", "", "waiting"): 1,
    }
    assert stages(world, "shipments") == {("open", "shipments", "shipment.create", "waiting"): 1}

    world.work()
    assert stages(world) == {
        ("open", "orders", "", "accepted"): 1,
        ("shopify", "orders", "order.create", "parked"): 1,
        ("shopify", "returns", "", "waiting"): 1,
    }


def test_orders_awaiting_posting_are_counted_with_the_oldest_and_the_money_by_currency(world: World) -> None:
    world.prepare(*world.tell(an_order("1"), an_order("2", total="0.10"), an_order("3", currency="JPY", total="500")))
    world.work()
    world.clock.move(60)
    refused_at = world.clock.now()
    of_unknown_item(world, "4")
    world.prepare(*world.tell(an_order("5", source="open"), an_order("1", told_at=5, total="10.00", number="#one")))
    world.tell(an_order("6", source="open"))

    with world.ledger.read() as session:
        rows = ledger.business.orders_awaiting_posting(session, [TARGET])
        money = ledger.business.money_awaiting_posting(session, [TARGET])
    assert [(r.channel, r.target, r.count, r.parked, r.oldest_at) for r in rows] == [
        ("open", "", 1, 0, refused_at),
        ("open", TARGET, 1, 0, refused_at),
        ("shopify", TARGET, 1, 1, refused_at),
    ]
    assert [(m.channel, m.currency, m.amount, m.orders) for m in money] == [
        ("open", "USD", Decimal("10.00"), 1),
        ("shopify", "USD", Decimal("10.00"), 1),
    ]


def test_money_of_several_currencies_is_never_added_up(world: World) -> None:
    told = (an_order("1"), an_order("2", total="0.10"), an_order("3", currency="JPY", total="500"))
    world.prepare(*world.tell(*told))

    with world.ledger.read() as session:
        money = ledger.business.money_awaiting_posting(session, [TARGET])
    assert [(m.currency, str(m.amount), m.orders) for m in money] == [("JPY", "500", 1), ("USD", "10.10", 2)]


def test_shipments_and_refunds_show_once_they_are_late_and_fall_out_when_done(world: World) -> None:
    world.prepare(*world.tell(an_order("1")))
    world.prepare(*world.tell(a_shipment("f1", order_key="1"), a_return("r1", order_key="1")))
    told_at = world.clock.now()
    late = told_at + timedelta(seconds=1)

    with world.ledger.read() as session:
        shipments = ledger.business.shipments_not_reconciled(session, [TARGET], late)
        refunds = ledger.business.refunds_not_in_finance(session, [TARGET], late)
        early = ledger.business.shipments_not_reconciled(session, [TARGET], told_at)
    assert [(s.channel, s.target, s.count, s.oldest_at) for s in shipments] == [("shopify", TARGET, 1, told_at)]
    assert [(s.channel, s.count) for s in refunds] == [("shopify", 1)]
    assert early == []

    world.work()
    with world.ledger.read() as session:
        assert ledger.business.shipments_not_reconciled(session, [TARGET], late) == []
        assert ledger.business.refunds_not_in_finance(session, [TARGET], late) == []


def test_exceptions_are_counted_by_owner_with_what_is_overdue(world: World) -> None:
    refused(world, "1", "2")
    world.prepare(world.tell_bytes(b"not json"))
    rules = (DeskRule.model_validate({"owner": "sales", "due_s": 600, "class": "rejected"}),)
    world.clock.move(601)

    with world.ledger.read() as session:
        owned = ledger.business.exceptions_by_owner(session, rules, world.clock.now())
    assert [(o.owner, o.count, o.overdue) for o in owned] == [("sales", 2, 2), ("integration", 1, 0)]


def test_latency_runs_from_the_channel_to_the_erp(world: World) -> None:
    started = world.clock.now()
    for seconds in (10, 20, 30):
        world.prepare(*world.tell(an_order(str(seconds))))
        world.clock.move(seconds)
        world.work()

    with world.ledger.read() as session:
        whole = ledger.performance.posting_latency(session, started)
        recent = ledger.performance.posting_latency(session, started + timedelta(seconds=31))
        none = ledger.performance.posting_latency(session, world.clock.now() + timedelta(seconds=1))
    assert (whole.count, whole.p50_s, whole.p95_s, whole.p99_s) == (3, 20.0, 30.0, 30.0)
    assert (recent.count, recent.p50_s) == (1, 30.0)
    assert (none.count, none.p50_s) == (0, None)


def test_what_was_given_back_to_work_counts_once_by_what_became_of_it(world: World) -> None:
    started = world.clock.now()
    good, bad, third, fourth = refused(world, "1", "2", "3", "4")
    retry(world.context, [good], ANNA)
    world.work()
    world.erp.script.append(Rejected("INVALID", "still not", "add it"))
    retry(world.context, [bad], ANNA)
    world.work()
    start_job(
        world.context, ledger.desk.Filter(keys=(str(third), str(fourth))), ["lines[*].sku=SKU-0001", "number=#anew"],
        Pace((1, 10), 100.0, 0.9, 60.0), ANNA,
    )  # fmt: skip
    run_jobs(world, rounds=6)

    with world.ledger.read() as session:
        replays = ledger.performance.replay_success(session, started)
        later = ledger.performance.replay_success(session, world.clock.now() + timedelta(seconds=1))
    assert (replays.done, replays.failed, replays.under_way, replays.rate) == (3, 1, 0, 0.75)
    assert (later.done, later.rate) == (0, None)


def test_completion_is_the_share_of_what_was_told_that_is_done(world: World) -> None:
    started = world.clock.now()
    world.prepare(*world.tell(an_order("1"), an_order("2"), a_shipment("f1", order_key="1")))
    world.work()
    of_unknown_item(world, "3")
    world.tell(an_order("4"))

    with world.ledger.read() as session:
        rows = ledger.performance.completion(session, DOMAINS, started)
    assert [(r.domain, r.told, r.done, r.parked, r.share) for r in rows] == [
        ("orders", 4, 2, 1, 0.5),
        ("shipments", 1, 1, 0, 1.0),
        ("returns", 0, 0, 0, None),
    ]


def test_a_count_ends_at_its_bound_and_says_so_and_the_age_stays_exact(world: World) -> None:
    stand(world, MOST_COUNTED + 10)

    with world.ledger.read() as session:
        [row] = ledger.business.backlog(session, [TARGET], ["orders"])
    assert (row.count, row.more, row.oldest_at) == (MOST_COUNTED, True, MORNING - timedelta(seconds=MOST_COUNTED + 9))


def test_an_order_is_found_by_every_id_people_hold(world: World) -> None:
    world.prepare(*world.tell(an_order("450789", number="#1001"), key="evt-77"))
    world.work()
    [(delivery, remote_id, trace)] = world.rows("select id, remote_id, correlation_id from deliveries")
    words = {
        "450789": "the channel's id", "1001": "number", "#1001": "number", "order/shopify/450789": "document",
        "evt-77": "the sender's event id", str(trace): "correlation id", str(remote_id): "number at the ERP",
        f"d{delivery}": "delivery", "e1": "event", "shopify_450789": "delivery key",
    }  # fmt: skip

    with world.ledger.read() as session:
        for word, by in words.items():
            found = ledger.search.find(session, f" {word} ", ["shopify", "open"])
            assert (found[0].by, found[0].source, found[0].order_key) == (by, "shopify", "450789"), word
        assert ledger.search.find(session, "nothing-of-ours", ["shopify", "open"]) == []
        assert ledger.search.find(session, "", ["shopify"]) == []


def test_an_event_that_waits_for_its_order_leads_to_it(world: World) -> None:
    world.prepare(*world.tell(a_return("r9", order_key="777")))

    with world.ledger.read() as session:
        assert ledger.search.order_of_event(session, 1) == ("shopify", "777")


def test_the_story_tells_every_moment_in_order_with_people_and_timings(world: World) -> None:
    world.erp.script.extend([Unavailable("maintenance"), Rejected("INVALID", "no such customer 7", "add it")])
    world.prepare(*world.tell(an_order("1"), key="evt-1"))
    world.work()
    key = ledger.failures.FailureKey("delivery", 1)
    world.clock.move(60)
    note(world.context, key, Actor("bea", "asked the ERP team"))
    world.clock.move(1)
    edit(world.context, key, Change((Setting.read("number=#one"),)), Actor("anna", "the customer was renamed"))
    world.work()

    with world.ledger.read() as session:
        told = ledger.story.whole_story(session, "shopify", "1")
    assert [(m.what, m.key) for m in told.moments] == [
        ("told", "e1"), ("read", "e1"), ("written", "order/shopify/1"), ("decided", "d1"), ("tried", "d1"), ("tried", "d1"),
        ("deed", "d1"), ("deed", "d1"), ("written", "order/shopify/1"), ("tried", "d1"), ("done", "d1"),
    ]  # fmt: skip
    by_what = {m.what: m for m in told.moments}
    assert by_what["written"].detail == "edited by anna: number"
    assert by_what["done"].took_s == (told.moments[-1].at - told.moments[0].at).total_seconds()
    assert [m.detail for m in told.moments if m.what == "tried"] == ["maintenance", "no such customer 7", ""]
    assert [(d.by, d.action) for d in told.deeds] == [("bea", "note"), ("anna", "edit")]


def test_like_attempts_in_a_row_are_one_moment_with_their_number(world: World) -> None:
    world.erp.script.extend([Unavailable("maintenance")] * 3)
    world.prepare(*world.tell(an_order("1")))
    world.work()

    with world.ledger.read() as session:
        told = ledger.story.whole_story(session, "shopify", "1")
    tried = [(m.title, m.times, m.until is not None) for m in told.moments if m.what == "tried"]
    assert tried == [(f"order.create to {TARGET}: Unavailable", 3, True), (f"order.create to {TARGET}: Done", 1, False)]


def test_no_view_reads_a_whole_table(postgres_url: str) -> None:
    with a_world(postgres_url) as world:
        refused(world, "a", "b")
        stand(world, 400)
        world.prepare(*world.tell(a_position(available=-1)))
        read = read_as_a_whole(world, postgres_url, BIG, lambda: look_at_all(world))

    assert read == dict.fromkeys(BIG, 0)


def test_every_plan_on_sqlite_goes_by_an_index_or_ends_at_its_bound(sqlite_url: str) -> None:
    with a_world(sqlite_url) as world:
        refused(world, "a", "b")
        plans = plans_of(world, lambda: look_at_all(world))
    whole = [
        (line, statement)
        for line, statement in plans
        if re.fullmatch(rf"SCAN ({'|'.join(BIG)})", line) and not re.search(r"ORDER BY \w+.id DESC\s+LIMIT", statement)
    ]

    assert len(plans) > 20
    assert whole == []


BIG = ("events", "documents", "document_versions", "deliveries", "attempts", "cases", "actions", "edits",
       "stock_counts", "stock_cancellations", "unreserved_orders")  # fmt: skip


def look_at_all(world: World) -> None:
    """Every view once."""
    start = MORNING - timedelta(hours=1)
    with world.ledger.read() as session:
        ledger.business.backlog(session, [TARGET], DOMAINS)
        ledger.business.orders_awaiting_posting(session, [TARGET])
        ledger.business.money_awaiting_posting(session, [TARGET])
        ledger.business.shipments_not_reconciled(session, [TARGET], MORNING)
        ledger.business.exceptions_by_owner(session, (), MORNING)
        look_at_stock(session)
        ledger.performance.posting_latency(session, start)
        ledger.performance.completion(session, DOMAINS, start)
        ledger.performance.replay_success(session, start)
        for word in ("a", "#a", "evt", "0" * 32, "d1", "e1", "SO-1"):
            ledger.search.find(session, word, ["shopify", "open"])
        ledger.story.whole_story(session, "shopify", "a")


def look_at_stock(session: Session) -> None:
    """Every view of what is counted, oversold, not reserved, and of where things stand."""
    start = MORNING - timedelta(hours=1)
    ledger.counts.published(session, TARGET, "SKU-0001@berlin", MORNING)
    ledger.counts.accuracy(session, [TARGET], start)
    ledger.counts.apart(session, [TARGET], start, 5)
    ledger.oversell.rates(session, start)
    ledger.oversell.oversold(session)
    ledger.oversell.shortest(session, ["shopify"], 5)
    ledger.unreserved.without_reservation(session, {"shopify": 1.0}, MORNING)
    ledger.unreserved.missing(session, {"shopify": 1.0}, MORNING, 5)
    ledger.locations.backlog_by_location(session, [TARGET])


def stand(world: World, count: int) -> None:
    """So many orders that wait to be posted, told a second apart, the last one a second before the morning."""
    now = world.clock.now()
    with world.ledger.write() as session:
        first = session.execute(insert(documents).returning(documents.c.id), [_document(n, now) for n in range(count)])
        ids = list(first.scalars())
        event = world.rows("select min(id) from events")[0][0]
        if event:
            body = an_order().model_dump_json()
            told = [{"document_id": i, "version": 1, "event_id": event, "body": body, "written_at": now} for i in ids]
            session.execute(insert(versions), told)
        session.execute(insert(deliveries), [_delivery(i, n, now) for n, i in enumerate(ids)])


def _document(number: int, now: object) -> dict[str, object]:
    key = f"stand-{number}"
    return {"kind": "order", "source": "shopify", "key": key, "order_key": key, "version": 1, "status": "open", "updated_at": now}


def _delivery(document_id: int, number: int, now: object) -> dict[str, object]:
    told_at = MORNING - timedelta(seconds=number)
    return {
        "document_id": document_id, "version": 1, "target": TARGET, "operation": "order.create",
        "business_key": f"order/shopify/stand-{number}", "entity": f"shopify/stand-{number}", "domain": "orders",
        "class": "normal", "calls": 1, "references": {}, "correlation_id": "c", "state": "queued", "uncertain": False,
        "attempts": 0, "lost_claims": 0, "accepted_at": told_at, "created_at": now,
    }  # fmt: skip
