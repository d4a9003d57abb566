"""Verdicts, destinations, classes and topology: the pure decisions of a document's way."""

import hashlib
from itertools import permutations

import pytest

from canonical.kinds import read_document
from config.fleet import ClassRule, Route
from config.topology import load_topology
from routing import names
from routing.classes import class_of_document, class_of_method
from routing.destinations import operation_of, targets_of
from routing.topology import build_topology
from routing.verdict import Verdict, digest_of, judge
from tests.documents import a_return, a_shipment, an_order, at


@pytest.mark.parametrize("arrival", list(permutations([0, 1, 2, 3])))
def test_the_newest_state_wins_whatever_the_order_of_arrival(arrival: tuple[int, ...]) -> None:
    version, as_of, digest, note = 0, None, None, ""
    for moment in arrival:
        told = an_order(told_at=moment, note=f"state {moment}")
        if judge(version, as_of, digest, told.as_of, digest_of(told.model_dump_json())) in ("first", "newer"):
            version, as_of, digest, note = version + 1, told.as_of, digest_of(told.model_dump_json()), told.note or ""

    assert note == "state 3"


def test_the_same_content_told_later_is_no_new_state() -> None:
    first, again = an_order(told_at=0), an_order(told_at=60)

    assert judge(1, first.as_of, digest_of(first.model_dump_json()), again.as_of, digest_of(again.model_dump_json())) == "same"


@pytest.mark.parametrize(
    ("verdict", "status", "known", "expected"),
    [
        ("first", "open", "expected", "order.create"),
        ("first", "cancelled", "expected", None),
        ("newer", "open", "open", "order.update"),
        ("newer", "cancelled", "open", "order.cancel"),
        ("newer", "cancelled", "cancelled", None),
    ],
)
def test_an_orders_states_ask_for_the_right_effect(verdict: Verdict, status: str, known: str, expected: str | None) -> None:
    assert operation_of(an_order(status=status), verdict, known) == expected


def test_a_cancelled_shipment_that_was_never_posted_asks_for_nothing() -> None:
    assert operation_of(a_shipment(status="cancelled"), "first", "expected") is None
    assert operation_of(a_shipment(), "first", "expected") == "shipment.create"
    assert operation_of(a_return(), "first", "expected") == "return.create"


def test_a_document_goes_to_every_matching_target_once() -> None:
    routes = (
        Route(target="a", sources=("shop*",)),
        Route(target="b", kinds=("return",)),
        Route(target="a"),
        Route(target="c", sources=("other",)),
    )

    assert targets_of(routes, an_order(), an_order()) == ("a",)
    assert targets_of(routes, a_return(), an_order()) == ("a", "b")


def test_a_test_order_goes_only_where_test_orders_go() -> None:
    routes = (Route(target="books"), Route(target="rehearsal", test_orders=True))
    rehearsed = an_order(test=True)

    assert targets_of(routes, rehearsed, rehearsed) == ("rehearsal",)
    assert targets_of(routes, a_shipment(), rehearsed) == ("rehearsal",)
    assert targets_of(routes, a_shipment(), an_order()) == ("books", "rehearsal")


def test_a_shipment_takes_the_class_its_order_earns() -> None:
    rules = (ClassRule.model_validate({"class": "high", "shipping_methods": ["express"]}),)
    express = an_order(shipping_method="DHL Express")

    assert class_of_document(rules, express, express, "normal", at(0)) == "high"
    assert class_of_document(rules, a_shipment(), express, "low", at(0)) == "high"
    assert class_of_document(rules, a_shipment(), an_order(), "low", at(0)) == "low"


def test_dear_orders_go_first() -> None:
    rules = (ClassRule.model_validate({"class": "high", "total_at_least": 500}),)

    assert class_of_document(rules, an_order(total="500.00"), None, "normal", at(0)) == "high"
    assert class_of_document(rules, an_order(total="499.99"), None, "normal", at(0)) == "normal"


def test_what_was_promised_for_soon_goes_first_and_what_was_not_does_not() -> None:
    rules = (ClassRule.model_validate({"class": "high", "promise_within_h": 24}),)
    tomorrow, next_week = (an_order(promised_by=at(hours * 3_600).isoformat()) for hours in (24, 168))

    assert class_of_document(rules, tomorrow, tomorrow, "normal", at(0)) == "high"
    assert class_of_document(rules, tomorrow, tomorrow, "normal", at(-1)) == "normal"
    assert class_of_document(rules, a_shipment(), tomorrow, "normal", at(30 * 3_600)) == "high"
    assert class_of_document(rules, next_week, next_week, "normal", at(0)) == "normal"
    assert class_of_document(rules, an_order(), an_order(), "normal", at(0)) == "normal"


def test_a_rule_may_ask_for_the_customers_tier_and_the_sales_channel_together() -> None:
    rules = (ClassRule.model_validate({"class": "high", "customer_tiers": ["Gold"], "channels": ["web*"]}),)
    told = {
        "gold on the web": ("gold", "Web-EU"),
        "silver": ("silver", "web"),
        "in the shop": ("gold", "pos"),
        "neither": (None, None),
    }

    found = {
        word: class_of_document(rules, order, order, "low", at(0))
        for word, (tier, channel) in told.items()
        for order in (an_order(customer_tier=tier, sales_channel=channel),)
    }

    assert found == {"gold on the web": "high", "silver": "low", "in the shop": "low", "neither": "low"}


def test_a_rule_that_asks_for_more_than_the_method_is_no_rule_for_a_glance_at_it() -> None:
    for more in ({"promise_within_h": 1}, {"customer_tiers": ["gold"]}, {"channels": ["web"]}, {"total_at_least": 1}):
        rule = ClassRule.model_validate({"class": "high", "shipping_methods": ["express"], **more})

        assert class_of_method([rule], "shopify", "Express", "normal") == "normal"


def test_the_content_of_an_order_that_tells_no_tier_promise_or_reason_reads_as_before_they_existed() -> None:
    plain, told = an_order(), an_order(customer_tier="gold", promised_by=at(0).isoformat())

    assert not {"customer_tier", "promised_by", "cancel_reason"} & plain.model_dump().keys()
    assert read_document(told.model_dump_json()) == told


def test_every_work_queue_is_quorum_limited_and_dead_letters_at_least_once() -> None:
    topology = build_topology(load_topology(), ["netsuite"])

    assert topology.work_queues == {names.queue(f, c) for f in topology.families for c in names.CLASSES}
    for queue in topology.queues:
        assert queue.arguments["x-queue-type"] == "quorum"
        if queue.name in topology.work_queues:
            assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
            assert queue.arguments["x-overflow"] == "reject-publish"
            assert queue.arguments["x-delivery-limit"] == load_topology().delivery_limit
            assert queue.arguments["x-dead-letter-routing-key"] in topology.dead_queues


@pytest.mark.parametrize("text", ["plain", '","as_of":"2026-01-01T00:00:00Z"', '{"schema_version":1,"', '\\"as_of\\":', "東京"])
def test_the_digest_is_that_of_the_document_without_its_version_and_time(text: str) -> None:
    for told in (an_order(text, note=text), a_shipment(text, carrier=text), a_return(text, reason=text)):
        content = told.model_dump_json(exclude={"as_of", "schema_version"})

        assert digest_of(told.model_dump_json()) == hashlib.sha256(content.encode()).hexdigest()
