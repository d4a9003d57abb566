"""How the open channel is proved and read, and that its published schema is the one in force."""

import base64
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from adapters.channels.base import Identity, Inbound, Parsed, Refused, Unreadable
from adapters.channels.open.envelope import open_channel_schema
from adapters.channels.registry import CHANNELS
from canonical.order import Order
from tests.adapters.channels.requests import NOW, OWN, ROOT, SECRETS, example, open_headers, parse, sent

PUBLISHED = ROOT / "docs" / "schemas" / "open-channel.schema.json"
EXAMPLES = [
    "open_order.json",
    "open_shipment.json",
    "open_return.json",
    "open_stock.json",
    "open_reservation.json",
    "open_milestone.json",
    "open_count.json",
    "open_settlement.json",
]
BODY = b'{"type": "order.upserted"}'


def payload(**data: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(example("open"))
    return found | {"data": found["data"] | data}


def fault(body: dict[str, Any]) -> Unreadable:
    answer = parse("open", body)
    assert isinstance(answer, Unreadable), answer
    return answer


def test_an_order_is_read_with_exact_amounts() -> None:
    answer = parse("open", example("open"))

    assert isinstance(answer, Parsed)
    (found,) = answer.documents
    assert isinstance(found, Order)
    assert (found.source, found.key, found.total) == ("open-eu", "B2B-77", Decimal("36.30"))
    assert (found.lines[0].unit_price, found.lines[0].discount) == (Decimal("0.1250"), Decimal("5.00"))
    assert found.lines[0].net + found.lines[0].tax + found.charges[0].net == found.total


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_read_and_fits_the_published_schema(name: str) -> None:
    body = json.loads((OWN / name).read_text())

    assert isinstance(parse("open", body), Parsed)
    Draft202012Validator(json.loads(PUBLISHED.read_text())).validate(body)


def test_the_published_schema_is_the_one_in_force() -> None:
    assert json.loads(PUBLISHED.read_text()) == open_channel_schema()
    Draft202012Validator.check_schema(open_channel_schema())


@pytest.mark.parametrize(
    "change", [{"source": "other"}, {"total": "12,50"}, {"total": "-1"}, {"lines": []}, {"surprise": 1}, {"currency": None}]
)
def test_what_is_refused_does_not_fit_the_schema_either(change: dict[str, Any]) -> None:
    body = payload(**change)

    assert isinstance(parse("open", body), Unreadable)
    assert not Draft202012Validator(open_channel_schema()).is_valid(body)


def test_a_claimed_source_is_refused() -> None:
    assert fault(payload(source="someone-else")).code == "source.claimed"


def test_a_fault_names_its_place() -> None:
    lines = payload()["data"]["lines"]
    lines[0]["quantity"] = 0

    answer = fault(payload(lines=lines))

    assert (answer.code, answer.path) == ("field.greater-than", "data.lines.0.quantity")


def test_an_unknown_field_is_refused_without_telling_its_name() -> None:
    answer = fault(payload(mail_of_ada_at_example=1))

    assert (answer.code, answer.path) == ("field.extra-forbidden", "data")


def test_a_time_without_zone_is_refused() -> None:
    assert "zone" in fault(payload(as_of="2026-07-01T12:00:00")).reason


def test_a_type_that_disagrees_with_its_document_is_refused() -> None:
    assert fault(payload() | {"type": "return.upserted"}).path.startswith("data")


@pytest.mark.parametrize("apart_s", [301, -301])
def test_a_request_signed_too_long_ago_or_ahead_is_refused(apart_s: int) -> None:
    headers = open_headers(BODY, SECRETS["open"], at=NOW + timedelta(seconds=apart_s))

    assert isinstance(CHANNELS["open"].verify(Inbound("s", headers, BODY, NOW), (SECRETS["open"],), NOW), Refused)


@pytest.mark.parametrize("apart_s", [299, -299])
def test_clocks_within_five_minutes_are_close_enough(apart_s: int) -> None:
    headers = open_headers(BODY, SECRETS["open"], at=NOW + timedelta(seconds=apart_s))

    assert CHANNELS["open"].verify(Inbound("s", headers, BODY, NOW), (SECRETS["open"],), NOW) is None


def test_any_of_several_signatures_passes_and_other_kinds_are_passed_over() -> None:
    request = sent("open")
    several = f"v1a,{base64.b64encode(b'x' * 64).decode()} v1,{base64.b64encode(b'y' * 32).decode()} {request.signature}"

    assert CHANNELS["open"].verify(request.with_signature(several), (SECRETS["open"],), NOW) is None


def test_only_an_ed25519_signature_is_refused() -> None:
    only = f"v1a,{base64.b64encode(b'x' * 64).decode()}"

    assert isinstance(CHANNELS["open"].verify(sent("open").with_signature(only), (SECRETS["open"],), NOW), Refused)


def test_a_secret_without_prefix_or_padding_is_the_same_secret() -> None:
    bare = SECRETS["open"].removeprefix(b"whsec_").rstrip(b"=")

    assert CHANNELS["open"].verify(sent("open").request, (bare,), NOW) is None


@pytest.mark.parametrize("key", [b"", b"whsec_", b"not base64 at all!"])
def test_an_unusable_secret_lets_nobody_in(key: bytes) -> None:
    assert isinstance(CHANNELS["open"].verify(sent("open").request, (key,), NOW), Refused)


def test_the_signed_id_and_time_cannot_be_exchanged() -> None:
    headers = dict(sent("open").request.headers)

    for name in ("webhook-id", "webhook-timestamp"):
        changed = [(n, v + "0" if n == name else v) for n, v in headers.items()]
        assert isinstance(CHANNELS["open"].verify(Inbound("s", changed, example("open"), NOW), (SECRETS["open"],), NOW), Refused)


def test_an_unknown_type_is_kept() -> None:
    found = CHANNELS["open"].identify(sent("open", b'{"type": "stock.counted", "data": {}}').request)

    assert isinstance(found, Identity)
    assert (found.topic, found.domain) == ("stock.counted", None)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"type": 1}', b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_envelope_is_refused_to_the_sender(body: bytes) -> None:
    assert isinstance(CHANNELS["open"].identify(sent("open", body).request), Refused)
