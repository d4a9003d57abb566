"""JSON of outsiders: the fast reading takes what the exact one takes, to the digit, and leaves everything else to it."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.channels.base import Unreadable
from adapters.wire import exact_json
from adapters.wire.exact_json import read_object

NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,70})(\.[0-9]{1,70})?([eE][+-]?[0-9]{1,3})?\Z")
TEXTS = st.text(st.sampled_from('a:"\\{}[],\u00e9\u6771'), max_size=8).map(json.dumps) | st.sampled_from(
    ['"\\u003a"', '"\\ud800"']
)
VALUES = st.recursive(
    NUMBERS | TEXTS | st.sampled_from(["true", "false", "null", "NaN"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda told: f"[{','.join(told)}]")
        | st.lists(st.tuples(TEXTS, inner), max_size=4).map(lambda told: "{" + ",".join(f"{k}: {v}" for k, v in told) + "}")
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Equal in kind and digits: Decimal("1.0") is not Decimal("1.00"), 1 is not True."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return str(one) == str(other)


@settings(max_examples=600, deadline=None)
@given(body=VALUES)
def test_both_readings_of_any_json_agree(body: str) -> None:
    raw = body.encode()
    plain = exact_json._read_plain(raw)

    if plain is not None:
        assert same(plain, exact_json._read_exactly(raw)), body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"a": 1, "a": 2}', "json.duplicate-key"),
        (b'{"a": {"b": 1, "c": {}, "b": 2}}', "json.duplicate-key"),
        (b'{"a": 1, "\\u0061": 2}', "json.duplicate-key"),
        (b'{"a": "\\u003a", "b": 1, "b": 2}', "json.duplicate-key"),
        (b'{"a": "\\u003A", "b": 1, "b": 2}', "json.duplicate-key"),
        (b'{"a": ' + b"7" * 65 + b"}", "json.number"),
        (b'{"a": 0.' + b"7" * 63 + b"}", "json.number"),
        (b'{"a": 1e99999999999999999999}', "json.number"),
        (b'{"a": NaN}', "json.number"),
    ],
)
def test_what_the_exact_reading_refuses_is_refused(body: bytes, code: str) -> None:
    answer = read_object(body)

    assert isinstance(answer, Unreadable)
    assert answer.code == code


def test_an_ordinary_body_is_read_the_fast_way_with_every_digit() -> None:
    body = b'{"id": 820982911946154508, "at": "12:30", "rate": 0.190, "price": "1.00"}'

    assert exact_json._read_plain(body) == {"id": 820982911946154508, "at": "12:30", "rate": Decimal("0.190"), "price": "1.00"}
