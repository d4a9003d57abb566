"""The contract every registered channel keeps."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.channels.base import Channel, Identity, Inbound, Parsed, Refused, Told, Unreadable
from adapters.channels.registry import CHANNELS, channel
from config.nearest import ConfigError
from tests.adapters.channels.requests import NOW, OTHER_SECRETS, SECRETS, TOPICS, example, parse, sent, told

CANARY = "canary-7731"
every_channel = pytest.mark.parametrize("kind", sorted(CHANNELS))


def verify(kind: str, request: Inbound, *keys: bytes) -> Refused | None:
    return CHANNELS[kind].verify(request, keys or (SECRETS[kind],), NOW)


@every_channel
def test_a_signed_request_passes(kind: str) -> None:
    assert verify(kind, sent(kind).request) is None


@every_channel
def test_every_configured_key_is_tried_while_keys_rotate(kind: str) -> None:
    signed_by_old = sent(kind, secret=OTHER_SECRETS[kind]).request

    assert verify(kind, signed_by_old, SECRETS[kind], OTHER_SECRETS[kind]) is None
    assert verify(kind, signed_by_old, OTHER_SECRETS[kind], SECRETS[kind]) is None


@every_channel
def test_another_secret_is_refused(kind: str) -> None:
    assert isinstance(verify(kind, sent(kind).request, OTHER_SECRETS[kind]), Refused)


@every_channel
def test_no_configured_key_refuses_everything(kind: str) -> None:
    assert isinstance(CHANNELS[kind].verify(sent(kind).request, (), NOW), Refused)


@every_channel
def test_one_changed_byte_of_the_body_is_refused(kind: str) -> None:
    request = sent(kind)

    assert isinstance(verify(kind, request.with_body(request.request.body + b" ")), Refused)


@every_channel
@pytest.mark.parametrize("damage", ["missing", "doubled", "empty", "truncated", "not base64", "not ascii", "huge"])
def test_a_damaged_signature_header_is_refused(kind: str, damage: str) -> None:
    request = sent(kind)
    good = request.signature
    damaged = {
        "missing": request.with_signature(),
        "doubled": request.with_signature(good, good),
        "empty": request.with_signature(""),
        "truncated": request.with_signature(good[:-8]),
        "not base64": request.with_signature(good[:-8] + "!!!!!!!!"),
        "not ascii": request.with_signature(good[:-2] + "é"),
        "huge": request.with_signature("A" * 100_000),
    }[damage]

    assert isinstance(verify(kind, damaged), Refused)


@every_channel
def test_a_refusal_tells_neither_secret_nor_signature(kind: str) -> None:
    refused = verify(kind, sent(kind).request, OTHER_SECRETS[kind])

    assert refused is not None
    assert OTHER_SECRETS[kind].decode() not in refused.reason
    assert sent(kind).signature not in refused.reason


@every_channel
def test_the_same_event_keeps_its_key_and_another_gets_another(kind: str) -> None:
    first, again, other = (CHANNELS[kind].identify(sent(kind, event=event).request) for event in ("a", "a", "b"))

    assert isinstance(first, Identity)
    assert first == again
    assert isinstance(other, Identity)
    assert other.event_key != first.event_key


@every_channel
def test_an_event_names_its_topic_and_domain(kind: str) -> None:
    identity = CHANNELS[kind].identify(sent(kind).request)

    assert isinstance(identity, Identity)
    assert (identity.topic, identity.domain) == (TOPICS[kind], "orders")


@every_channel
def test_only_lower_case_headers_are_kept_and_never_the_signature(kind: str) -> None:
    kept = CHANNELS[kind].kept_headers

    assert kept
    assert all(name == name.lower() for name in kept)
    assert sent(kind).signature_header not in kept


@every_channel
def test_an_order_is_told_with_the_configured_source(kind: str) -> None:
    parsed = parse(kind, example(kind))

    assert isinstance(parsed, Parsed)
    assert [(d.kind, d.source) for d in parsed.documents] == [("order", f"{kind}-eu")]


@every_channel
def test_parsing_twice_gives_the_same_documents(kind: str) -> None:
    assert parse(kind, example(kind)) == parse(kind, example(kind))


BAD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "not JSON": b"<html>",
    "an array": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "nested 10 000 deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "nested 100 000 arrays": b"[" * 100_000,
    "a raw NUL": b'{"a": "\x00"}',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "a number of 10 000 digits": b'{"id": ' + b"9" * 10_000 + b"}",
    "an exponent out of range": b'{"id": 1e99999999999999999999}',
    "a doubled key": b'{"id": 1, "id": 2}',
    "cut in the middle": b'{"id": 1, "line_items": [{"id"',
    "empty object": b"{}",
}


@every_channel
@pytest.mark.parametrize("fault", sorted(BAD_BODIES))
def test_what_cannot_be_read_is_told_with_code_and_reason(kind: str, fault: str) -> None:
    answer = parse(kind, BAD_BODIES[fault])

    assert isinstance(answer, Unreadable)
    assert answer.code
    assert answer.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("1e400") | st.just("12,50"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place inside a payload."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inside for place in places(child, (*path, key)))]


def replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """A copy with another value at one place."""
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@every_channel
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_mutation_of_a_payload_makes_parsing_raise(kind: str, data: st.DataObject) -> None:
    payload = json.loads(example(kind))
    for _ in range(data.draw(st.integers(1, 3))):
        payload = replaced(payload, data.draw(st.sampled_from(places(payload))), data.draw(JSON))

    answer = parse(kind, json.dumps(payload, allow_nan=True).encode("utf-8", "surrogatepass"))

    assert isinstance(answer, Parsed | Unreadable)


@every_channel
@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200), topic=st.text(max_size=20))
def test_no_bytes_make_parsing_raise(kind: str, body: bytes, topic: str) -> None:
    assert isinstance(CHANNELS[kind].parse(Told("s", topic, {}, body, NOW)), Parsed | Unreadable)


@every_channel
@settings(max_examples=100, deadline=None)
@given(headers=st.lists(st.tuples(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "x-shopify-topic",
       "x-shopify-hmac-sha256", "x-shopify-event-id", "x-shopify-shop-domain"]), st.text(max_size=300)), max_size=9),
       body=st.binary(max_size=60))  # fmt: skip
def test_no_headers_make_verifying_or_identifying_raise(kind: str, headers: list[tuple[str, str]], body: bytes) -> None:
    request = Inbound("s", headers, body, NOW)

    assert isinstance(CHANNELS[kind].verify(request, (SECRETS[kind],), NOW), Refused)
    identity = CHANNELS[kind].identify(request)
    assert isinstance(identity, Refused) or (len(identity.event_key) <= 255 and len(identity.topic) <= 120)


@every_channel
@pytest.mark.parametrize("value", [f"{CANARY}", [CANARY], {CANARY: CANARY}, f"\x00{CANARY}", f"\ud800{CANARY}"])
def test_a_reason_never_quotes_the_payload(kind: str, value: Any) -> None:
    payload = json.loads(example(kind))

    for place in places(payload):
        answer = parse(kind, json.dumps(replaced(payload, place, value)).encode())
        if isinstance(answer, Unreadable):
            assert CANARY not in f"{answer.code} {answer.reason} {answer.path}"


@every_channel
def test_an_unknown_time_of_year_9999_is_unreadable_not_a_crash(kind: str) -> None:
    payload = json.loads(example(kind))
    for place in places(payload):
        if place and str(place[-1]) in ("as_of", "updated_at", "created_at", "placed_at"):
            payload = replaced(payload, place, "9999-12-31T23:59:59-05:00")

    assert isinstance(parse(kind, payload), Unreadable)


@every_channel
def test_the_stored_event_is_enough_to_parse(kind: str) -> None:
    request = sent(kind).request
    identity = CHANNELS[kind].identify(request)
    assert isinstance(identity, Identity)
    kept = {name: value for name, value in request.headers if name in CHANNELS[kind].kept_headers}

    answer = CHANNELS[kind].parse(replace(told(kind, request.body, identity.topic), headers=kept))

    assert isinstance(answer, Parsed)


def test_an_unknown_channel_names_the_nearest() -> None:
    found: Channel = channel("shopify")
    assert found is CHANNELS["shopify"]

    with pytest.raises(ConfigError, match="did you mean 'shopify'"):
        channel("shopfy")


def test_the_published_test_vectors_of_the_senders_verify() -> None:
    from tests.adapters.channels.requests import SHARED

    vectors = SHARED / "_signature_vectors.json"
    if not vectors.exists():
        return
    kinds = {"shopify": "shopify", "standard-webhooks": "open"}
    checked = 0
    for vector in json.loads(vectors.read_text()):
        kind = kinds.get(vector["system"])
        if kind is None:
            continue
        headers = [(name.lower(), value) for name, value in vector["headers"].items()]
        seconds = dict(headers).get("webhook-timestamp")
        now = datetime.fromtimestamp(int(seconds), UTC) if seconds else NOW
        request = Inbound("s", headers, vector["body"].encode(), now)
        refused = CHANNELS[kind].verify(request, (vector["secret"].encode(),), now)
        assert (refused is None) == vector["valid"]
        checked += 1
    assert checked == 2
