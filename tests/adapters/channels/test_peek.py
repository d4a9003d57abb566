"""A glance at the shipping method: what a channel sees without reading, and what its class follows from."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.base import Peeking
from adapters.channels.registry import CHANNELS
from adapters.channels.shopify.peek import MOST_BYTES, shipping_method_in
from config.fleet import ClassRule
from routing.classes import class_of_method
from tests.adapters.channels.requests import OWN as FIXTURES

EXPRESS = [{"id": 1, "code": "EXP", "title": "DHL Express", "price": "9.90"}]
RULE = ClassRule.model_validate({"class": "high", "shipping_methods": ["express"]})


def _peek(channel: str, topic: str, body: bytes) -> str | None:
    peeking = CHANNELS[channel]
    assert isinstance(peeking, Peeking)
    return peeking.peek(topic, body)


def _order(**changed: Any) -> bytes:
    told = json.loads((FIXTURES / "shopify_order.json").read_text())
    return json.dumps(told | changed).encode()


def test_the_shipping_line_of_a_whole_shopify_order_is_seen() -> None:
    assert _peek("shopify", "orders/create", _order(shipping_lines=EXPRESS)) == "EXP DHL Express"


@pytest.mark.parametrize(
    "changed", [{"shipping_lines": []}, {"note": '"shipping_lines":[{"title":"Express"}]', "shipping_lines": []}]
)
def test_no_line_and_a_text_that_looks_like_one_are_no_method(changed: dict[str, Any]) -> None:
    assert _peek("shopify", "orders/create", _order(**changed)) is None


def test_only_orders_are_looked_at() -> None:
    assert _peek("shopify", "refunds/create", _order(shipping_lines=EXPRESS)) is None
    assert _peek("open", "return.upserted", b'{"type":"return.upserted","data":{"shipping_method":"Express"}}') is None


def test_the_method_of_an_open_order_is_seen() -> None:
    body = (FIXTURES / "open_order.json").read_bytes()
    told = json.loads(body)
    told["data"]["shipping_method"] = "Next Day"

    assert _peek("open", told["type"], json.dumps(told).encode()) == "Next Day"


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_bytes_make_it_raise(before: bytes, after: bytes) -> None:
    for body in (before + b'"shipping_lines"' + after, b'"shipping_method":"' + after):
        _peek("shopify", "orders/create", body)
        _peek("open", "order.upserted", body)


def test_it_looks_no_further_than_its_bound() -> None:
    far = b'{"shipping_lines":[' + b" " * MOST_BYTES + b'{"title":"Express"}]}'

    assert shipping_method_in(far) is None


def test_a_seen_method_gives_the_class_of_the_rule_that_asks_for_nothing_else() -> None:
    dear = ClassRule.model_validate({"class": "low", "shipping_methods": ["express"], "total_at_least": 500})
    returns = ClassRule.model_validate({"class": "low", "shipping_methods": ["express"], "kinds": ["return"]})
    other = ClassRule.model_validate({"class": "low", "shipping_methods": ["express"], "sources": ["portal"]})

    assert class_of_method([dear, returns, other, RULE], "shop", "DHL EXPRESS", "normal") == "high"
    assert class_of_method([dear, returns, other, RULE], "shop", "Parcel", "normal") == "normal"
