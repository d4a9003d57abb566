"""Refunds in a real Tryton: a return sale, goods received, a credit note posted with the refund's total, once."""

from decimal import Decimal

import pytest

from adapters.erps.tryton.adapter import RETURN_PREFIX
from canonical.outcome import AlreadyDone, Done, Rejected
from canonical.returns import Return
from tests.adapters.erps.tryton.conftest import Line, lose_every_answer
from tests.adapters.erps.tryton.documents import Desk, back
from tests.proxy import Proxy

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("tryton"), pytest.mark.timeout(600)]


@pytest.fixture
def shipped(erp: Line, desk: Desk) -> Desk:
    """The order of 3 x L1 and 1 x L2, all of it shipped."""
    assert isinstance(erp.post(desk.posting("order.create", desk.order())), Done)
    assert isinstance(erp.post(desk.posting("shipment.create", desk.shipment("f1", {"L1": 3, "L2": 1}))), Done)
    return desk


def _credit(desk: Desk) -> list[str]:
    return [row.split("|")[0] for row in desk.invoices(RETURN_PREFIX)]


def _refund(desk: Desk) -> Return:
    return desk.refund("r1", "10.68", (back("L1", 1, "9.89", "0.79"),))


def test_a_refund_becomes_a_return_with_goods_in_stock_and_a_posted_credit_note(erp: Line, shipped: Desk, proxy: Proxy) -> None:
    before = shipped.stock("SKU-0001")
    proxy.begin()

    outcome = erp.post(shipped.posting("return.create", _refund(shipped)))

    assert isinstance(outcome, Done)
    assert shipped.sales(RETURN_PREFIX) == ["processing|-10.68"]
    assert shipped.invoices(RETURN_PREFIX) == ["posted|-10.68"]
    assert shipped.stock("SKU-0001") - before == 1
    assert len(proxy.seen) == erp.calls("return.create")


def test_a_refund_posted_twice_is_one_return(erp: Line, shipped: Desk) -> None:
    posting = shipped.posting("return.create", _refund(shipped))
    first = erp.post(posting)

    assert isinstance(first, Done)
    assert erp.post(posting) == AlreadyDone(first.remote_id) == erp.find(posting)
    assert shipped.invoices(RETURN_PREFIX) == ["posted|-10.68"]


def test_a_refund_that_loses_every_answer_once_is_still_one_return(erp: Line, shipped: Desk, proxy: Proxy) -> None:
    before = shipped.stock("SKU-0001")
    posting = shipped.posting("return.create", _refund(shipped))

    outcome, lost = lose_every_answer(erp, posting, proxy)

    assert isinstance(outcome, AlreadyDone)
    assert lost == 6
    assert erp.find(posting) == outcome
    assert shipped.sales(RETURN_PREFIX) == ["processing|-10.68"]
    assert shipped.invoices(RETURN_PREFIX) == ["posted|-10.68"]
    assert shipped.stock("SKU-0001") - before == 1


def test_a_refund_not_restocked_credits_without_moving_goods(erp: Line, shipped: Desk) -> None:
    before = shipped.stock("SKU-0001")
    refund = shipped.refund("r1", "10.68", (back("L1", 1, "9.89", "0.79", restock=False),))

    assert isinstance(erp.post(shipped.posting("return.create", refund)), Done)

    assert shipped.stock("SKU-0001") == before
    assert shipped.invoices(RETURN_PREFIX) == ["posted|-10.68"]


def test_pieces_that_never_left_are_credited_and_not_received(erp: Line, desk: Desk) -> None:
    erp.post(desk.posting("order.create", desk.order()))
    erp.post(desk.posting("shipment.create", desk.shipment("f1", {"L1": 1})))
    before = desk.stock("SKU-0001")
    refund = desk.refund("r1", "32.04", (back("L1", 3, "29.67", "2.37"),))

    assert isinstance(erp.post(desk.posting("return.create", refund)), Done)

    assert desk.stock("SKU-0001") - before == 1
    assert desk.invoices(RETURN_PREFIX) == ["posted|-32.04"]


def test_shipping_and_adjustment_stand_on_lines_of_their_own(erp: Line, shipped: Desk) -> None:
    lines = (back("L1", 1, "9.89", "0.79"),)
    refund = shipped.refund("r1", "17.67", lines, shipping_refund=Decimal("4.99"), adjustment=Decimal("2.00"))

    assert isinstance(erp.post(shipped.posting("return.create", refund)), Done)

    assert shipped.invoices(RETURN_PREFIX) == ["posted|-17.67"]


def test_a_goodwill_refund_without_lines_is_a_credit_note_over_its_total(erp: Line, shipped: Desk) -> None:
    assert isinstance(erp.post(shipped.posting("return.create", shipped.refund("r1", "5.00"))), Done)

    assert shipped.invoices(RETURN_PREFIX) == ["posted|-5.00"]


def test_a_total_the_lines_do_not_explain_is_refunded_with_a_visible_difference(erp: Line, shipped: Desk) -> None:
    refund = shipped.refund("r1", "10.00", (back("L1", 1, "9.89", "0.79"),))

    assert isinstance(erp.post(shipped.posting("return.create", refund)), Done)

    assert shipped.invoices(RETURN_PREFIX) == ["posted|-10.00"]


def test_a_refund_without_tax_on_taxed_goods_is_posted_as_told(erp: Line, shipped: Desk) -> None:
    refund = shipped.refund("r1", "9.89", (back("L1", 1, "9.89"),))

    assert isinstance(erp.post(shipped.posting("return.create", refund)), Done)

    assert shipped.invoices(RETURN_PREFIX) == ["posted|-9.89"]


def test_a_refund_of_a_cancelled_order_has_nothing_to_give_back(erp: Line, desk: Desk) -> None:
    erp.post(desk.posting("order.create", desk.order()))
    erp.post(desk.posting("order.cancel", desk.order(status="cancelled")))

    outcome = erp.post(desk.posting("return.create", desk.refund("r1", "10.68", (back("L1", 1, "9.89", "0.79"),))))

    assert isinstance(outcome, AlreadyDone)
    assert desk.sales(RETURN_PREFIX) == []


def test_a_refund_before_its_order_is_refused_with_a_remedy(erp: Line, desk: Desk) -> None:
    outcome = erp.post(desk.posting("return.create", desk.refund("r1", "5.00")))

    assert isinstance(outcome, Rejected)
    assert outcome.code == "tryton.no_sale"
