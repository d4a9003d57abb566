"""What Business Central's errors mean: by code and prefix before status; in doubt only where the effect may exist."""

import csv
import json
from pathlib import Path

import pytest

from adapters.erps.business_central.faults import Meaning, meaning_of, meaning_of_reply
from adapters.http.answers import Answer, Lost, NotSent
from adapters.wire.odata import Reply
from adapters.wire.odata_faults import LoginRefused
from canonical.outcome import Conflict, Rejected, Throttled, Unavailable, Uncertain

SHARED = Path(__file__).parents[5] / "shared" / "fixtures" / "erp" / "business-central" / "errors"


def answer(status: int, code: str = "", **headers: str) -> Answer:
    told = (("content-type", "application/json"), *((k.replace("_", "-"), v) for k, v in headers.items()))
    body = json.dumps({"error": {"code": code, "message": "The customer Ada Canary is blocked."}}).encode() if code else b""
    return Answer(status, told, body, 0.01)


def meaning(status: int, code: str = "", *, writes: bool = True, **headers: str) -> Meaning:
    return meaning_of(answer(status, code, **headers), "salesOrders.create", writes=writes)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "Application_TooManyRequests", Throttled),
        (400, "Application_TooManyRequests", Throttled),
        (429, "", Throttled),
        (409, "Request_EntityChanged", Conflict),
        (412, "", Conflict),
        (400, "BadRequest_InvalidToken", Conflict),
        (401, "Authentication_InvalidCredentials", LoginRefused),
        (401, "", LoginRefused),
        (403, "Authorization_RequestDenied", Rejected),
        (400, "Application_DialogException", Rejected),
        (400, "Application_StringExceededLength", Rejected),
        (400, "Internal_RecordNotFound", Rejected),
        (400, "BadRequest", Rejected),
        (404, "Internal_CompanyNotFound", Rejected),
        (400, "Unknown", Rejected),
        (400, "", Uncertain),
        (500, "Unknown", Uncertain),
        (400, "Internal_EntityWithSameKeyExists", Uncertain),
        (500, "Internal_ServerError", Uncertain),
        (408, "", Uncertain),
        (504, "", Uncertain),
        (502, "", Uncertain),
        (503, "", Unavailable),
        (503, "Internal_TenantUnavailable", Unavailable),
        (200, "", Uncertain),
    ],
)
def test_an_error_is_told_by_its_code_before_its_status(status: int, code: str, expected: type[object]) -> None:
    assert isinstance(meaning(status, code), expected)


def test_a_read_is_never_in_doubt() -> None:
    assert isinstance(meaning(504, writes=False), Unavailable)
    assert isinstance(meaning(500, "Unknown", writes=False), Unavailable)


def test_a_retry_after_is_kept_and_its_absence_too() -> None:
    assert meaning(429, "Application_TooManyRequests") == Throttled("salesOrders.create: 429 Application_TooManyRequests", None)
    closed = meaning(503, retry_after="30")
    assert isinstance(closed, Unavailable)
    assert closed.retry_after_s == 30


def test_a_request_that_did_not_leave_cannot_have_acted_and_a_lost_one_may_have() -> None:
    assert isinstance(meaning_of(NotSent("refused"), "x", writes=True), Unavailable)
    assert isinstance(meaning_of(NotSent("no call free", 2.0), "x", writes=True), Throttled)
    assert isinstance(meaning_of(Lost("reset"), "x", writes=True), Uncertain)


def test_the_text_of_an_error_is_never_told_on() -> None:
    told = repr(meaning(400, "Application_DialogException"))

    assert "Canary" not in told
    assert "remedy=''" not in told


def test_a_part_of_a_batch_means_what_it_would_alone() -> None:
    body = {"error": {"code": "Application_FieldValidationException", "message": "x"}}

    assert isinstance(meaning_of_reply(Reply(400, body), "salesOrders.batch", writes=True), Rejected)
    assert isinstance(meaning_of_reply(Reply(409, {}), "salesOrders.batch", writes=True), Conflict)


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded errors are not here")
def test_every_recorded_error_has_a_meaning() -> None:
    assert isinstance(meaning(429, json.loads((SHARED / "429.json").read_text())["error"]["code"]), Throttled)
    with (SHARED / "error-codes.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert rows
    for row in rows:
        code = row["code_prefix"].split(" / ")[0].replace("*", "Anything")
        action = row["action"]
        found = meaning(400, code)
        expected: dict[str, type[object]] = {
            "fix": Rejected,
            "park": Rejected,
            "business": Rejected,
            "mapping": Rejected,
            "configuration": Rejected,
            "refresh": LoginRefused,
            "re-read": Conflict,
            "treat": Uncertain,
        }
        if kind := next((kind for word, kind in expected.items() if action.startswith(word)), None):
            assert isinstance(found, kind), (code, found)
