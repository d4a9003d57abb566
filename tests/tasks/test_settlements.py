"""The way of a settlement: told, posted nowhere, compared by kind of line, compared again when what it lacked comes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy

import ledger.actions
import ledger.findings
import ledger.reckoning
import ledger.settlements
from canonical.order import Order
from canonical.returns import Return
from canonical.settlement import Settlement
from config.fleet import Source
from ledger.actions import Actor
from ledger.findings import FindingView
from tasks.reconcile import MATCHED, Round, again_at, explain, reconcile
from telemetry import bus
from telemetry.events import Name
from tests.documents import MORNING, a_return, a_settlement, an_order
from tests.documents import a_settlement_line as a_line
from tests.tasks.world import World, a_world


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url, items=False) as made:
        yield made


def tell(world: World, *documents: Order | Return | Settlement) -> Round:
    """Have them told one after the other, and everything compared that is due."""
    for document in documents:
        world.prepare(*world.tell(document))
    return reconcile(world.context)


def later(world: World, seconds: float = 3_600) -> Round:
    """Let time pass and have compared what is due by then."""
    world.clock.move(seconds)
    return reconcile(world.context)


def found(world: World, state: str = "open") -> list[FindingView]:
    with world.ledger.read() as session:
        return ledger.findings.listed(session, 100, state=state)


def reasons(world: World, state: str = "open") -> list[str]:
    return sorted(finding.reason for finding in found(world, state))


def amounts(finding: FindingView) -> tuple[str | None, ...]:
    told = (finding.expected, finding.told, finding.difference)
    return tuple(None if amount is None else str(amount) for amount in told)


def settles(world: World, name: str, **more: Any) -> None:
    """Have a source say more in the fleet file."""
    fleet = world.context.fleet
    source = Source.model_validate(fleet.sources[name].model_dump(by_alias=True) | more)
    world.context = replace(world.context, fleet=fleet.model_copy(update={"sources": {**fleet.sources, name: source}}))


def test_every_reason_is_found_with_its_amounts_and_what_fits_opens_nothing(world: World) -> None:
    cancelled = an_order("5", status="cancelled", told_at=1)
    orders = [an_order(), an_order("2"), an_order("3", currency="EUR"), an_order("5"), cancelled, an_order("6"), an_order("7")]
    tell(world, *orders, a_return("r7", order_key="7"))
    lines = [
        a_line("fits"), a_line("fee", kind="fee", amount="-1.50"),
        a_line("less", order="2", amount="9.50"),
        a_line("foreign", order="3"),
        a_line("nobody", order="4"),
        a_line("cancelled", order="5"),
        a_line("sold", order="6"), a_line("refunded", order="6", kind="refund", amount="-4.00"),
        a_line("kept", order="7"), a_line("back", order="7", kind="refund", amount="-7.00", return_key="r7"),
        a_line("whose", order=None, amount="3.00"), a_line("whose?", order=" ", kind="refund", amount="-2.00"),
        a_line("monthly", order=None, kind="fee", amount="-5.00"),
    ]  # fmt: skip
    done = tell(world, a_settlement("PO-1", *lines, total="1.00"))

    assert (done.compared, done.opened, done.closed) == (8, 9, 0)
    assert [
        (f.reason, f.about, f.key, f.line, f.currency, *amounts(f)) for f in sorted(found(world), key=lambda f: (f.key, f.line))
    ] == [
        ("amount_differs", "order", "2", "", "USD", "10.00", "9.50", "-0.50"),
        ("currency_differs", "order", "3", "", "USD", None, "10.00", "10.00"),
        ("order_unknown", "order", "4", "", "USD", None, "10.00", "10.00"),
        ("paid_though_cancelled", "order", "5", "", "USD", "0.00", "10.00", "10.00"),
        ("refund_unknown", "order", "6", "", "USD", None, "4.00", "4.00"),
        ("refund_differs", "order", "7", "", "USD", "10.00", "7.00", "-3.00"),
        ("total_differs", "payout", "PO-1", "", "USD", "1.00", "53.00", "52.00"),
        ("unattributed", "payout", "PO-1", "PO-1/whose", "USD", None, "3.00", "3.00"),
        ("unattributed", "payout", "PO-1", "PO-1/whose?", "USD", None, "-2.00", "-2.00"),
    ]
    assert world.rows("select state, lines from reckonings where key = '1001'") == [("matched", 1)]
    assert (
        world.rows("select distinct operation from deliveries where document_id in (select document_id from payout_parts)") == []
    )
    assert world.rows("select distinct state from events") == [("done",)]


def test_an_exception_closes_by_itself_when_what_it_lacked_is_told(world: World) -> None:
    lines = [a_line(amount="4.00"), a_line("2", kind="refund", amount="-10.00")]
    tell(world, a_settlement("PO-1", *lines, total="0.00", part=1, parts=2))
    assert reasons(world) == ["order_unknown", "parts_missing"]

    tell(world, an_order())
    later(world, 61)
    assert reasons(world) == ["amount_differs", "parts_missing", "refund_unknown"]

    tell(world, a_settlement("PO-1", a_line(amount="6.00"), total="0.00", part=2, parts=2))
    assert (reasons(world), later(world, 30).compared) == (["refund_unknown"], 0)

    tell(world, a_return())
    later(world, 61)
    assert found(world) == []
    assert reasons(world, "resolved") == ["amount_differs", "order_unknown", "parts_missing", "refund_unknown"]
    with world.ledger.read() as session:
        [payout] = ledger.settlements.payout(session, "PO-1")
    assert (payout.parts_told, payout.parts, payout.lines, payout.lines_total) == (2, 2, 3, Decimal("0.00"))


def test_told_twice_it_counts_once_an_older_one_changes_nothing_and_a_newer_one_takes_its_place(world: World) -> None:
    tell(world, an_order(), an_order("2"), a_settlement(told_at=5))
    tell(world, a_settlement(told_at=5), a_settlement(told_at=6), a_settlement("PO-1", a_line(amount="1.00"), told_at=1))
    assert (found(world), world.rows("select count(*) from payout_lines")) == ([], [(1,)])
    assert world.rows("select state from events order by id desc limit 1") == [("stale",)]

    two = [a_settlement("PO-1", a_line(order="2", amount=amount), told_at=n) for n, amount in ((7, "3.00"), (8, "4.00"))]
    world.prepare(*world.tell(*two))
    reconcile(world.context)
    assert [(f.key, amounts(f)) for f in found(world)] == [("2", ("10.00", "4.00", "-6.00"))]
    assert world.rows("select order_key, amount_micros from payout_lines") == [("2", 4_000_000)]

    tell(world, a_settlement("PO-1", a_line(order="1001"), told_at=9))
    assert found(world) == []


def test_what_fits_is_looked_at_again_a_few_times_which_finds_a_later_cancellation(world: World) -> None:
    tell(world, an_order(), a_settlement())
    rounds = [later(world, span.total_seconds() + 1).compared for span in (*MATCHED, timedelta(days=365))]
    assert rounds == [2, 2, 2, 0]

    tell(world, an_order("2"), a_settlement("PO-2", a_line(order="2")), an_order("2", status="cancelled", told_at=9))
    assert reasons(world) == ["paid_though_cancelled"]


def test_the_tolerance_and_the_orders_are_those_of_the_source_that_is_settled(world: World) -> None:
    settles(world, "shopify", settles="open")
    settles(world, "open", settlement_tolerance="0.01")
    lines = [a_line(amount="9.99"), a_line("2", order="2", amount="9.98")]
    tell(world, an_order(source="open"), an_order("2", source="open"), a_settlement("PO-1", *lines))

    assert [(f.reason, f.source, f.key) for f in found(world)] == [("amount_differs", "open", "2")]


def test_explaining_closes_an_exception_for_that_difference_and_stands_in_the_audit_chain(world: World) -> None:
    tell(world, an_order(), a_settlement("PO-1", a_line(amount="9.50")))
    [finding] = found(world)

    with world.ledger.write() as session:
        assert explain(session, finding.id, Actor("anna", "a voucher of the marketplace", "operator"), world.clock.now())
        assert explain(session, finding.id, Actor("anna", "again"), world.clock.now()) is None
    assert later(world, 1).opened == 0
    [explained] = found(world, "explained")
    assert (explained.explained_by, explained.why, found(world)) == ("anna", "a voucher of the marketplace", [])
    assert world.rows("select state from reckonings where kind = 'order'") == [("explained",)]
    with world.ledger.read() as session:
        [deed] = ledger.actions.listed(session, f"s{finding.id}", 10)
    assert (deed.by, deed.action, deed.reason, deed.role) == ("anna", "settlement.explain", explained.why, "operator")
    assert deed.after == {
        "reason": "amount_differs",
        "order": "shopify/1001",
        "line": "",
        "difference": "-0.50",
        "currency": "USD",
    }

    tell(world, a_settlement("PO-2", a_line(amount="2.00")))
    assert [(amounts(f), f.why) for f in found(world)] == [(("10.00", "11.50", "1.50"), None)]


def test_orders_that_nothing_was_paid_for_cost_no_statement_of_settlements(world: World) -> None:
    asked: list[str] = []
    sqlalchemy.event.listen(world.ledger.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    world.prepare(*world.tell(an_order(), an_order("2")))

    assert asked
    assert not [one for one in asked if any(word in one for word in ("payout_", "reckonings", "settlement_"))]


def test_an_order_that_our_own_code_fails_on_is_put_off_and_takes_no_other_along(world: World) -> None:
    world.prepare(*world.tell(an_order(), an_order("2")))
    world.prepare(*world.tell(a_settlement("PO-1", a_line(amount="9.00"), a_line("2", order="2", amount="8.00"))))
    broken = "document_id = (select id from documents where key = '1001')"
    ((whole,),) = world.rows(f"select body from document_versions where {broken}")
    set_body(world, "no document", broken)
    failed: list[object] = []
    bus.attach("failed", lambda event: failed.append(event.fields["stage"]), wants={Name.STEP_RUN_FAILED: frozenset({"stage"})})
    try:
        done = reconcile(world.context)
    finally:
        bus.detach("failed")
    assert ([f.key for f in found(world)], done.compared, failed) == (["2"], 3, ["reconcile"])

    set_body(world, str(whole), broken)
    later(world, 901)
    assert [f.key for f in found(world)] == ["2", "1001"]


def test_sums_beyond_what_the_ledger_holds_are_told_and_not_taken_for_right(world: World) -> None:
    lines = [a_line(str(n), amount="999999999999") for n in range(11)]
    done = tell(world, an_order(total="999999999999"), a_settlement("PO-1", *lines, total="999999999999"))

    assert (done.opened, reasons(world)) == (2, ["amount_differs", "total_differs"])


def set_body(world: World, body: str, where: str) -> None:
    with world.ledger.write() as session:
        session.execute(sqlalchemy.text(f"update document_versions set body = :body where {where}"), {"body": body})


def test_what_one_process_compares_another_leaves_alone(postgres_url: str) -> None:
    with a_world(postgres_url, items=False) as world:
        world.prepare(*world.tell(a_settlement()))
        with world.ledger.write() as session:
            held = ledger.reckoning.take_due(session, world.clock.now(), 100)
            assert (len(held), reconcile(world.context)) == (2, Round(0, 0, 0))
        assert reconcile(world.context).compared == 2


def test_what_differs_is_looked_at_soon_then_seldom_and_what_fits_ever_more_seldom_until_never() -> None:
    waits = {tries: again_at("differs", tries, MORNING) for tries in (0, 1, 3, 4, 99, 100, 10_000)}
    minutes = {tries: (at - MORNING).total_seconds() / 60 for tries, at in waits.items() if at}
    assert minutes == {0: 1, 1: 2, 3: 8, 4: 15, 99: 15, 100: 360, 10_000: 360}

    fits = [again_at(state, tries, MORNING) for state in ("matched", "explained") for tries in range(4)]
    assert fits == [MORNING + timedelta(days=1), MORNING + timedelta(days=7), MORNING + timedelta(days=30), None] * 2
