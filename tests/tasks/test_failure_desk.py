"""The failure desk on both databases: what it shows, to whom it belongs, what hands do to it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

import ledger.actions
import ledger.cases
import ledger.desk
from canonical.outcome import Rejected, Unavailable
from config.fleet import DeskRule
from ledger.failures import FailureKey
from tasks.context import Context
from tasks.desk import archive, assign, note, restore
from tasks.replay import drop, retry
from tests.documents import a_shipment, an_order
from tests.tasks.desk import ANNA, cases, groups, of_unknown_item, refused
from tests.tasks.world import TARGET, World, a_world


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def test_rows_that_fail_alike_are_one_group_with_their_orders_and_money(world: World) -> None:
    refused(world, "1", "2", "3")
    world.clock.move(60)
    [late] = of_unknown_item(world, "4")
    world.prepare(*world.tell(a_shipment("f3", order_key="3")))

    by_cause = groups(world, "cause", "target")
    [whole] = groups(world)

    assert [(g.code, g.cause, g.target, g.count, g.orders) for g in by_cause] == [
        ("INVALID", "no such customer #", TARGET, 3, 3),
        ("crossref.missing", "sandbox has no item for …", TARGET, 1, 1),
    ]
    assert by_cause[0].money == {"USD": Decimal("30.00")}
    assert by_cause[0].first_at < by_cause[1].first_at
    assert (whole.count, whole.orders, whole.money) == (4, 4, {"USD": Decimal("40.00")})
    assert [case.key for case in cases(world, group=by_cause[1].group)] == [late]


def test_currencies_are_not_added_up_and_an_order_counts_once(world: World) -> None:
    world.prepare(*world.tell(an_order("1", currency="JPY", total="500", lines=[_line("A")]), an_order("2", lines=[_line("A")])))
    world.prepare(*world.tell(a_shipment("f1", order_key="1"), a_shipment("f2", order_key="1")))
    world.prepare(world.tell_bytes(b"not json"))

    [whole] = groups(world)

    assert whole.money == {"JPY": Decimal(500), "USD": Decimal("10.00")}
    assert (whole.count, whole.orders) == (3, 2)


def test_every_way_of_choosing_meets_what_it_says(world: World) -> None:
    one, two = refused(world, "1", "2")
    [item] = of_unknown_item(world, "3")
    world.clock.move(3_600)
    world.prepare(world.tell_bytes(b"not json"))
    event = cases(world, cls="malformed")[0].key

    assert [c.key for c in cases(world, code="crossref.*")] == [item]
    assert [c.key for c in cases(world, code="crossref")] == []
    assert {c.key for c in cases(world, target=TARGET)} == {one, two, item}
    assert {c.key for c in cases(world, source="shopify")} == {one, two, item, event}
    assert [c.key for c in cases(world, operation="told")] == [event]
    assert [c.key for c in cases(world, text="SHOPIFY/2")] == [two]
    assert cases(world, text="100%") == []
    assert [c.key for c in cases(world, since=world.clock.now() - timedelta(seconds=60))] == [event]
    assert {c.key for c in cases(world, until=world.clock.now() - timedelta(seconds=60))} == {one, two, item}
    assert {c.key for c in cases(world, owner="business")} == {one, two, item}
    assert [c.key for c in cases(world, keys=(str(one), str(event)))] == [event, one]


def test_owner_and_due_time_follow_the_first_rule_and_then_the_hand(world: World) -> None:
    one, two = refused(world, "1", "2")
    rules = (
        DeskRule(owner="master-data", due_s=3_600, code="crossref.*"),
        DeskRule.model_validate({"owner": "sales", "due_s": 600, "class": "rejected", "target": TARGET}),
    )
    due = world.clock.now() + timedelta(days=1)
    world.context = _with_rules(world, rules)
    before = cases(world)
    assert assign(world.context, [one], "anna", due, ANNA) == [one]
    world.clock.move(601)

    by_key = {case.key: case for case in cases(world)}
    assert [(case.owner, case.due_at) for case in before] == [
        ("sales", case.failed_at + timedelta(seconds=600)) for case in before
    ]
    assert (by_key[one].owner, by_key[one].due_at) == ("anna", due)
    assert [case.key for case in cases(world, overdue=True)] == [two]
    assert {g.owner for g in groups(world, "owner")} == {"anna", "sales"}
    assert assign(world.context, [one], None, None, ANNA) == [one]
    assert {case.owner for case in cases(world)} == {"sales"}


def test_what_is_archived_is_off_the_lists_not_retried_and_comes_back(world: World) -> None:
    one, two = refused(world, "1", "2")

    assert archive(world.context, [one], ANNA) == [one]
    assert archive(world.context, [one], ANNA) == []
    assert [case.key for case in cases(world)] == [two]
    assert [case.key for case in cases(world, archived=True)] == [one]
    assert retry(world.context, [one], ANNA).left == ((one, "it is archived; restore it first"),)
    assert restore(world.context, [one], ANNA) == [one]
    assert retry(world.context, [one], ANNA).retried == (one,)
    world.work()
    assert [case.key for case in cases(world)] == [two]


def test_a_row_that_fails_again_keeps_its_first_moment_and_its_owner(world: World) -> None:
    [one] = refused(world, "1")
    assign(world.context, [one], "anna", None, ANNA)
    first = cases(world)[0]
    world.clock.move(60)
    world.erp.script.append(_refusal("quite another thing"))
    retry(world.context, [one], ANNA)
    assert cases(world) == []
    world.work()

    [again] = cases(world)
    assert (again.times, again.first_at, again.owner) == (2, first.first_at, "anna")
    assert again.failed_at > first.failed_at
    assert again.group != first.group


def test_everything_that_was_done_is_kept_with_who_and_why(world: World) -> None:
    [one] = refused(world, "1")
    note(world.context, one, ANNA)
    archive(world.context, [one], ANNA)
    restore(world.context, [one], ANNA)
    drop(world.context, one, ANNA)
    assert not note(world.context, FailureKey("delivery", 999), ANNA)

    with world.ledger.read() as session:
        done = ledger.actions.listed(session, str(one), 10)[::-1]
        nothing = ledger.actions.listed(session, "d999", 10)
    assert [(a.action, a.by, a.reason) for a in done] == [
        (verb, "anna", "a test") for verb in ("note", "archive", "restore", "drop")
    ]
    assert nothing == []
    assert cases(world) == []


def test_what_is_retried_by_itself_is_shown_with_its_last_answer(world: World) -> None:
    world.erp.script.extend([Unavailable("maintenance"), Unavailable("still maintenance")])
    world.prepare(*world.tell(an_order("1")))
    for _ in range(2):
        letter = world.tray.take()
        assert letter
        world.work_letter(letter)

    with world.ledger.read() as session:
        [trying] = ledger.desk.retrying(session, TARGET, 10)
        assert ledger.desk.retrying(session, "other", 10) == []
    assert (trying.outcome, trying.detail, trying.attempts) == ("Unavailable", "still maintenance", 2)
    assert trying.due_at is not None
    assert cases(world) == []


def test_a_delivery_behind_a_parked_one_comes_to_the_desk_at_its_turn(world: World) -> None:
    [one] = refused(world, "1")
    shipment = a_shipment("f1", order_key="1", lines=[{"order_line": "1", "sku": "NEW", "quantity": 1}])
    world.prepare(*world.tell(shipment))
    assert len(cases(world)) == 1
    drop(world.context, one, ANNA)

    [case] = cases(world)
    assert (case.code, case.total) == ("crossref.missing", "10.00 USD")


def test_rows_that_were_parked_before_there_were_cases_are_found(world: World) -> None:
    [one] = refused(world, "1")
    with world.ledger.write() as session:
        session.exec_driver_sql("delete from cases")
    with world.ledger.write() as session:
        found = ledger.cases.missing(session, 10)
        assert ledger.cases.open_missing(session, found, world.clock.now()) == 1
        assert not any(ledger.cases.missing(session, 10).values())

    assert [case.key for case in cases(world)] == [one]


def _line(sku: str) -> dict[str, object]:
    return {"key": "1", "sku": sku, "quantity": 1, "unit_price": "10.00"}


def _refusal(reason: str) -> Rejected:
    return Rejected("INVALID", reason, "add it")


def _with_rules(world: World, rules: tuple[DeskRule, ...]) -> Context:
    return replace(world.context, fleet=world.context.fleet.model_copy(update={"desk": rules}))
