"""The sandbox's record API: what is recorded of the vendor holds, and what it must refuse it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.workers.sandbox_account import ORDER, Account

FIXTURES = Path(__file__).parents[2] / ".." / "shared" / "fixtures" / "erp" / "netsuite"
recorded = pytest.mark.skipif(not FIXTURES.is_dir(), reason="the recorded vendor answers are not here")


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "log.jsonl")


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


def shape(told: Any) -> Any:
    return {k: v for k, v in told.items() if k != "o:errorDetails"}


def shipped_order(account: Account, key: str = "A1") -> str:
    order = account.call("PUT", f"salesOrder/eid:{key}", ORDER).id
    body = {"externalId": f"F-{key}", "shipStatus": "C"}
    assert account.call("POST", f"salesOrder/{order}/!transform/itemFulfillment", body).status == 204
    return order


@recorded
def test_errors_are_the_recorded_ones(account: Account) -> None:
    wrong_item = ORDER | {"item": {"items": [{"item": {"id": 9999}}]}}
    asked = {
        "400-INVALID_CONTENT": account.call("POST", "salesOrder", wrong_item),
        "400-INVALID_REQUEST": account.call("POST", "salesOrder", b'{"entity":'),
        "401-INVALID_LOGIN": account.call("GET", "salesOrder/1", authorization="Bearer wrong"),
        "404-NONEXISTENT_ID": account.call("GET", "salesOrder/eid:none"),
    }
    account.app.gate.busy = 15
    asked["429-CONCURRENCY_LIMIT_EXCEEDED"] = account.call("GET", "salesOrder/1")
    for name, reply in asked.items():
        assert reply.json == fixture(f"errors/{name}.json"), name
        assert reply.status == reply.json["status"]


@recorded
def test_unexpected_error_is_the_recorded_one_and_commits_nothing(account: Account) -> None:
    account.arm(kind="error_500", next=1)

    reply = account.call("PUT", "salesOrder/eid:A", ORDER)

    want = fixture("errors/500-UNEXPECTED_ERROR.json")
    assert shape(reply.json) == shape(want)
    assert reply.code == "UNEXPECTED_ERROR"
    assert account.call("GET", "salesOrder/eid:A").status == 404


@recorded
@pytest.mark.parametrize("case", ["1-create-your-sales-order.2", "1-create-your-sales-order.3", "5-approve-sales-order.1"])
def test_tutorial_orders_are_taken(account: Account, case: str) -> None:
    assert account.call("POST", "salesOrder", fixture(f"tutorial/case-{case}.json")).status == 204


@recorded
@pytest.mark.parametrize("n", [1, 2])
def test_tutorial_promotion_and_discount_orders_are_taken(account: Account, n: int) -> None:
    assert account.call("POST", "salesOrder", fixture(f"tutorial/case-2-apply-promotion-to-sales-order.{n}.json")).status == 204


@recorded
def test_tutorial_patches_and_recorded_fulfilment_and_return_and_customer_are_taken(account: Account) -> None:
    three = ORDER | {"item": {"items": [{"item": 98, "quantity": 1}] * 3}}
    order = account.call("POST", "salesOrder", three).id

    assert account.call("PATCH", f"salesOrder/{order}", fixture("tutorial/case-4-update-sales-order.2.json")).status == 204
    fulfil = fixture("tutorial/case-6-fulfill-sales-order.1.json")
    assert account.call("POST", f"salesOrder/{order}/!transform/itemFulfillment", fulfil).status == 204
    assert account.call("PATCH", f"salesOrder/{order}", fixture("tutorial/case-4-update-sales-order.1.json")).status == 204
    back = fixture("returnAuthorization.create.json")
    assert account.call("POST", "returnAuthorization", back | {"discountTotal": 1.0}).status == 204
    customer = fixture("customer.upsert.json")
    assert account.call("PUT", "customer/eid:CID002", customer).headers["warning"].endswith('_request"')


@recorded
def test_an_order_shows_the_recorded_fields(account: Account) -> None:
    want = fixture("tutorial/case-3-retrieve-sales-order.1.json")
    order = account.call("POST", "salesOrder", fixture("tutorial/case-1-create-your-sales-order.2.json")).id

    shown = account.call("GET", f"salesOrder/{order}").json

    for name in ("links", "entity", "item", "id", "subtotal", "total", "taxTotal", "discountTotal", "createdDate", "tranId"):
        assert type(shown[name]) is type(want[name]), name
    assert (shown["subtotal"], shown["total"]) == (want["subtotal"], want["total"])
    assert shown["orderStatus"]["id"] == want["orderStatus"]


def test_upsert_inserts_once_and_a_repeat_changes_nothing(account: Account) -> None:
    first = account.call("PUT", "salesOrder/eid:A1?replace=item", ORDER)
    second = account.call("PUT", "salesOrder/eid:A1?replace=item", ORDER)

    assert (first.status, second.status, first.id) == (204, 204, second.id)
    assert [(e.committed, e.replayed) for e in account.log()] == [(True, False), (False, True)]


def test_a_blind_repeat_without_replace_doubles_the_lines(account: Account) -> None:
    account.call("PUT", "salesOrder/eid:A1", ORDER)
    account.call("PUT", "salesOrder/eid:A1", ORDER)

    assert account.log()[-1].quantity == "10"
    assert account.call("GET", "salesOrder/eid:A1/item").json["totalResults"] == 4


def test_line_numbers_are_not_consecutive_and_survive_changes(account: Account) -> None:
    account.call("PUT", "salesOrder/eid:A1", ORDER)
    account.call("PATCH", "salesOrder/eid:A1", {"item": {"items": [{"line": 4, "quantity": 5}, {"item": 502}]}})

    lines = account.call("GET", "salesOrder/eid:A1/item").json["items"]

    assert [(line["line"], line["quantity"]) for line in lines] == [(1, 2), (4, 5), (5, 1)]


def test_unknown_names_warn_or_fail_as_asked(account: Account) -> None:
    body = ORDER | {"memmo": "x"}

    assert "memmo" in account.call("PUT", "salesOrder/eid:A1", body).headers["warning"]
    strict = account.call("PUT", "salesOrder/eid:A2", body, X_NetSuite_PropertyNameValidation="error")
    assert (strict.status, strict.code) == (400, "INVALID_CONTENT")
    assert strict.json["o:errorDetails"][0]["o:errorPath"] == "memmo"


@pytest.mark.parametrize(
    "change",
    [
        {"entity": {"id": "1"}},
        {"entity": None},
        {"location": 99},
        {"item": {"items": []}},
        {"item": {"items": [{"item": 98, "quantity": "two"}]}},
        {"item": {"items": [{"item": 98, "quantity": -1}]}},
        {"item": {"items": [{"item": 98, "amount": "1e400"}]}},
        {"item": {"items": [{"item": 98, "taxCode": 77}]}},
        {"item": [1]},
        {"tranDate": "2026-02-31"},
        {"orderStatus": "Z"},
        {"externalId": "a|b"},
        {"taxDetailsOverride": True, "taxDetails": {"items": [{"taxDetailsReference": "x", "taxAmount": 1}]}},
    ],
)
def test_a_wrong_value_is_refused_and_nothing_kept(account: Account, change: dict[str, Any]) -> None:
    reply = account.call("POST", "salesOrder", ORDER | change)

    assert (reply.status, reply.code) == (400, "INVALID_CONTENT")
    assert len(account.app.account.store) == 0
    assert not account.log()[-1].committed


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"a": NaN}', b"[" * 10000, b"\xff\xfe"])
def test_malformed_json_is_an_invalid_request(account: Account, body: bytes) -> None:
    assert account.call("POST", "salesOrder", body).code == "INVALID_REQUEST"


def test_totals_are_exact(account: Account) -> None:
    lines = [{"item": 98, "quantity": 3, "rate": "0.335", "taxCode": 1}, {"item": 501, "amount": "10.05", "taxRate1": "7"}]
    body = ORDER | {"shippingCost": "4.99", "discountItem": 99, "discountRate": "-10%", "item": {"items": lines}}

    account.call("PUT", "salesOrder/eid:A1", body)

    # 1.01 + 10.05, ten per cent off (1.11), taxes 0.20 + 0.70, shipping 4.99
    assert account.log()[-1].total == "15.84"


def test_tax_details_override_what_the_codes_say(account: Account) -> None:
    line = {"item": 98, "quantity": 1, "rate": 100, "taxCode": 1, "taxDetailsReference": "L1"}
    taxes = {"items": [{"taxDetailsReference": "L1", "taxCode": 7, "taxRate": 8.875, "taxAmount": "8.88"}]}

    account.call("PUT", "salesOrder/eid:A1", ORDER | {"item": {"items": [line]}, "taxDetailsOverride": True, "taxDetails": taxes})

    assert account.log()[-1].total == "108.88"


def test_a_fulfilment_takes_what_is_left_unless_told_and_never_more(account: Account) -> None:
    order = account.call("PUT", "salesOrder/eid:A1", ORDER).id
    way = f"salesOrder/{order}/!transform/itemFulfillment"

    one = {"externalId": "F1", "shipStatus": "C", "item": {"items": [{"orderLine": 1, "quantity": 1, "location": 6}]}}
    assert account.call("POST", f"{way}?replace=item", one).status == 204
    assert account.call("GET", f"salesOrder/{order}").json["orderStatus"]["id"] == "D"
    too_much = account.call("POST", way, {"item": {"items": [{"orderLine": 1, "quantity": 2}]}})
    assert (too_much.code, too_much.json["o:errorDetails"][0]["o:errorPath"]) == ("INVALID_CONTENT", "item.items[0].quantity")
    assert account.call("POST", way, {"externalId": "F1"}).status == 400
    assert account.call("POST", way, {"externalId": "F2", "shipStatus": "C"}).status == 204
    assert account.call("GET", f"salesOrder/{order}").json["orderStatus"]["id"] == "F"
    assert [e.quantity for e in account.log() if e.record == "itemFulfillment" and e.committed] == ["1", "4"]


def test_a_picked_fulfilment_ships_later(account: Account) -> None:
    order = account.call("PUT", "salesOrder/eid:A1", ORDER).id
    account.call("POST", f"salesOrder/{order}/!transform/itemFulfillment", {"externalId": "F1"})
    assert account.call("GET", f"salesOrder/{order}").json["orderStatus"]["id"] == "B"

    assert account.call("PATCH", "itemFulfillment/eid:F1", {"shipStatus": {"id": "C"}}).status == 204

    assert account.call("GET", f"salesOrder/{order}").json["orderStatus"]["id"] == "F"


def test_nothing_ships_before_approval(account: Account) -> None:
    order = account.call("PUT", "salesOrder/eid:A1", ORDER | {"orderStatus": "A"}).id

    assert account.call("POST", f"salesOrder/{order}/!transform/itemFulfillment", {}).code == "INVALID_CONTENT"
    assert account.call("PATCH", f"salesOrder/{order}", {"orderStatus": "C"}).status == 204
    assert account.call("PATCH", f"salesOrder/{order}", {"orderStatus": "B"}).status == 400


def test_an_order_whose_lines_are_closed_is_closed(account: Account) -> None:
    order = account.call("PUT", "salesOrder/eid:A1", ORDER).id

    account.call(
        "PATCH", f"salesOrder/{order}", {"item": {"items": [{"line": 1, "isclosed": True}, {"line": 4, "isClosed": True}]}}
    )

    assert account.call("GET", f"salesOrder/{order}").json["orderStatus"]["id"] == "H"
    assert account.call("POST", f"salesOrder/{order}/!transform/itemFulfillment", {}).status == 400


def test_a_return_is_received_and_credited_and_never_more_than_shipped(account: Account) -> None:
    order = shipped_order(account)
    way = f"salesOrder/{order}/!transform/returnAuthorization"
    body = {
        "externalId": "R1",
        "orderStatus": "B",
        "item": {"items": [{"orderLine": 1, "quantity": 2}, {"orderLine": 4, "quantity": 0}]},
    }

    back = account.call("POST", way, body).id
    assert account.call("POST", way, {"item": {"items": [{"orderLine": 1, "quantity": 1}]}}).status == 400
    receipt = {"externalId": "IR1", "item": {"items": [{"orderLine": 1, "quantity": 2, "location": 6}]}}
    assert account.call("POST", f"returnAuthorization/{back}/!transform/itemReceipt", receipt).status == 204
    assert account.call("POST", f"returnAuthorization/{back}/!transform/creditMemo", {"externalId": "C1"}).status == 204

    credit = account.call("GET", "creditMemo/eid:C1?expandSubResources=true").json
    assert (credit["total"], credit["item"]["items"][0]["orderLine"]) == (20, 1)
    assert account.call("GET", f"returnAuthorization/{back}").json["orderStatus"]["id"] == "G"
    assert account.call("POST", f"returnAuthorization/{back}/!transform/creditMemo", {"externalId": "C2"}).status == 400


def test_a_fulfilment_is_never_made_by_its_key(account: Account) -> None:
    assert account.call("PUT", "itemFulfillment/eid:F1", {"memo": "x"}).status == 400


def test_a_taken_external_id_is_refused(account: Account) -> None:
    account.call("POST", "salesOrder", ORDER | {"externalId": "A1"})

    again = account.call("POST", "salesOrder", ORDER | {"externalId": "A1"})

    assert (again.status, again.code) == (400, "USER_ERROR")
    assert "already exists" in again.json["o:errorDetails"][0]["detail"]


def test_suiteql_finds_by_external_id_and_answers_nothing_else(account: Account) -> None:
    order = account.call("PUT", "salesOrder/eid:A'1", ORDER).id
    where, query = "/services/rest/query/v1/suiteql", "SELECT id, externalid, tranid FROM transaction WHERE externalid = "

    found = account.call("POST", where, {"q": f"{query}'A''1'"}, Prefer="transient").json
    assert [row["id"] for row in found["items"]] == [order]
    assert account.call("POST", where, {"q": f"{query}'none'"}, Prefer="transient").json["count"] == 0
    assert account.call("POST", where, {"q": "SELECT * FROM transaction"}, Prefer="transient").status == 400
    assert account.call("POST", where, {"q": f"{query}'none'"}).status == 400


def test_the_catalogue_and_its_items_agree(account: Account) -> None:
    told = account.call("GET", "/sandbox/catalogue").json

    item = account.call("GET", "inventoryItem/eid:SKU-0200").json
    assert told["item"]["SKU-0200"] == item["id"] == "700"
    assert {"charge", "customer", "location", "tax", "currency"} <= told.keys()
    assert account.call("GET", "inventoryItem/eid:none").status == 404
