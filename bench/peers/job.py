"""The job every peer does, without any queue: check the signature, read the order, shape it for the ERP."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

from bench.orders import SECRET

CREATE_TABLE = """
CREATE TABLE orders (
    order_key text PRIMARY KEY,
    status text NOT NULL,
    total text NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT now(),
    posted_at timestamptz
)
"""

CLAIM_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Order:
    """One order as the ERP wants it: the business key, the total for the ledger, the body to post."""

    key: str
    total: str
    body: bytes


def genuine(body: bytes, claimed: str) -> bool:
    """Whether the shop signed these raw bytes; compared in constant time."""
    expected = base64.b64encode(hmac.digest(SECRET, body, hashlib.sha256))
    return hmac.compare_digest(expected, claimed.encode())


def read(body: bytes) -> Order:
    """Read a webhook body. Raises ValueError or KeyError for one that is no order: that message belongs to the dead letters."""
    order = json.loads(body)
    key = str(order["id"])
    posting = {
        "externalId": key,
        "otherRefNum": order["name"],
        "email": order["email"],
        "tranDate": order["created_at"][:10],
        "currency": {"refName": order["currency"]},
        "shippingCost": order["total_shipping_price_set"]["shop_money"]["amount"],
        "item": {"items": [_line(line) for line in order["line_items"]]},
    }
    return Order(key, order["total_price"], json.dumps(posting).encode())


def _line(line: dict[str, str | int]) -> dict[str, object]:
    return {"item": {"externalId": line["sku"]}, "quantity": line["quantity"], "rate": line["price"]}


def express(body: bytes) -> bool:
    """Whether the order is to be shipped by express: its class, as the product's class rule reads it."""
    return any("express" in line["title"].lower() for line in json.loads(body)["shipping_lines"])


def posting_path(key: str) -> str:
    """Path of the upsert by external key."""
    return f"/services/rest/record/v1/salesOrder/eid:{key}"
