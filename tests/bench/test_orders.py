"""The benches' webhooks are what a shop would send: signed, 5 KB, each with its own number."""

import json

from bench.orders import BODY_BYTES, order_id, signature, webhooks
from bench.peers.job import genuine, read


def test_every_body_has_five_kilobytes_and_its_own_order_id() -> None:
    made = list(webhooks(3, 4))

    assert [len(one.body) for one in made] == [BODY_BYTES] * 4
    assert [json.loads(one.body)["id"] for one in made] == [order_id(number) for number in range(3, 7)]


def test_a_body_carries_the_signature_of_its_raw_bytes() -> None:
    (one,) = webhooks(0, 1)
    claimed = dict(one.headers)["X-Shopify-Hmac-Sha256"]

    assert claimed == signature(one.body)
    assert genuine(one.body, claimed)
    assert not genuine(one.body + b" ", claimed)


def test_the_peers_read_a_webhook_into_one_posting_with_its_lines() -> None:
    (one,) = webhooks(5, 1)

    order = read(one.body)

    assert order.key == str(order_id(5))
    assert len(json.loads(order.body)["item"]["items"]) == 4
