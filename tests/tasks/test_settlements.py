"""The way of a settlement: told, written, posted nowhere, compared by kind of line, and compared again when what it lacked comes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

import ledger.findings
import ledger.settlements
from canonical.order import Order
from canonical.returns import Return
from canonical.settlement import Settlement
from config.fleet import Source
from ledger.actions import Actor
from ledger.findings import FindingView
from tasks.reconcile import MATCHED, Round, explain, reconcile
from tests.documents import a_return, a_settlement, an_order, at
from tests.documents import a_settlement_line as a_line
from tests.tasks.world import World, a_fleet, a_world


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


def settles(world: World, **more: Any) -> None:
    """Have the source `shopify` say more in the fleet file."""
    fleet = a_fleet()
    source = Source.model_validate(fleet.sources["shopify"].model_dump(by_alias=True) | more)
    world.context = replace(world.context, fleet=fleet.model_copy(update={"sources": {**fleet.sources, "shopify": source}}))


def test_a_payout_that_fits_opens_nothing_and_goes_nowhere(world: World) -> None:
    done = tell(world, an_order(), a_settlement("PO-1", a_line(), a_line("2", type="fee", amount="-1.50")))

    assert (done.compared, done.opened, found(world)) == (2, 0, [])
    assert world.rows("select operation from deliveries") == [("order.create",)]
    assert world.rows("select distinct state from events") == [("done",)]
    assert world.rows("select kind, state, lines from reckonings order by kind") == [
        ("order", "matched", 1), ("payout", "matched", 0),
    ]  # fmt: skip


def test_an_order_that_was_paid_another_amount_is_told_with_both_amounts_and_the_difference(world: World) -> None:
    tell(world, an_order(), a_settlement("PO-1", a_line(amount="9.50")))

    [finding] = found(world)
    assert (finding.reason, finding.about, finding.source, finding.key) == ("amount_differs", "order", "shopify", "1001")
    assert amounts(finding) == ("10.00", "9.50", "-0.50")


def test_what_is_paid_in_parts_is_added_up_over_payouts(world: World) -> None:
    tell(world, an_order(), a_settlement("PO-1", a_line(amount="4.00")))
    assert [amounts(finding) for finding in found(world)] == [("10.00", "4.00", "-6.00")]

    tell(world, a_settlement("PO-2", a_line(amount="6.00")))
    assert (found(world), reasons(world, "resolved")) == ([], ["amount_differs"])


@pytest.mark.parametrize(("paid", "opened"), [("9.99", 0), ("10.01", 0), ("9.98", 1), ("10.02", 1)])
def test_a_difference_within_the_sources_tolerance_is_none(world: World, paid: str, opened: int) -> None:
    settles(world, settlement_tolerance="0.01")

    assert tell(world, an_order(), a_settlement("PO-1", a_line(amount=paid))).opened == opened


def test_a_sale_of_an_order_that_is_told_later_closes_by_itself(world: World) -> None:
    tell(world, a_settlement())
    assert [(f.reason, amounts(f)) for f in found(world)] == [("order_unknown", (None, "10.00", "10.00"))]

    tell(world, an_order())
    assert later(world, 61).closed == 1
    assert (found(world), reasons(world, "resolved")) == ([], ["order_unknown"])


def test_a_row_without_an_order_is_its_own_exception_and_is_given_to_none(world: World) -> None:
    lines = [a_line(), a_line("2", order=None, amount="3.00"), a_line("3", order=" ", type="refund", amount="-2.00")]
    nobodys_fee = a_line("4", order=None, type="fee", amount="-1.00")
    tell(world, an_order(), a_settlement("PO-1", *lines, nobodys_fee))

    assert [(f.reason, f.about, f.key, f.line, amounts(f)) for f in found(world)] == [
        ("unattributed", "payout", "PO-1", "PO-1/2", (None, "3.00", "3.00")),
        ("unattributed", "payout", "PO-1", "PO-1/3", (None, "-2.00", "-2.00")),
    ]


def test_a_sale_in_another_currency_is_not_compared_by_its_number(world: World) -> None:
    tell(world, an_order(currency="EUR"), a_settlement())

    [finding] = found(world)
    assert (finding.reason, finding.currency, amounts(finding)) == ("currency_differs", "USD", (None, "10.00", "10.00"))


def test_a_cancelled_order_that_was_paid_is_an_exception_until_the_money_went_back(world: World) -> None:
    tell(world, an_order(), an_order(status="cancelled", told_at=1), a_settlement())
    assert [(f.reason, amounts(f)) for f in found(world)] == [("paid_though_cancelled", ("0.00", "10.00", "10.00"))]

    tell(world, a_settlement("PO-2", a_line(type="refund", amount="-10.00")))
    assert found(world) == []


def test_a_refund_without_a_return_closes_when_the_return_is_told(world: World) -> None:
    tell(world, an_order(), a_settlement("PO-1", a_line(), a_line("2", type="refund", amount="-10.00")))
    assert reasons(world) == ["refund_unknown"]

    tell(world, a_return())
    later(world, 61)
    assert found(world) == []


def test_refunds_of_an_order_are_compared_with_its_returns(world: World) -> None:
    refund = a_line("2", type="refund", amount="-7.00", return_key="r1")
    tell(world, an_order(), a_return(), a_settlement("PO-1", a_line(), refund))
    assert [(f.reason, amounts(f)) for f in found(world)] == [("refund_differs", ("10.00", "7.00", "-3.00"))]

    tell(world, a_settlement("PO-2", a_line(type="refund", amount="-3.00", return_key="r1")))
    assert found(world) == []


def test_a_refund_that_names_a_return_nobody_told_is_unknown(world: World) -> None:
    refund = a_line("2", type="refund", amount="-10.00", return_key="r7")
    tell(world, an_order(), a_return("r1"), a_settlement("PO-1", a_line(), refund))

    assert reasons(world) == ["refund_unknown"]


def test_lines_that_do_not_add_up_to_the_total_are_told_with_the_difference_and_still_compared(world: World) -> None:
    tell(world, an_order(), a_settlement("PO-1", a_line(amount="8.00"), total="10.00"))

    assert [(f.reason, amounts(f)) for f in found(world)] == [
        ("amount_differs", ("10.00", "8.00", "-2.00")),
        ("total_differs", ("10.00", "8.00", "-2.00")),
    ]


def test_a_payout_told_in_parts_is_whole_when_all_of_them_are_there(world: World) -> None:
    first = a_settlement("PO-1", a_line(amount="4.00"), total="10.00", part=1, parts=2)
    tell(world, an_order(), first)
    assert [(f.reason, f.about, amounts(f)) for f in found(world) if f.about == "payout"] == [
        ("parts_missing", "payout", ("10.00", "4.00", "-6.00"))
    ]

    tell(world, a_settlement("PO-1", a_line(amount="6.00"), total="10.00", part=2, parts=2))
    assert found(world) == []
    with world.ledger.read() as session:
        [payout] = ledger.settlements.payout(session, "PO-1")
    assert (payout.parts_told, payout.parts, payout.lines, payout.lines_total) == (2, 2, 2, Decimal("10.00"))


def test_parts_in_two_currencies_are_never_added_up(world: World) -> None:
    parts = [a_settlement("PO-1", total="20.00", part=n, parts=2, currency=c) for n, c in ((1, "USD"), (2, "EUR"))]
    tell(world, *parts)

    assert [f.reason for f in found(world) if f.about == "payout"] == ["currency_differs"]


def test_a_settlement_told_twice_counts_once_and_an_older_one_changes_nothing(world: World) -> None:
    tell(world, an_order(), a_settlement(told_at=5))
    tell(world, a_settlement(told_at=5), a_settlement(told_at=6), a_settlement("PO-1", a_line(amount="1.00"), told_at=1))

    assert found(world) == []
    assert world.rows("select count(*) from payout_lines") == [(1,)]
    assert [row[0] for row in world.rows("select state from events order by id")][-1] == "stale"


def test_a_settlement_told_anew_takes_the_place_of_what_it_said_before(world: World) -> None:
    tell(world, an_order(), an_order("1002"), a_settlement("PO-1", a_line(order="1002", amount="4.00")))
    assert reasons(world) == ["amount_differs"]

    tell(world, a_settlement("PO-1", a_line(order="1001"), told_at=9))
    assert found(world) == []
    assert world.rows("select order_key from payout_lines") == [("1001",)]


def test_two_versions_of_one_bundle_leave_the_lines_of_the_last(world: World) -> None:
    first, second = (a_settlement("PO-1", a_line(amount=amount), told_at=n) for n, amount in enumerate(("1.00", "10.00")))
    world.prepare(*world.tell(an_order(), first, second))
    reconcile(world.context)

    assert found(world) == []
    assert world.rows("select count(*) from payout_lines") == [(1,)]


def test_an_order_that_is_cancelled_after_it_fitted_is_found_out_later(world: World) -> None:
    tell(world, an_order(), a_settlement())
    tell(world, an_order(status="cancelled", told_at=9))
    assert found(world) == []

    later(world, (MATCHED[0] + timedelta(seconds=1)).total_seconds())
    assert reasons(world) == ["paid_though_cancelled"]


def test_what_fits_is_looked_at_again_a_few_times_and_then_left_alone(world: World) -> None:
    tell(world, an_order(), a_settlement())

    rounds = [later(world, span.total_seconds() + 1).compared for span in (*MATCHED, timedelta(days=365))]
    assert rounds == [2, 2, 2, 0]


def test_a_payment_providers_payouts_are_compared_with_the_orders_of_the_source_it_settles(world: World) -> None:
    settles(world, settles="open")
    tell(world, an_order(source="open"), a_settlement("PO-1", a_line(amount="9.00")))

    [finding] = found(world)
    assert (finding.reason, finding.source) == ("amount_differs", "open")


def test_explaining_closes_an_exception_with_a_reason_and_stands_in_the_audit_chain(world: World) -> None:
    tell(world, an_order(), a_settlement("PO-1", a_line(amount="9.50")))
    [finding] = found(world)

    with world.ledger.write() as session:
        assert explain(session, finding.id, Actor("anna", "a voucher of the marketplace", "operator"), at(1))
        assert explain(session, finding.id, Actor("anna", "again"), at(2)) is None
    reconcile(world.context)

    [explained] = found(world, "explained")
    assert (explained.explained_by, explained.why, found(world)) == ("anna", "a voucher of the marketplace", [])
    assert world.rows("select state from reckonings where kind = 'order'") == [("explained",)]
    assert (
        world.rows("select by, action, subject, reason, role from actions")
        == [("anna", "settlement.explain", f"s{finding.id}", "a voucher of the marketplace", "operator")]
        or world.ledger.engine.dialect.name == "postgresql"
    )


def test_what_was_explained_is_open_again_when_the_difference_is_another(world: World) -> None:
    tell(world, an_order(), a_settlement("PO-1", a_line(amount="9.50")))
    with world.ledger.write() as session:
        explain(session, found(world)[0].id, Actor("anna", "a voucher"), at(1))
    assert later(world, 2).opened == 0

    tell(world, a_settlement("PO-2", a_line(amount="2.00")))
    assert [(f.reason, amounts(f), f.why) for f in found(world)] == [("amount_differs", ("10.00", "11.50", "1.50"), None)]


def test_orders_that_nothing_was_paid_for_cost_no_statement_of_settlements(world: World) -> None:
    asked: list[str] = []
    import sqlalchemy

    sqlalchemy.event.listen(world.ledger.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    world.prepare(*world.tell(an_order(), an_order("1002")))

    assert asked
    assert not [one for one in asked if "payout" in one or "reckoning" in one or "settlement" in one]


def test_what_one_process_compares_another_leaves_alone(postgres_url: str) -> None:
    with a_world(postgres_url, items=False) as world:
        world.prepare(*world.tell(a_settlement()))
        with world.ledger.write() as session:
            held = ledger.reckoning.take_due(session, world.clock.now(), 100)
            assert (len(held), reconcile(world.context)) == (2, Round(0, 0, 0))
        assert reconcile(world.context).compared == 2
