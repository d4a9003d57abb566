"""Makes the benches' webhooks: signed, 5 KB, order bodies in the shape a Shopify shop sends, each with its own number."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass

SECRET = b"bench-signing-key"
SHOP = "bench-shop.example"
BODY_BYTES = 5_000
FIRST_ID = 7_000_000_000_000
"""Ids have thirteen digits, whatever their number is: a body stays equally long, and an id is found in it by its bytes."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request as the shop sends it: ``headers`` are complete but for the host and the length."""

    order_id: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def order_id(number: int) -> int:
    """Order id of the n-th order of a run: ``order_id(3) == 7000000000003``."""
    return FIRST_ID + number


def webhooks(first: int, count: int, *, express: bool = False, currency: str = "EUR") -> Iterator[Webhook]:
    """Yield the webhooks of ``count`` orders beginning with number ``first``, made one by one to keep memory small.

    ``express`` orders carry a shipping line that the fleet file's class rule, and the peers' intake, put in the first class.
    """
    template = _template().replace(b"EUR", currency.encode())
    if express:
        template = template.replace(b'"title":"Parcel"', b'"title":"Express"')
    mark = str(FIRST_ID).encode()
    for number in range(first, first + count):
        oid = order_id(number)
        yield _signed(oid, template.replace(mark, str(oid).encode()))


def signature(body: bytes) -> str:
    """Signature of a body: base64 of HMAC-SHA256 over the raw bytes, as Shopify documents it for webhooks."""
    return base64.b64encode(hmac.digest(SECRET, body, hashlib.sha256)).decode()


def _signed(oid: int, body: bytes) -> Webhook:
    headers = (
        ("Content-Type", "application/json"),
        ("X-Shopify-Topic", "orders/create"),
        ("X-Shopify-Shop-Domain", SHOP),
        ("X-Shopify-API-Version", "2026-07"),
        ("X-Shopify-Webhook-Id", f"wh-{oid}"),
        ("X-Shopify-Event-Id", f"ev-{oid}"),
        ("X-Shopify-Triggered-At", "2026-11-20T09:00:00Z"),
        ("X-Shopify-Hmac-Sha256", signature(body)),
    )
    return Webhook(oid, headers, body)


def _template() -> bytes:
    order = _order()
    short = BODY_BYTES - len(_compact({**order, "note": ""}))
    return _compact({**order, "note": "Leave at the side door. " * (short // 24) + "." * (short % 24)})


def _compact(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _order() -> dict[str, object]:
    lines = [_line(n) for n in range(1, 5)]
    return {
        "id": FIRST_ID,
        "admin_graphql_api_id": f"gid://shopify/Order/{FIRST_ID}",
        "name": f"#B{FIRST_ID}",
        "order_number": FIRST_ID,
        "email": "buyer@example.com",
        "created_at": "2026-11-20T10:00:00+01:00",
        "updated_at": "2026-11-20T10:00:00+01:00",
        "processed_at": "2026-11-20T10:00:00+01:00",
        "cancelled_at": None,
        "closed_at": None,
        "currency": "EUR",
        "presentment_currency": "EUR",
        "financial_status": "paid",
        "fulfillment_status": None,
        "source_name": "web",
        "taxes_included": False,
        "test": False,
        "tags": "",
        "total_line_items_price": "170.00",
        "total_discounts": "0.00",
        "subtotal_price": "170.00",
        "total_tax": "32.30",
        "total_price": "208.20",
        "current_total_price": "208.20",
        "total_shipping_price_set": _both("5.90"),
        "total_price_set": _both("208.20"),
        "tax_lines": [{"title": "VAT", "rate": 0.19, "price": "32.30", "price_set": _both("32.30")}],
        "discount_codes": [],
        "discount_applications": [],
        "payment_gateway_names": ["card"],
        "customer": _customer(),
        "billing_address": _address(),
        "shipping_address": _address(),
        "shipping_lines": [_parcel()],
        "line_items": lines,
        "fulfillments": [],
        "refunds": [],
    }


def _line(n: int) -> dict[str, object]:
    return {
        "id": 9000 + n, "admin_graphql_api_id": f"gid://shopify/LineItem/{9000 + n}", "product_id": 500 + n,
        "variant_id": 700 + n, "sku": f"BENCH-{n:03d}", "title": f"Bench article {n}", "variant_title": "", "vendor": "Bench",
        "quantity": n, "current_quantity": n, "fulfillable_quantity": n, "fulfillment_status": None, "grams": 250,
        "price": "17.00", "price_set": _both("17.00"), "total_discount": "0.00", "discount_allocations": [],
        "requires_shipping": True, "taxable": True, "gift_card": False, "properties": [],
        "tax_lines": [{"title": "VAT", "rate": 0.19, "price": f"{3.23 * n:.2f}"}],
    }  # fmt: skip


def _parcel() -> dict[str, object]:
    return {
        "id": 61, "title": "Parcel", "code": "parcel", "price": "5.90", "price_set": _both("5.90"), "discounted_price": "5.90",
        "tax_lines": [],
    }  # fmt: skip


def _both(amount: str) -> dict[str, object]:
    money = {"amount": amount, "currency_code": "EUR"}
    return {"shop_money": money, "presentment_money": money}


def _address() -> dict[str, object]:
    return {
        "first_name": "Bea", "last_name": "Bench", "company": None, "address1": "Mill Lane 1", "address2": None,
        "city": "Bremen", "zip": "28195", "province": None, "country": "Germany", "country_code": "DE", "phone": None,
    }  # fmt: skip


def _customer() -> dict[str, object]:
    return {"id": 42, "email": "buyer@example.com", "first_name": "Bea", "last_name": "Bench", "tags": "", "currency": "EUR"}
