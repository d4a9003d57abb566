"""How Shopify's requests are told apart and proved."""

from dataclasses import replace

import pytest

from adapters.channels.base import Identity, Inbound
from adapters.channels.registry import CHANNELS
from tests.adapters.channels.requests import NOW, SECRETS, sent, shopify_headers

BODY = b'{"id": 1}'


def identity(*headers: tuple[str, str]) -> Identity:
    found = CHANNELS["shopify"].identify(Inbound("s", headers, BODY, NOW))
    assert isinstance(found, Identity)
    return found


@pytest.mark.parametrize(
    ("topic", "domain"),
    [
        ("orders/create", "orders"),
        ("orders/updated", "orders"),
        ("orders/cancelled", "orders"),
        ("fulfillments/create", "shipments"),
        ("fulfillments/update", "shipments"),
        ("fulfillment_events/create", "shipments"),
        ("refunds/create", "returns"),
        ("products/update", None),
        ("customers/redact", None),
    ],
)
def test_topics_belong_to_domains_and_others_are_kept(topic: str, domain: str | None) -> None:
    assert identity(("x-shopify-topic", topic), ("x-shopify-event-id", "e")).domain == domain


def test_two_subscriptions_to_one_event_share_its_key() -> None:
    first = shopify_headers(BODY, b"k", event="e")
    second = [(name, "other" if name == "x-shopify-webhook-id" else value) for name, value in first]

    assert identity(*first) == identity(*second)


def test_one_event_told_under_two_topics_or_by_two_shops_is_two_events() -> None:
    base = shopify_headers(BODY, b"k")
    topic = [(name, "orders/updated" if name == "x-shopify-topic" else value) for name, value in base]
    shop = [(name, "b.myshopify.com" if name == "x-shopify-shop-domain" else value) for name, value in base]

    assert len({identity(*headers).event_key for headers in (base, topic, shop)}) == 3


def test_without_event_id_the_webhook_id_serves_and_without_both_the_body() -> None:
    topic = ("x-shopify-topic", "orders/create")

    assert identity(topic, ("x-shopify-webhook-id", "w")).event_key.endswith("/w")
    assert identity(topic) == identity(topic)
    other = CHANNELS["shopify"].identify(Inbound("s", [topic], b'{"id": 2}', NOW))
    assert other != identity(topic)


def test_a_request_without_topic_is_kept() -> None:
    assert identity(("x-shopify-event-id", "e")) == Identity("?/unknown/e", "unknown", None)


def test_a_signature_with_a_newline_at_its_end_passes() -> None:
    request = sent("shopify")

    assert CHANNELS["shopify"].verify(request.with_signature(request.signature + "\n"), (SECRETS["shopify"],), NOW) is None


def test_a_signature_of_another_length_is_refused_even_if_it_begins_right() -> None:
    request = sent("shopify")
    short = replace(request.request, headers=[("x-shopify-hmac-sha256", request.signature[:40])])

    assert CHANNELS["shopify"].verify(short, (SECRETS["shopify"],), NOW) is not None
