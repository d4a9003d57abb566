"""Fulfilments in a real Tryton: exactly their pieces leave, once, under their key."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from canonical.outcome import Absent, AlreadyDone, Done, Rejected, Uncertain
from canonical.shipment import Shipment
from tests.adapters.erps.tryton.conftest import Line, lose_every_answer
from tests.adapters.erps.tryton.documents import Desk, line
from tests.proxy import Proxy
from tests.tryton_erp import TrytonErp

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("tryton"), pytest.mark.timeout(600)]


def _ship(erp: Line, desk: Desk, document: Shipment) -> Any:
    return erp.post(desk.posting("shipment.create", document))


@pytest.fixture
def sold(erp: Line, desk: Desk) -> Desk:
    """An order of 3 x L1 and 1 x L2 that Tryton waits to ship."""
    assert isinstance(erp.post(desk.posting("order.create", desk.order())), Done)
    return desk


def test_a_full_fulfilment_becomes_one_done_shipment_and_the_stock_moves(erp: Line, sold: Desk, proxy: Proxy) -> None:
    before = sold.stock("SKU-0001")
    proxy.begin()

    outcome = _ship(erp, sold, sold.shipment("f1", {"L1": 3, "L2": 1}))

    assert isinstance(outcome, Done)
    assert sold.parcels() == [f"{sold.reference('f1')}|done|4"]
    assert before - sold.stock("SKU-0001") == 3
    assert len(proxy.seen) == erp.calls("shipment.create")


def test_partial_fulfilments_ship_their_own_pieces_until_nothing_is_left(erp: Line, sold: Desk) -> None:
    assert isinstance(_ship(erp, sold, sold.shipment("f1", {"L1": 1})), Done)
    assert sold.parcels() == [f"{sold.reference('f1')}|done|1", "|waiting|3"]

    assert isinstance(_ship(erp, sold, sold.shipment("f2", {"L1": 1, "L2": 1})), Done)
    assert isinstance(_ship(erp, sold, sold.shipment("f3", {"L1": 1})), Done)

    keys = [sold.reference(f"f{n}") for n in (1, 2, 3)]
    assert sold.parcels() == [f"{keys[0]}|done|1", f"{keys[1]}|done|2", f"{keys[2]}|done|1"]


def test_a_fulfilment_posted_twice_ships_once(erp: Line, sold: Desk) -> None:
    document = sold.shipment("f1", {"L1": 2})
    first = _ship(erp, sold, document)

    assert _ship(erp, sold, document) == AlreadyDone(first.remote_id)
    assert erp.find(sold.posting("shipment.create", document)) == AlreadyDone(first.remote_id)
    assert sold.parcels() == [f"{sold.reference('f1')}|done|2", "|waiting|2"]


def test_a_partial_fulfilment_that_loses_every_answer_once_still_ships_once(erp: Line, sold: Desk, proxy: Proxy) -> None:
    before = sold.stock("SKU-0001")
    document = sold.shipment("f1", {"L1": 2}, tracking_numbers=("1Z999",), carrier="UPS")

    outcome, lost = lose_every_answer(erp, sold.posting("shipment.create", document), proxy)

    assert isinstance(outcome, AlreadyDone)
    assert lost == 8
    assert sold.parcels() == [f"{sold.reference('f1')}|done|2", "|waiting|2"]
    assert before - sold.stock("SKU-0001") == 2
    assert sold.notes() == ["Tracking UPS: 1Z999"]


def test_a_full_fulfilment_that_loses_every_answer_once_still_ships_once(erp: Line, sold: Desk, proxy: Proxy) -> None:
    posting = sold.posting("shipment.create", sold.shipment("f1", {"L1": 3, "L2": 1}))

    outcome, lost = lose_every_answer(erp, posting, proxy)

    assert isinstance(outcome, AlreadyDone)
    assert lost == 5
    assert sold.parcels() == [f"{sold.reference('f1')}|done|4"]


def test_a_fulfilment_whose_answer_was_lost_is_absent_until_its_chain_is_finished(erp: Line, sold: Desk, proxy: Proxy) -> None:
    posting = sold.posting("shipment.create", sold.shipment("f1", {"L1": 3, "L2": 1}))

    for lost, seen in ((2, Absent), (3, AlreadyDone)):
        proxy.begin({lost: "drop_answer_after_commit"}, changes_only=True)
        assert isinstance(erp.post(posting), Uncertain)
        assert isinstance(erp.find(posting), seen)


def test_the_same_fulfilment_posted_by_four_at_once_ships_once(erp: Line, sold: Desk) -> None:
    posting = sold.posting("shipment.create", sold.shipment("f1", {"L1": 3, "L2": 1}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: erp.post(posting), range(4)))

    assert isinstance(erp.post(posting), Done | AlreadyDone)
    assert sold.parcels() == [f"{sold.reference('f1')}|done|4"]


def test_pieces_of_a_split_line_ship_in_any_part(erp: Line, desk: Desk) -> None:
    order = desk.order((line("L1", "SKU-0004", 1000, "3.34", discount="6.67"),), charges=())
    erp.post(desk.posting("order.create", order))

    assert isinstance(_ship(erp, desk, desk.shipment("f1", {"L1": 700})), Done)
    assert isinstance(_ship(erp, desk, desk.shipment("f2", {"L1": 300})), Done)

    assert [row.split("|")[1:] for row in desk.parcels()] == [["done", "700"], ["done", "300"]]


def test_stock_that_is_missing_in_tryton_is_forced_because_the_goods_have_left(erp: Line, desk: Desk, tryton: TrytonErp) -> None:
    order = desk.order((line("L1", "SKU-0005", 1_000_000, "0.01"),), charges=())
    more = Desk(tryton, "more")
    erp.post(desk.posting("order.create", order))
    erp.post(more.posting("order.create", more.order((line("L1", "SKU-0005", 5, "1.00"),), charges=())))

    assert isinstance(_ship(erp, desk, desk.shipment("f1", {"L1": 1_000_000})), Done)
    assert isinstance(_ship(erp, more, more.shipment("f1", {"L1": 5})), Done)

    assert more.parcels() == [f"{more.reference('f1')}|done|5"]


def test_more_pieces_than_were_sold_are_refused(erp: Line, sold: Desk) -> None:
    outcome = _ship(erp, sold, sold.shipment("f1", {"L2": 2}))

    assert isinstance(outcome, Rejected)
    assert outcome.code == "tryton.nothing_left_to_ship"
    assert sold.parcels() == ["|waiting|4"]


def test_a_fulfilment_without_its_sale_is_refused_with_a_remedy(erp: Line, desk: Desk) -> None:
    outcome = _ship(erp, desk, desk.shipment("f1", {"L1": 1}))

    assert isinstance(outcome, Rejected)
    assert outcome.code == "tryton.no_sale"
    assert "retry" in outcome.remedy


def test_tracking_told_later_becomes_one_more_note(erp: Line, sold: Desk) -> None:
    _ship(erp, sold, sold.shipment("f1", {"L1": 3, "L2": 1}))
    later = sold.posting("shipment.update", sold.shipment("f1", {"L1": 3, "L2": 1}, tracking_numbers=("1Z1", "1Z2")))

    assert isinstance(erp.post(later), Done)
    assert isinstance(erp.post(later), Done)

    assert sold.notes() == ["Tracking: 1Z1, 1Z2"]


def test_an_update_of_the_cancelled_shipment_is_refused_while_the_user_may_not_cancel(erp: Line, sold: Desk) -> None:
    _ship(erp, sold, sold.shipment("f1", {"L1": 3, "L2": 1}))

    outcome = erp.post(sold.posting("shipment.update", sold.shipment("f1", {"L1": 3, "L2": 1}, status="cancelled")))

    assert isinstance(outcome, Rejected)
    assert outcome.code == "tryton.cannot_cancel"


def test_a_fulfilment_cancelled_on_its_way_gives_its_pieces_back_to_be_shipped(erp: Line, sold: Desk, proxy: Proxy) -> None:
    proxy.begin({7: "reset"}, changes_only=True)
    assert isinstance(_ship(erp, sold, sold.shipment("f1", {"L1": 3})), Uncertain)
    assert sold.parcels()[0] == f"{sold.reference('f1')}|packed|3"
    cancelled = sold.posting("shipment.update", sold.shipment("f1", {"L1": 3}, status="cancelled"))

    outcome, lost = lose_every_answer(erp, cancelled, proxy)

    assert isinstance(outcome, AlreadyDone)
    assert lost == 3
    proxy.begin()
    assert isinstance(_ship(erp, sold, sold.shipment("f2", {"L2": 1})), Done)
    assert isinstance(_ship(erp, sold, sold.shipment("f3", {"L1": 3})), Done)


def test_a_cancel_stops_what_has_not_left_and_keeps_the_invoice_of_what_has(erp: Line, sold: Desk) -> None:
    _ship(erp, sold, sold.shipment("f1", {"L1": 1}))
    cancel = sold.posting("order.cancel", sold.order(status="cancelled"))

    assert isinstance(erp.post(cancel), Done)
    assert isinstance(erp.post(cancel), AlreadyDone)

    assert sold.parcels() == [f"{sold.reference('f1')}|done|1"]
    assert [row.split("|")[0] for row in sold.invoices()] == ["draft"]
