"""Logging in with client credentials: one token for all, renewed once, never a storm, never told."""

import base64
import json
import threading
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.erps.base import Account
from adapters.erps.netsuite.adapter import build_netsuite
from adapters.erps.netsuite.assertion import LIFE_S, assertion, read_key
from adapters.erps.netsuite.oauth import YOUNG_S, OAuthLogin
from canonical.outcome import Done, Outcome, Throttled, Unavailable
from tests.adapters.erps.netsuite.account import NetSuiteBench

OAUTH: dict[str, str | int | float | bool] = {"auth": "oauth2", "client_id": "client", "certificate_id": "certificate"}


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


PEM = pem_of(ec.generate_private_key(ec.SECP256R1()))


def part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def bench(netsuite_bench: NetSuiteBench) -> NetSuiteBench:
    """The adapter with client credentials instead of a fixed token."""
    return replace(netsuite_bench, secret=PEM, options={**netsuite_bench.options, **OAUTH})


def issued(bench: NetSuiteBench) -> int:
    """Tokens the sandbox has given so far."""
    stats = bench.sandbox.control("GET", "stats")
    return _count(stats)


def _count(stats: object) -> int:
    if not isinstance(stats, dict):
        return 0
    found = stats.get("token.issue")
    if isinstance(found, int):
        return found
    return sum(_count(value) for value in stats.values()) if found is None else sum(found.values())


def test_the_assertion_says_who_we_are_and_is_signed_with_either_kind_of_key() -> None:
    curve, modulus = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)

    by_curve = assertion(read_key(pem_of(curve)), "client", "certificate", "https://erp.example/token", 1_000).split(".")
    by_modulus = assertion(read_key(pem_of(modulus)), "client", "certificate", "https://erp.example/token", 1_000).split(".")

    assert json.loads(part(by_curve[0])) == {"typ": "JWT", "alg": "ES256", "kid": "certificate"}
    assert json.loads(part(by_modulus[0]))["alg"] == "PS256"
    assert json.loads(part(by_curve[1])) == {
        "iss": "client",
        "scope": ["rest_webservices"],
        "aud": "https://erp.example/token",
        "iat": 1_000,
        "exp": 1_000 + LIFE_S,
    }
    raw = part(by_curve[2])
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    curve.public_key().verify(der, ".".join(by_curve[:2]).encode(), ec.ECDSA(SHA256()))
    pss = padding.PSS(padding.MGF1(SHA256()), SHA256.digest_size)
    modulus.public_key().verify(part(by_modulus[2]), ".".join(by_modulus[:2]).encode(), pss, SHA256())


@pytest.mark.parametrize("secret", ["no key at all", pem_of(ec.generate_private_key(ec.SECP384R1()))])
def test_a_secret_that_cannot_sign_stops_the_boot_and_is_not_quoted(secret: str) -> None:
    with pytest.raises(ValueError, match="private key") as raised:
        build_netsuite(Account("ns", "https://erp.example", secret, 900, 30, OAUTH))

    assert secret not in str(raised.value)


def test_the_first_posting_pays_for_the_token_and_the_next_ones_do_not(bench: NetSuiteBench) -> None:
    first = bench.post("order.create", bench.order())
    paid = bench.spent
    second = bench.post("order.create", bench.order())

    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert (paid, bench.spent) == (2, 1)


def test_threads_that_start_together_fetch_one_token(bench: NetSuiteBench) -> None:
    before = issued(bench)
    outcomes: list[Outcome] = []
    orders = [bench.order() for _ in range(8)]
    threads = [threading.Thread(target=lambda o=order: outcomes.append(bench.post("order.create", o))) for order in orders]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [type(outcome) for outcome in outcomes] == [Done] * 8
    assert issued(bench) - before == 1


class Clock:
    """A clock that is set by hand."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_that_was_revoked_is_replaced_once(bench: NetSuiteBench) -> None:
    clock = Clock()
    login = OAuthLogin(lambda: "signed", 5.0, 5.0, clock)
    with bench.caller() as caller:
        first = login.token(caller)
        bench.sandbox.control("POST", "tokens/revoke")
        clock.now += YOUNG_S
        second = login.renew(caller, str(first))
        third = login.renew(caller, str(first))

    assert isinstance(first, str)
    assert isinstance(second, str)
    assert second != first
    assert third == second


def test_a_token_is_replaced_before_it_ends(bench: NetSuiteBench) -> None:
    bench.sandbox.control("PATCH", "limits", {"token_ttl_s": 600})
    clock = Clock()
    login = OAuthLogin(lambda: "signed", 5.0, 5.0, clock)
    with bench.caller() as caller:
        first = login.token(caller)
        clock.now += 500
        kept = login.token(caller)
        clock.now += 45
        replaced = login.token(caller)

    assert kept == first
    assert replaced != first


def test_a_fresh_token_that_is_refused_means_the_limit_and_no_token_is_fetched_for_it(bench: NetSuiteBench) -> None:
    bench.post("order.create", bench.order())
    bench.sandbox.control("PATCH", "limits", {"over_limit_as_401": True, "rate_per_s": 0.001, "burst": 1})
    bench.find("order.create", bench.order())
    before = issued(bench)

    outcomes = [bench.post("order.create", bench.order()) for _ in range(5)]

    assert all(isinstance(outcome, Throttled) and outcome.retry_after_s == 5 for outcome in outcomes)
    assert issued(bench) == before


def test_credentials_that_are_refused_make_the_target_unavailable_for_a_while(bench: NetSuiteBench) -> None:
    login = OAuthLogin(lambda: "wrong", 5.0, 5.0)
    with bench.caller() as caller:
        outcome = login.token(caller)

    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after_s == 60
    assert "private key" in outcome.reason


def test_no_repr_shows_a_secret_or_a_token(bench: NetSuiteBench) -> None:
    login = OAuthLogin(lambda: "signed", 5.0, 5.0)
    with bench.caller() as caller:
        token = login.token(caller)

    shown = f"{login!r} {vars(login)!r} {login.refused(str(token), 'order')!r} {bench.account!r} {vars(bench.erp)!r}"

    assert isinstance(token, str)
    assert token not in shown
    assert "PRIVATE KEY" not in shown
