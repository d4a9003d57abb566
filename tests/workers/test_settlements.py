"""Settlements at the command line and in the figures: what is shown, what is explained, and that nothing is read whole."""

import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert

import ledger.findings
import ledger.reckoning
import ledger.settlement_figures
import ledger.settlements
from ledger import audit
from ledger.audit import Wanted
from ledger.settlement_figures import MOST_COUNTED
from ledger.settlement_schema import reckonings, settlement_findings
from routing.reconcile import REASONS
from tasks.reconcile import reconcile
from telemetry import bus
from telemetry.events import Name
from telemetry.gauges import Reading
from tests.documents import MORNING, a_return, a_settlement, an_order
from tests.documents import a_settlement_line as a_line
from tests.looks import plans_of, read_as_a_whole
from tests.tasks.world import World, a_world
from tests.workers.command_line import Ended, millrace
from workers.console.pages import retail
from workers.settlement_figures import exceptions_of, mismatches_of
from workers.settlement_keeper import SettlementKeeper

TABLES = ("payout_parts", "payout_lines", "reckonings", "settlement_findings", "documents", "document_versions")


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url, items=False) as made:
        yield made


def a_week(world: World) -> None:
    """One order that fits, one that is short, a row that is nobody's, a fee; compared by the relay's thread."""
    lines = [a_line(), a_line("2", order="2", amount="9.50"), a_line("3", order=None, amount="0.25"), a_line("4", kind="fee")]
    world.prepare(*world.tell(an_order(), an_order("2"), a_settlement("PO-1", *lines)))
    assert SettlementKeeper(world.context).round() == 3


def readings(world: World) -> dict[tuple[str, ...], float]:
    with world.ledger.read() as session:
        found: list[Reading] = [*mismatches_of(session, world.clock.now()), *exceptions_of(session, world.clock.now())]
    return {(one.metric.removeprefix("millrace_settlement_"), *one.labels.values()): one.value for one in found}


def test_figures_count_what_was_found_what_is_open_and_what_it_comes_to(world: World) -> None:
    assert readings(world) == {}

    a_week(world)
    world.clock.move(90)
    assert readings(world) == {
        ("mismatches", "shopify", "amount_differs"): 1,
        ("mismatches", "shopify", "unattributed"): 1,
        ("exceptions_open", "shopify", "amount_differs"): 1,
        ("exceptions_open", "shopify", "unattributed"): 1,
        ("exceptions_oldest_age_seconds", "shopify", "amount_differs"): 90,
        ("exceptions_oldest_age_seconds", "shopify", "unattributed"): 90,
        ("difference", "shopify", "USD"): 0.75,
        ("reconciled_ratio", "shopify"): pytest.approx(1 / 3),
    }

    world.prepare(*world.tell(a_settlement("PO-2", a_line(order="2", amount="0.50"))))
    reconcile(world.context)
    told = readings(world)
    assert told["mismatches", "shopify", "amount_differs"] == 1
    assert ("exceptions_open", "shopify", "amount_differs") not in told
    assert told["difference", "shopify", "USD"] == 0.25
    assert told["reconciled_ratio", "shopify"] == pytest.approx(3 / 4)

    world.clock.move(8 * 86_400)
    assert {key[0] for key in readings(world)} == {"exceptions_open", "exceptions_oldest_age_seconds", "difference"}


def test_the_command_line_shows_payouts_and_exceptions_and_explains_them(sqlite_url: str) -> None:
    with a_world(sqlite_url, items=False) as world:
        assert run(sqlite_url, "list").err.startswith("no payout")
        a_week(world)
        trace = run_any(sqlite_url, "documents", "trace", "order/shopify/2").out
        whole, one = run(sqlite_url, "list", "--json").json, run(sqlite_url, "show", "PO-1")
        told = run(sqlite_url, "exceptions", "--json").json
        table = run(sqlite_url, "exceptions", "--reason", "amount_differs", "--source", "shopify").out
        wrong = [run(sqlite_url, "explain", *words).code for words in (["s1"], ["x", "--why", "y"], ["s9", "--why", "y"])]
        done = run(sqlite_url, "explain", "s1", "--why", "a voucher", "--by", "ann", "--json")
        twice = run(sqlite_url, "explain", "s1", "--why", "again")
        explained = run(sqlite_url, "exceptions", "--state", "explained", "--json").json
        shown = run(sqlite_url, "show", "PO-1", "--json").json
        with world.ledger.read() as session:
            (deed,) = audit.find(session, Wanted(action="settlement.explain"), 10)

    assert [(p["payout"], p["total"], p["lines_total"], p["lines"], p["parts_told"]) for p in whole] == [
        ("PO-1", "29.75", "29.75", 4, 1)
    ]
    assert ("fee" in one.out, "amount_differs" in one.out, "line PO-1/3" in one.out) == (True, True, True)
    assert {(f["id"], f["reason"], f["difference"]) for f in told} == {
        ("s1", "amount_differs", "-0.50"),
        ("s2", "unattributed", "0.25"),
    }
    assert ("-0.50" in table, "unattributed" in table) == (True, False)
    assert "sale 9.50 USD by payout PO-1 of shopify" in trace
    assert wrong == [2, 2, 3]
    assert (done.code, done.json["state"], done.json["why"]) == (0, "explained", "a voucher")
    assert (twice.code, "by ann: a voucher" in twice.err) == (4, True)
    assert [(f["id"], f["explained_by"]) for f in explained] == [("s1", "ann")]
    assert [(s["type"], s["lines"], s["amount"]) for s in shown[0]["sums"]] == [("fee", 1, "10.00"), ("sale", 3, "19.75")]
    assert [f["id"] for f in shown[0]["findings"]] == ["s2", "s1"]
    assert (deed.done.by, deed.done.subject, deed.done.reason) == ("ann", "s1", "a voucher")
    assert run(sqlite_url, "show", "PO-9").code == 3


def run_any(sqlite_url: str, *words: str) -> Ended:
    return millrace(*words, LEDGER_URL=sqlite_url)


def run(sqlite_url: str, *words: str) -> Ended:
    return run_any(sqlite_url, "settlements", *words)


def test_every_reason_can_be_asked_for_and_has_its_retail_words() -> None:
    assert set(retail.REASONS) == set(retail.REASON_HELP) == set(REASONS)
    for reason in REASONS:
        assert reason in millrace("settlements", "exceptions", "--help").out.replace("\n", "").replace(" ", "")


def test_the_keeper_goes_on_after_a_round_that_failed_and_ends_when_it_is_told(sqlite_url: str) -> None:
    happened = {name: threading.Event() for name in (Name.SETTLEMENT_RECONCILE_FAILED, Name.SETTLEMENT_RECONCILE_DONE)}
    with a_world(sqlite_url, items=False) as world:
        stop = threading.Event()
        world.prepare(*world.tell(a_settlement()))
        rename(world, "reckonings", "away")
        bus.attach("keeper", lambda event: happened[event.name].set(), wants=dict.fromkeys(happened, frozenset()))
        thread = threading.Thread(target=SettlementKeeper(world.context).run, args=(stop,))
        thread.start()
        try:
            assert happened[Name.SETTLEMENT_RECONCILE_FAILED].wait(20)
            rename(world, "away", "reckonings")
            assert happened[Name.SETTLEMENT_RECONCILE_DONE].wait(20)
        finally:
            stop.set()
            thread.join(20)
            bus.detach("keeper")
        assert not thread.is_alive()
        assert world.rows("select reason from settlement_findings") == [("order_unknown",)]


def rename(world: World, table: str, name: str) -> None:
    with world.ledger.write() as session:
        session.exec_driver_sql(f"alter table {table} rename to {name}")


def test_a_count_ends_at_its_bound(sqlite_url: str) -> None:
    with a_world(sqlite_url, items=False) as world:
        stand(world, MOST_COUNTED + 10)
        told = readings(world)

    assert told["exceptions_open", "shopify", "amount_differs"] == MOST_COUNTED
    assert told["mismatches", "shopify", "amount_differs"] == MOST_COUNTED
    assert told["exceptions_oldest_age_seconds", "shopify", "amount_differs"] == MOST_COUNTED + 10
    assert told["difference", "shopify", "USD"] == MOST_COUNTED * 1_000_000_000_000


def test_no_view_and_no_comparison_reads_a_whole_table(postgres_url: str) -> None:
    with a_world(postgres_url, items=False) as world:
        a_week(world)
        stand(world, 400)
        read = read_as_a_whole(world, postgres_url, TABLES, lambda: look_at_all(world))

    assert read == dict.fromkeys(TABLES, 0)


def test_every_plan_on_sqlite_goes_by_an_index(sqlite_url: str) -> None:
    with a_world(sqlite_url, items=False) as world:
        a_week(world)
        plans = plans_of(world, lambda: look_at_all(world))
    whole = [(line, statement) for line, statement in plans if re.fullmatch(rf"SCAN ({'|'.join(TABLES)})", line)]

    assert len(plans) > 20
    assert whole == []


def look_at_all(world: World) -> None:
    """Everything that is asked of settlements, once."""
    refund = a_line("3", kind="refund", amount="-1.00", return_key="r1")
    world.prepare(*world.tell(a_return(), a_settlement("PO-1", a_line(), a_line("2", order=None), refund, told_at=5)))
    reconcile(world.context)
    readings(world)
    with world.ledger.write() as session:
        ledger.findings.explain(session, 1, "ann", "why", world.clock.now())
    with world.ledger.read() as session:
        for state in ("open", "explained", "resolved"):
            ledger.findings.listed(session, 10, state=state)
        ledger.findings.of(session, "order", "shopify", "2")
        ledger.findings.of_orders_in(session, "shopify", "PO-1")
        ledger.findings.find(session, 1)
        ledger.settlements.payouts(session, 10)
        ledger.settlements.payout(session, "PO-1")
        ledger.settlements.sums_by_type(session, "shopify", "PO-1")
        ledger.settlements.lines_of_order(session, "shopify", "2")


def stand(world: World, count: int) -> None:
    """So many orders that were paid another amount, found a second apart, with differences as large as there are."""
    now = world.clock.now()
    with world.ledger.write() as session:
        made = session.execute(insert(reckonings).returning(reckonings.c.id), [_reckoning(n, now) for n in range(count)])
        session.execute(insert(settlement_findings), [_finding(i, n) for n, i in enumerate(made.scalars())])


def _reckoning(number: int, now: datetime) -> dict[str, object]:
    told = {"kind": "order", "source": "shopify", "key": f"stand-{number}", "state": "differs", "lines": 1}
    return told | {"told_at": now, "due_at": now + timedelta(days=1), "tries": 1}


def _finding(reckoning_id: int, number: int) -> dict[str, object]:
    told = {"reckoning_id": reckoning_id, "reason": "amount_differs", "line": "", "source": "shopify", "currency": "USD"}
    opened_at = MORNING - timedelta(seconds=number + 1)
    return told | {"difference_micros": 10**18, "state": "open", "opened_at": opened_at}
