"""The company's options: checked at boot, each mistake named with the nearest right word."""

from dataclasses import replace

import pytest

from adapters.erps.base import Account, Need
from adapters.erps.business_central.adapter import build_business_central
from adapters.erps.options import Option
from tests.adapters.erps.business_central.company import OPTIONS, BusinessCentralBench


def account(options: dict[str, Option], secret: str = "s") -> Account:
    return Account("bc", "https://erp.example/v2.0/T/production", secret, 600.0, 30.0, {**OPTIONS, **options})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"guest_custommer": "1"}, "did you mean 'guest_customer'"),
        ({"auth": "oauth"}, "did you mean 'oauth2'"),
        ({"auth": "oauth2"}, "client_id"),
        ({"company": "CRONUS"}, "GUID"),
        ({"location": "EAST"}, "GUID"),
        ({"tracking": "no"}, "ignore"),
        ({"addresses": "yes"}, "true or false"),
        ({"batch": 101}, "1 to 100"),
        ({"tax_account": True}, "'tax_account'"),
    ],
)
def test_a_wrong_option_stops_the_boot_with_a_hint(options: dict[str, Option], said: str) -> None:
    with pytest.raises(ValueError, match="business-central") as raised:
        build_business_central(account(options))

    assert said in str(raised.value)


def test_a_target_without_a_secret_stops_the_boot() -> None:
    with pytest.raises(ValueError, match="no secret"):
        build_business_central(account({}, secret=""))


def test_the_api_may_be_left_out_of_the_url() -> None:
    whole = "https://erp.example/v2.0/T/production/api/v2.0"

    urls = ("https://erp.example/v2.0/T/production/", whole)

    assert {build_business_central(replace(account({}), url=url)).http.base_url for url in urls} == {whole}


def test_what_an_option_stands_in_for_is_not_required(business_central_bench: BusinessCentralBench) -> None:
    order = business_central_bench.order()
    bare = business_central_bench.with_options(guest_customer="", charge_account="")

    assert Need("customer", "guest", required=False) in business_central_bench.erp.needs(order)
    assert {Need("customer", "guest"), Need("charge", "shipping"), Need("item", "SKU-1")} <= set(bare.erp.needs(order))
