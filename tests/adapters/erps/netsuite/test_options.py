"""The account's options: checked at boot, each mistake named with the nearest right word."""

from dataclasses import replace

import pytest

from adapters.erps.base import Account, Need
from adapters.erps.netsuite.adapter import build_netsuite
from adapters.erps.netsuite.options import options_of
from adapters.erps.options import Option
from tests.adapters.erps.netsuite.account import NetSuiteBench


def account(secret: str = "s", options: dict[str, Option] | None = None) -> Account:
    return Account("ns", "https://erp.example", secret, 900.0, 30.0, options or {})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"guest_custommer": "1"}, "did you mean 'guest_customer'"),
        ({"auth": "oauth"}, "did you mean 'oauth2'"),
        ({"auth": "oauth2"}, "client_id"),
        ({"currencies": "USD=1"}, "USD:1 EUR:4"),
        ({"addresses": "yes"}, "true or false"),
        ({"login_rest_s": 0}, "seconds"),
        ({"version_field": "version"}, "custbody_"),
        ({"location": True}, "'location'"),
    ],
)
def test_a_wrong_option_stops_the_boot_with_a_hint(options: dict[str, Option], said: str) -> None:
    with pytest.raises(ValueError, match="netsuite") as raised:
        build_netsuite(account(options=options))

    assert said in str(raised.value)


def test_a_target_without_a_secret_stops_the_boot() -> None:
    with pytest.raises(ValueError, match="no secret"):
        build_netsuite(account(secret=""))


def test_options_may_be_numbers_or_texts() -> None:
    options = options_of(account(options={"location": 7, "currencies": "USD:1, EUR:4"}))

    assert options.location == "7"
    assert options.currencies == {"USD": "1", "EUR": "4"}


@pytest.mark.parametrize("url", ["https://erp.example", "https://erp.example/", "https://erp.example/services/rest/"])
def test_the_url_may_name_the_host_or_the_services(url: str) -> None:
    assert build_netsuite(replace(account(), url=url)).http.base_url == "https://erp.example/services/rest"


def test_the_secret_is_in_no_repr() -> None:
    erp = build_netsuite(account(secret="bearer-canary"))

    assert "bearer-canary" not in f"{erp!r} {erp.http!r} {vars(erp)!r} {account(secret='bearer-canary')!r}"


def test_what_an_option_stands_in_for_is_not_required(netsuite_bench: NetSuiteBench) -> None:
    order = netsuite_bench.order()
    alone = build_netsuite(account())

    assert Need("customer", "guest", required=True) in alone.needs(order)
    assert Need("customer", "guest", required=False) in netsuite_bench.erp.needs(order)
    assert Need("item", "SKU-1") in alone.needs(order)
    assert all(not need.required for need in alone.needs(order) if need.kind in ("tax", "location"))
