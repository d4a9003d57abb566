"""The sandbox of a receiving side: what it takes, drops and refuses, and what its log says of it."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest

from workers.sandbox.journal import entries
from workers.sandbox.webhooks.app import keys_of, proved

KEY = b"a key of thirty-two bytes, or so"
BODY = json.dumps({"type": "stock.publish", "data": {"source": "s", "key": "A@b", "kind": "stock"}, "version": 1}).encode()


def headers(body: bytes = BODY, *, key: bytes = KEY, at_s: float | None = None, told_id: str = "e1") -> dict[str, str]:
    at = str(int(time.time() if at_s is None else at_s))
    signature = base64.b64encode(hmac.digest(key, f"{told_id}.{at}.".encode() + body, hashlib.sha256)).decode()
    return {"webhook-id": told_id, "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}


def test_a_signature_by_any_of_the_keys_proves_the_bytes() -> None:
    told = headers()
    both = told | {"webhook-signature": f"v1,AAAA {told['webhook-signature']}"}

    assert proved(told, BODY, (b"another", KEY), time.time())
    assert proved(both, BODY, (KEY,), time.time())


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({}, BODY + b" "),
        ({"webhook-id": "e2"}, BODY),
        ({"webhook-id": ""}, BODY),
        ({"webhook-timestamp": "soon"}, BODY),
        ({"webhook-signature": ""}, BODY),
    ],
)
def test_a_changed_request_proves_nothing(change: dict[str, str], body: bytes) -> None:
    assert not proved(headers() | change, body, (KEY,), time.time())


def test_an_old_signature_and_one_of_nobody_prove_nothing() -> None:
    assert not proved(headers(at_s=time.time() - 301), BODY, (KEY,), time.time())
    assert not proved(headers(), BODY, (), time.time())


def test_several_secrets_are_read_with_spaces_between() -> None:
    one, other = (b"whsec_" + base64.b64encode(key) for key in (b"one", b"other"))

    assert keys_of({"A": one + b" " + other, "B": one}, ("A", "B")) == (b"one", b"other", b"one")
    with pytest.raises(ValueError, match="A is not"):
        keys_of({"A": b"whsec_!"}, ("A",))


def test_the_log_says_what_was_taken_repeated_throttled_and_refused(tmp_path: Path) -> None:
    from tests.adapters.services.receiving_side import SECRET, a_receiving_side
    from tests.documents import a_position

    with a_receiving_side(tmp_path) as side:
        side.post("stock.publish", a_position("A"))
        side.post("stock.publish", a_position("A"))
        side.post("stock.publish", a_position("B"), secret="whsec_" + base64.b64encode(b"of somebody else altogether").decode())
        side.control("PATCH", "limits", {"rate_per_s": 0.001, "burst": 1})
        side.post("stock.publish", a_position("C"))
        side.post("stock.publish", a_position("D"))

    told: list[tuple[Any, ...]] = [
        (e.external_id, e.answer, e.committed, e.replayed, e.throttled) for e in entries(side.log_path)
    ]
    assert SECRET not in side.log_path.read_text()
    assert told == [
        ("shopify/A@berlin", 202, True, False, False),
        ("shopify/A@berlin", 200, False, True, False),
        (None, 401, False, False, False),
        ("shopify/C@berlin", 202, True, False, False),
        ("shopify/D@berlin", 429, False, False, True),
    ]
