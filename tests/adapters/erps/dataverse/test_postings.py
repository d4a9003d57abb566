"""What the Dataverse adapter makes of postings, by the environment's own log."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.erps.base import Account, References
from adapters.erps.dataverse.adapter import build_dataverse
from adapters.erps.options import Option
from canonical.outcome import Absent, AlreadyDone, Done, Rejected, Throttled, Unavailable, Uncertain
from tests.adapters.erps.dataverse.fixtures import OPTIONS, DataverseBench
from workers.sandbox.dataverse.service import PRODUCTS

GONE = "3f2504e0-4f89-41d3-9a0c-0305e82d9999"


def test_an_order_stands_with_the_total_that_the_customer_owes(dataverse_bench: DataverseBench) -> None:
    bench = dataverse_bench
    order = bench.order()

    assert isinstance(bench.post("order.create", order), Done)

    [entry] = bench.commits(order)
    assert Decimal(entry.total or 0) == order.total


def test_prices_that_hold_their_tax_come_to_the_same_total(dataverse_bench: DataverseBench) -> None:
    bench = dataverse_bench
    plain = bench.order()
    order = plain.model_copy(update={"prices_include_tax": True, "total": plain.total - plain.total_tax})

    assert isinstance(bench.post("order.create", order), Done)

    [entry] = bench.commits(order)
    assert Decimal(entry.total or 0) == order.total


def test_one_key_posted_by_many_at_once_makes_one_order(dataverse_bench: DataverseBench) -> None:
    bench = dataverse_bench
    order = bench.order()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: bench.post("order.create", order), range(8)))

    assert sum(isinstance(outcome, Done) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AlreadyDone) for outcome in outcomes) == 7
    assert len(bench.commits(order)) == 1


def test_a_change_that_broke_off_half_way_is_gone_through_again_without_a_double_line(dataverse_bench: DataverseBench) -> None:
    bench = dataverse_bench
    order = bench.order()
    bench.post("order.create", order)
    more = order.lines[1].model_copy(update={"key": "L3"})
    grown = order.model_copy(update={"lines": (*order.lines, more), "total": order.total + more.net + more.tax})
    bench.arm({"kind": "lost_answer", "operation": "salesorderdetails.post", "next": 1})

    assert isinstance(bench.post("order.update", grown, 2), Uncertain)
    assert bench.find("order.update", grown, 2) == Absent()
    assert isinstance(bench.post("order.update", grown, 2), Done)

    assert Decimal(bench.commits(grown)[-1].total or 0) == grown.total


def test_a_cancelled_order_takes_no_change(dataverse_bench: DataverseBench) -> None:
    bench = dataverse_bench
    order = bench.order()
    bench.post("order.create", order)
    assert isinstance(bench.post("order.cancel", bench.cancelled(order), 2), Done)

    outcome = bench.post("order.update", bench.changed(order), 3)

    assert isinstance(outcome, Rejected)


def test_a_product_that_is_not_there_is_refused_with_a_remedy(dataverse_bench: DataverseBench) -> None:
    bench = replace(dataverse_bench, references=References({"item": {"SKU-1": GONE, "SKU-2": GONE}}))
    order = bench.order()

    outcome = bench.post("order.create", order)

    assert isinstance(outcome, Rejected)
    assert outcome.code == "dataverse.reference"
    assert outcome.remedy
    assert bench.effects(order) == 0


def test_an_order_in_another_currency_than_the_price_list_is_refused(dataverse_bench: DataverseBench) -> None:
    bench = dataverse_bench
    order = bench.order(currency="EUR")

    outcome = bench.post("order.create", order)

    assert isinstance(outcome, Rejected)
    assert outcome.code == "dataverse.currency"
    assert bench.effects(order) == 0


def test_shipments_and_returns_are_refused_with_a_remedy_and_cost_no_request(dataverse_bench: DataverseBench) -> None:
    bench = dataverse_bench
    order = bench.order()
    shipment = bench.shipment(order)

    for outcome in (bench.post("shipment.create", shipment), bench.post("return.create", bench.refund(order, shipment))):
        assert isinstance(outcome, Rejected)
        assert "route" in outcome.remedy
        assert bench.spent == 0


def test_in_a_batch_each_order_stands_or_falls_alone(dataverse_bench: DataverseBench) -> None:
    bench = dataverse_bench
    there, good, last = bench.order(), bench.order(), bench.order()
    first = bench.post("order.create", there)
    unknown = last.lines[0].model_copy(update={"sku": "SKU-3"})
    no_such = replace(bench, references=References({"item": {"SKU-1": PRODUCTS[0], "SKU-2": PRODUCTS[1], "SKU-3": GONE}}))
    poisoned = last.model_copy(update={"lines": (unknown, *last.lines[1:])})
    foreign = bench.order(currency="EUR")

    outcomes = no_such.post_batch(there, poisoned, foreign, good)

    assert isinstance(first, Done)
    assert outcomes[0] == AlreadyDone(first.remote_id)
    assert [outcome.code for outcome in outcomes[1:3] if isinstance(outcome, Rejected)] == [
        "dataverse.reference",
        "dataverse.currency",
    ]
    assert isinstance(outcomes[3], Done)
    assert [bench.effects(order) for order in (there, poisoned, foreign, good)] == [1, 0, 0, 1]


def test_a_batch_that_is_refused_for_a_limit_leaves_every_order_to_be_tried_again(dataverse_bench: DataverseBench) -> None:
    bench = dataverse_bench
    bench.sandbox.control("PATCH", "limits", {"window_calls": 1, "window_s": 300})
    bench.find("order.create", bench.order())
    many = [bench.order() for _ in range(3)]

    outcomes = replace(bench).post_batch(*many)

    assert all(isinstance(outcome, Throttled) for outcome in outcomes)
    assert [bench.effects(order) for order in many] == [0, 0, 0]


def test_over_the_limits_the_wait_grows_with_every_further_request(dataverse_bench: DataverseBench) -> None:
    bench = dataverse_bench
    bench.sandbox.control("PATCH", "limits", {"window_calls": 1, "window_s": 300})
    bench.find("order.create", bench.order())

    # Each with a limiter of its own: one that has been told to wait would not ask again.
    waits = [replace(bench).find("order.create", bench.order()) for _ in range(3)]

    assert all(isinstance(finding, Throttled) for finding in waits)
    hints = [finding.retry_after_s for finding in waits if isinstance(finding, Throttled)]
    assert None not in hints
    assert hints == sorted(set(hints), key=lambda hint: hint or 0)


def test_a_token_is_fetched_once_and_renewed_when_it_is_refused(dataverse_bench: DataverseBench) -> None:
    bench = dataverse_bench
    login: dict[str, str | float | bool] = {"auth": "oauth2", "tenant": "contoso", "client_id": "app"}
    ours = replace(bench.with_options(**login, authority=bench.sandbox.url), secret="client-secret")

    assert isinstance(ours.post("order.create", ours.order()), Done)
    bench.sandbox.control("POST", "tokens/revoke")
    assert isinstance(ours.post("order.create", ours.order()), Done)
    wrong = replace(ours, secret="wrong")
    assert isinstance(wrong.post("order.create", ours.order()), Unavailable)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"guest_acount": "x"}, "did you mean 'guest_account'"),
        ({"auth": "oauth"}, "did you mean 'oauth2'"),
        ({"batch": 0}, "a whole number from 1 to 1000"),
        ({"auth": "oauth2"}, "client_id"),
        ({"unit": "piece"}, "GUID"),
        ({"key_column": "key"}, "prefix"),
        ({"addresses": "yes"}, "true or false"),
        ({"currency": ""}, "USD"),
        ({"cancel_status": "four"}, "whole number"),
    ],
)
def test_a_wrong_option_stops_the_boot_with_a_hint(options: dict[str, Option], said: str) -> None:
    told: dict[str, Option] = {**OPTIONS, **options}

    with pytest.raises(ValueError, match="dataverse") as raised:
        build_dataverse(Account("dv", "https://contoso.crm.example", "s", 600.0, 30.0, told))

    assert said in str(raised.value)
