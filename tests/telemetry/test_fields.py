"""The allow-list and the masks: what an event may carry and what never leaves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.fields import FIELDS, LONGEST_TEXT, Kind, admit
from telemetry.masking import MASK, mask_key, mask_text
from tests.telemetry import canaries

TEXTS = sorted(name for name, kind in FIELDS.items() if kind is Kind.TEXT)
IDS = sorted(name for name, kind in FIELDS.items() if kind is Kind.ID)
OTHERS = sorted(name for name, kind in FIELDS.items() if kind not in (Kind.TEXT, Kind.ID))


@given(st.dictionaries(st.text().filter(lambda name: name not in FIELDS), st.text() | st.integers()))
def test_a_field_nobody_allowed_is_dropped_and_counted(fields: dict[str, object]) -> None:
    admitted = admit(fields)

    assert admitted.values == {}
    assert admitted.dropped == len(fields)


@pytest.mark.parametrize("name", ["email", "customer", "payload", "body", "headers", "address", "authorization"])
def test_payloads_and_people_are_no_fields(name: str) -> None:
    assert admit({name: "x"}).values == {}


@given(st.sampled_from(TEXTS), canaries.surroundings, canaries.anything, canaries.surroundings)
def test_no_canary_passes_through_a_text(field: str, before: str, canary: str, after: str) -> None:
    told = str(admit({field: before + canary + after}).values[field])

    assert canary not in told
    assert MASK in told


@given(st.sampled_from(IDS), canaries.unmistakable)
def test_no_unmistakable_canary_passes_through_an_identifier(field: str, canary: str) -> None:
    assert canary not in str(admit({field: canary}).values[field])


@given(st.sampled_from(OTHERS), canaries.anything)
def test_no_canary_passes_through_any_other_field(field: str, canary: str) -> None:
    assert canary not in str(admit({field: canary}).values)


@given(st.text(max_size=300))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    once = mask_text(text)

    assert mask_text(once) == once


@given(st.sampled_from(sorted(FIELDS)), st.binary() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()))
def test_a_structure_is_never_told(field: str, value: object) -> None:
    told = admit({field: value}).values

    assert told in ({}, {"rows": ()})


@pytest.mark.parametrize(
    "key",
    ["5678901234567", "#1001", "gid://shopify/Order/5678901234567", "netsuite:order.post:EU-1001:3", "INV/2026/000123",
     "0b8a3c9e-6f0d-4f55-9a52-0d4f5b6c7d8e", "MR-2026-11-21-000123456"],
)  # fmt: skip
def test_a_business_key_stays_readable(key: str) -> None:
    assert mask_key(key) == key


@pytest.mark.parametrize(
    "text",
    ["SKU TSHIRT-RED-L is unknown to the target", "closed until 2026-11-21 06:40:12", "HTTP 429, retry after 30 s",
     "tax code missing for country DE", "amount 1,234.56 EUR differs from 1,234.65 EUR"],
)  # fmt: skip
def test_an_ordinary_reason_stays_readable(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("amqp://relay:hunter2@broker:5672/millrace", "amqp://broker:5672/millrace"),
        ("password=hunter2 refused", "password=[masked] refused"),
        ('{"api_key": "hunter2"}', '{"api_key": [masked]"}'),
        ("Authorization: Basic aHVudGVy", "Authorization: [masked]"),
        ("line\x00one\ntwo", "line one two"),
    ],
)
def test_secrets_lose_their_value_and_keep_their_name(text: str, told: str) -> None:
    assert mask_text(text) == told


def test_a_text_is_short() -> None:
    told = admit({"reason": "ab " * 100_000}).values["reason"]

    assert isinstance(told, str)
    assert len(told) <= LONGEST_TEXT


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", True])
def test_a_duration_is_a_finite_number(value: object) -> None:
    assert admit({"duration_s": value}).dropped == 1


def test_absent_is_not_dropped() -> None:
    admitted = admit({"remote_id": None, "uncertain": False, "rows": [1, 2]})

    assert admitted.values == {"uncertain": False, "rows": (1, 2)}
    assert admitted.dropped == 0


def test_every_duration_says_its_unit() -> None:
    assert all(name.endswith("_s") for name, kind in FIELDS.items() if kind is Kind.SECONDS)
