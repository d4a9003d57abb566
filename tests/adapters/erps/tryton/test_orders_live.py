"""Orders in a real Tryton: right to the cent, once, resumed, changed, cancelled."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from canonical.order import Charge
from canonical.outcome import Absent, AlreadyDone, Done, Rejected, Uncertain
from tests.adapters.erps.tryton.conftest import Line, lose_every_answer
from tests.adapters.erps.tryton.documents import Desk, line
from tests.proxy import Proxy
from tests.tryton_erp import TrytonErp

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("tryton"), pytest.mark.timeout(600)]


def test_an_order_becomes_a_processed_sale_with_its_lines_discounts_taxes_and_total(erp: Line, desk: Desk, proxy: Proxy) -> None:
    order = desk.order()

    outcome = erp.post(desk.posting("order.create", order))

    assert isinstance(outcome, Done)
    assert desk.sales() == [f"processing|{order.total}"]
    assert desk.lines() == [
        "L1|SKU-0001|3|9.8900|1",
        "L2|SKU-0002|1|5.0000|1",
        "charge:shipping|SHIPPING|1|4.99|0",
    ]
    assert desk.parcels() == ["|waiting|4"]
    assert len(proxy.seen) == erp.calls("order.create")


def test_an_order_posted_twice_is_one_sale(erp: Line, desk: Desk) -> None:
    posting = desk.posting("order.create", desk.order())
    first = erp.post(posting)

    again = erp.post(posting)

    assert isinstance(first, Done)
    assert again == AlreadyDone(first.remote_id) == erp.find(posting)
    assert len(desk.sales()) == 1


@pytest.mark.parametrize("step", [1, 2, 3])
def test_an_answer_lost_at_any_step_of_an_order_is_uncertain_and_resumed(erp: Line, desk: Desk, proxy: Proxy, step: int) -> None:
    posting = desk.posting("order.create", desk.order())
    proxy.begin({step: "drop_answer_after_commit"})

    lost = erp.post(posting)

    assert isinstance(lost, Uncertain)
    found = erp.find(posting)
    assert isinstance(found, AlreadyDone if step == 3 else Absent)
    assert isinstance(erp.post(posting), Done if step < 3 else AlreadyDone)
    assert desk.sales() == [f"processing|{desk.order().total}"]
    assert desk.parcels() == ["|waiting|4"]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_connection_reset_before_the_request_arrives_leaves_an_order_to_be_resumed(
    erp: Line, desk: Desk, proxy: Proxy, step: int
) -> None:
    posting = desk.posting("order.create", desk.order())
    proxy.begin({step: "reset"})

    assert isinstance(erp.post(posting), Uncertain)

    assert isinstance(erp.find(posting), Absent)
    assert isinstance(erp.post(posting), Done)
    assert len(desk.sales()) == 1


def test_the_same_order_posted_by_eight_at_once_is_one_sale(erp: Line, desk: Desk) -> None:
    posting = desk.posting("order.create", desk.order())

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: erp.post(posting), range(8)))

    assert not [o for o in outcomes if isinstance(o, Rejected)], outcomes
    assert isinstance(erp.post(posting), AlreadyDone)
    assert desk.sales() == [f"processing|{desk.order().total}"]
    assert desk.parcels() == ["|waiting|4"]


def test_prices_that_include_tax_are_sold_net_with_the_same_total(erp: Line, desk: Desk) -> None:
    lines = (line("L1", "SKU-0001", 2, "10.80", tax="1.60"), line("L2", "SKU-0003", 1, "5.40", tax="0.40"))
    order = desk.order(lines, prices_include_tax=True, charges=())

    assert isinstance(erp.post(desk.posting("order.create", order)), Done)

    assert desk.sales() == ["processing|27.00"]
    assert desk.lines()[0] == "L1|SKU-0001|2|10.0000|1"


def test_an_amount_that_no_unit_price_gives_is_split_into_two_prices(erp: Line, desk: Desk) -> None:
    order = desk.order((line("L1", "SKU-0001", 1000, "3.34", discount="6.67"),), charges=())

    assert isinstance(erp.post(desk.posting("order.create", order)), Done)

    assert desk.sales() == ["processing|3333.33"]
    assert desk.lines() == ["L1|SKU-0001|667|3.33|0", "L1|SKU-0001|333|3.34|0"]


def test_a_tax_rounded_by_line_stands_on_a_visible_rounding_line(erp: Line, desk: Desk) -> None:
    # 8% of 0.06 is 0.0048: nothing by line, but 0.01 on the whole of three.
    lines = tuple(line(f"L{n}", "SKU-0001", 1, "0.06", tax="0.01") for n in range(3))
    order = desk.order(lines, charges=())

    assert isinstance(erp.post(desk.posting("order.create", order)), Done)

    assert desk.sales() == ["processing|0.21"]
    assert desk.lines()[3] == "millrace:rounding||1|0.02|0"


def test_a_total_that_rounding_cannot_explain_is_refused_and_leaves_no_confirmed_sale(erp: Line, desk: Desk) -> None:
    outcome = erp.post(desk.posting("order.create", desk.order(total="99.99")))

    assert isinstance(outcome, Rejected)
    assert outcome.code == "tryton.total_differs"
    assert [row.split("|")[0] for row in desk.sales()] == ["draft"]


def test_a_product_tryton_does_not_have_is_refused_without_naming_anybody(erp: Line, desk: Desk) -> None:
    references = desk.references(item={"SKU-0001": "999999", "SKU-0002": "2"})

    outcome = erp.post(desk.posting("order.create", desk.order(), references=references))

    assert isinstance(outcome, Rejected)
    assert outcome.code == "tryton.unknown_record"
    assert "Product" in outcome.reason
    assert desk.sales() == []


def test_a_missing_cross_reference_is_refused_before_anything_is_sent(erp: Line, desk: Desk, proxy: Proxy) -> None:
    outcome = erp.post(desk.posting("order.create", desk.order(), references=desk.references(tax={})))

    assert isinstance(outcome, Rejected)
    assert outcome.code == "tryton.no_reference"
    assert proxy.seen == []


def test_a_processed_sale_takes_updates_that_ask_for_nothing_more_and_refuses_others(erp: Line, desk: Desk) -> None:
    erp.post(desk.posting("order.create", desk.order()))
    fewer = desk.order((line("L1", "SKU-0001", 1, "9.89", tax="0.79"),))
    changed = desk.order((line("L1", "SKU-0001", 4, "10.99", tax="3.52"),))

    assert isinstance(erp.post(desk.posting("order.update", fewer)), AlreadyDone)
    assert isinstance(erp.post(desk.posting("order.update", desk.order(note="leave at the door"))), AlreadyDone)
    refused = erp.post(desk.posting("order.update", changed))

    assert isinstance(refused, Rejected)
    assert refused.code == "tryton.sale_in_process"


def test_an_update_rewrites_a_sale_that_is_not_processed_yet(erp: Line, desk: Desk, tryton: TrytonErp, proxy: Proxy) -> None:
    proxy.begin({2: "reset"})
    erp.post(desk.posting("order.create", desk.order()))
    [sale] = tryton.sql(f"select id from sale_sale where web_id like '%{desk.key}'")
    tryton.rest("POST", f"sale.sale/{sale}/quote", {})
    changed = desk.order((line("L1", "SKU-0001", 1, "10.99", tax="0.88"), line("L3", "SKU-0003", 2, "7.00", tax="1.12")))

    outcome = erp.post(desk.posting("order.update", changed))

    assert outcome == Done(sale)
    assert desk.sales() == [f"processing|{changed.total}"]
    assert [row.split("|")[0] for row in desk.lines()] == ["L1", "L3", "charge:shipping"]
    assert isinstance(erp.post(desk.posting("order.update", changed)), AlreadyDone)


def test_a_cancel_takes_a_processed_sale_off_with_its_shipment_and_invoice(erp: Line, desk: Desk, proxy: Proxy) -> None:
    erp.post(desk.posting("order.create", desk.order()))
    posting = desk.posting("order.cancel", desk.order(status="cancelled"))
    proxy.begin()

    assert isinstance(erp.post(posting), Done)

    assert len(proxy.seen) == erp.calls("order.cancel")
    assert desk.parcels() == []
    assert [row.split("|")[0] for row in desk.invoices()] == ["cancelled"]
    assert desk.sales()[0].startswith("done|")
    assert isinstance(erp.post(posting), AlreadyDone)


def test_a_cancel_that_loses_every_answer_once_still_takes_the_sale_off_once(erp: Line, desk: Desk, proxy: Proxy) -> None:
    erp.post(desk.posting("order.create", desk.order()))
    posting = desk.posting("order.cancel", desk.order(status="cancelled"))

    outcome, lost = lose_every_answer(erp, posting, proxy)

    assert isinstance(outcome, AlreadyDone)
    assert lost == 4
    assert erp.find(posting) == outcome
    assert desk.parcels() == []


def test_an_order_without_a_charge_reference_uses_the_charge_product(erp: Line, desk: Desk) -> None:
    order = desk.order(charges=(Charge(code="gift-wrap", price=Decimal("2.50"), discount=Decimal("0.50")),))

    assert isinstance(erp.post(desk.posting("order.create", order)), Done)

    assert desk.lines()[-1] == "charge:gift-wrap|SHIPPING|1|2.00|0"
