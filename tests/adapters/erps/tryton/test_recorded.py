"""Every recorded answer of a real Tryton, translated; and the pure rules of prices, options and requests."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.erps.base import Account, Posting, References
from adapters.erps.tryton.adapter import build_tryton
from adapters.erps.tryton.batch import CALL_S, Pace
from adapters.erps.tryton.faults import Fault, Moved, Taken, fault_of
from adapters.erps.tryton.lines import priced
from adapters.erps.tryton.options import from_options
from adapters.http.answers import Answer, Lost, NotSent
from adapters.http.caller import Caller
from adapters.http.client import Client
from adapters.throttle.base import Ask, Granted, Limit
from adapters.throttle.local import LocalThrottle
from canonical.money import in_minor_digits
from canonical.outcome import Conflict, Rejected, Throttled, Unavailable, Uncertain
from config.nearest import ConfigError
from tests.documents import a_position

RECORDED = Path(__file__).parents[4] / ".." / "shared" / "fixtures" / "erp" / "tryton"
OPTIONS: dict[str, str | int | float | bool] = {
    "company": 1,
    "shop": 1,
    "warehouse": 5,
    "party": 2,
    "address": 2,
    "currencies": "USD:1 EUR:2",
}


def _answer(status: int, body: Any, **headers: str) -> Answer:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Answer(status, tuple((name.replace("_", "-"), value) for name, value in headers.items()), raw, 0.1)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("02-sale-create-duplicate-web-id", Taken),
        ("05-sale-quote-again", Moved),
        ("24-error-missing-party", "tryton.missing_value"),
        ("25-error-unknown-field", Uncertain),
        ("26-error-bad-type", Uncertain),
        ("27-error-unknown-product", "tryton.unknown_record"),
        ("28-error-not-found", "tryton.not_found"),
        ("29-error-forbidden-action", "tryton.forbidden"),
        ("30-error-bad-key", Unavailable),
    ],
)
def test_a_recorded_refusal_has_its_meaning(name: str, meaning: object) -> None:
    if not RECORDED.exists():
        pytest.skip("the folder with the recordings is absent")
    told = json.loads((RECORDED / f"{name}.json").read_text())["response"]

    fault = fault_of(_answer(told["status"], told["body"]), "sale.create", writes=True)

    assert isinstance(fault, meaning) if isinstance(meaning, type) else isinstance(fault, Rejected) and fault.code == meaning


@pytest.mark.parametrize(
    ("came", "read", "written"),
    [
        (_answer(429, "{}", retry_after="2"), Throttled("x: too many requests", 2.0), Throttled("x: too many requests", 2.0)),
        (_answer(503, "{}", retry_after="5"), Unavailable("x: maintenance", 5.0), Unavailable("x: maintenance", 5.0)),
        (_answer(423, "<html>"), Conflict, Conflict),
        (_answer(503, "<html>"), Unavailable, Uncertain),
        (_answer(504, "<html>"), Unavailable, Uncertain),
        (_answer(302, ""), Unavailable, Uncertain),
        (Lost("cut"), Unavailable, Uncertain),
        (NotSent("refused"), Unavailable("refused"), Unavailable("refused")),
        (NotSent("no call free", 3.0), Throttled("no call free", 3.0, own=True), Throttled("no call free", 3.0, own=True)),
        (NotSent("no throttle", float("inf")), Throttled("no throttle", own=True), Throttled("no throttle", own=True)),
    ],
)
def test_an_answer_means_doubt_only_where_something_may_have_changed(
    came: Answer | Lost | NotSent, read: Fault | type, written: Fault | type
) -> None:
    for expected, writes in ((read, False), (written, True)):
        fault = fault_of(came, "x", writes=writes)
        assert isinstance(fault, expected) if isinstance(expected, type) else fault == expected


def test_a_refusal_never_repeats_what_the_erp_quotes() -> None:
    body = {"status": 400, "message": 'The party "Ada Lovelace" of "4 [#1001]" is blocked.', "description": ""}

    fault = fault_of(_answer(400, body), "sale.confirm", writes=True)

    assert fault == Rejected(
        "tryton.refused", "sale.confirm: The party … of … is blocked.", "settle it in Tryton as the text says, then retry"
    )


@given(pieces=st.integers(1, 1_000_000), cents=st.integers(0, 10**9), currency=st.sampled_from(["USD", "JPY", "KWD"]))
def test_prices_always_add_up_to_the_amount(pieces: int, cents: int, currency: str) -> None:
    net = in_minor_digits(Decimal(cents) / 100, currency)

    parts = priced(pieces, net, currency)

    assert sum(n for n, _ in parts) == pieces
    assert all(n > 0 and -int(price.as_tuple().exponent) <= 4 for n, price in parts)
    assert sum((in_minor_digits(price * n, currency) for n, price in parts), Decimal(0)) == net


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"warehose": 5}, "did you mean 'warehouse'"),
        ({"shop": "one"}, "record id"),
        ({"shop": True}, "record id"),
        ({"currencies": "dollars"}, "USD:1"),
    ],
)
def test_a_wrong_option_stops_the_boot_with_a_hint(change: dict[str, str | int | float | bool], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_options({**OPTIONS, **change})


def test_a_missing_option_or_secret_stops_the_boot() -> None:
    with pytest.raises(ConfigError, match="'party' is missing"):
        from_options({name: value for name, value in OPTIONS.items() if name != "party"})
    with pytest.raises(ConfigError, match="no secret"):
        build_tryton(Account("tryton", "https://erp.example/erp/rest", "", 60.0, 30.0, OPTIONS))


def test_the_key_is_never_shown() -> None:
    account = Account("tryton", "https://erp.example/erp/rest", "very-secret", 60.0, 30.0, OPTIONS)

    assert "very-secret" not in repr(account) + repr(build_tryton(account).http)


def test_a_slow_account_is_sent_fewer_sales_in_a_call_and_a_fast_one_more() -> None:
    pace = Pace()
    assert 1 < pace.at_once("sale.confirm") < pace.at_once("sale.create")

    pace.took("sale.confirm", sales=5, call_s=4 * CALL_S)
    assert pace.at_once("sale.confirm") == 1
    pace.took("sale.confirm", sales=1, call_s=0.05)
    assert pace.at_once("sale.confirm") == 100


@pytest.mark.parametrize(
    ("change", "secret", "said"),
    [
        ({"login": "fleet"}, "key", "<key> <password>"),
        ({}, "key password", "<key> <password>"),
        ({"login": "a:b"}, "key password", "login name"),
        ({"batch": 0}, "key", "whole number from 1"),
    ],
)
def test_a_login_comes_with_its_password_and_a_batch_with_a_size(
    change: dict[str, str | int | float | bool], secret: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        build_tryton(Account("tryton", "https://erp.example/erp/rest", secret, 60.0, 30.0, {**OPTIONS, **change}))


def test_an_address_without_the_rest_interface_stops_the_boot() -> None:
    with pytest.raises(ConfigError, match="/<database>/rest"):
        build_tryton(Account("tryton", "https://erp.example/erp", "key", 60.0, 30.0, OPTIONS))


def test_neither_key_nor_password_is_shown() -> None:
    options = {**OPTIONS, "login": "fleet"}
    erp = build_tryton(Account("tryton", "https://erp.example/erp/rest", "the-key the-password", 60.0, 30.0, options))

    shown = repr(erp.http) + repr(erp) + repr(vars(erp))
    assert "the-key" not in shown
    assert "the-password" not in shown


def test_stock_is_refused_with_a_remedy_and_without_a_request() -> None:
    erp = build_tryton(Account("tryton", "https://erp.example/erp/rest", "key", 60.0, 30.0, OPTIONS))
    told = Posting(1, "stock.publish", 1, a_position(), None, References(), None, 1, "c")
    client, throttle = Client(erp.http), LocalThrottle(Limit(burst=1))
    permit = throttle.acquire(Ask(1))
    assert isinstance(permit, Granted)

    with Caller(client, throttle, permit) as caller:
        outcome = erp.post(told, caller)
        unspent = caller.unspent

    assert isinstance(outcome, Rejected)
    assert (outcome.code, unspent) == ("erp.not_supported", 1)
    assert (erp.needs(told.document), erp.calls("stock.publish")) == ((), 1)
