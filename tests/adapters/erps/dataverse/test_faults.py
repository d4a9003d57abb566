"""What Dataverse's errors mean: by code before status; in doubt only where the effect may exist."""

import csv
import json
from pathlib import Path

import pytest

from adapters.erps.dataverse.faults import Gone, Meaning, Taken, meaning_of
from adapters.http.answers import Answer, Lost, NotSent
from adapters.wire.odata_faults import LoginRefused
from canonical.outcome import Conflict, Rejected, Throttled, Unavailable, Uncertain

SHARED = Path(__file__).parents[5] / "shared" / "fixtures" / "erp" / "dataverse" / "errors"


def meaning(status: int, code: str = "", *, writes: bool = True, **headers: str) -> Meaning:
    told = (("content-type", "application/json"), *((k.replace("_", "-"), v) for k, v in headers.items()))
    body = json.dumps({"error": {"code": code, "message": "Ada Canary"}}).encode() if code else b""
    return meaning_of(Answer(status, told, body, 0.01), "salesorder.create", writes=writes)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "0x80072322", Throttled),
        (429, "0x80072321", Throttled),
        (429, "0x80072326", Throttled),
        (429, "", Throttled),
        (412, "0x80060892", Taken),
        (412, "0x80040237", Taken),
        (412, "0x80060882", Conflict),
        (412, "", Conflict),
        (404, "0x80040217", Gone),
        (404, "", Uncertain),
        (401, "", LoginRefused),
        (403, "0x80040220", Rejected),
        (400, "0x80048d19", Rejected),
        (400, "", Uncertain),
        (500, "0x80040216", Uncertain),
        (504, "", Uncertain),
        (503, "", Unavailable),
        (200, "", Uncertain),
    ],
)
def test_an_error_is_told_by_its_code_before_its_status(status: int, code: str, expected: type[object]) -> None:
    assert isinstance(meaning(status, code), expected)


def test_the_time_to_wait_is_kept() -> None:
    assert meaning(429, "0x80072321", retry_after="17") == Throttled("salesorder.create: 429 0x80072321", 17.0)


def test_a_read_is_never_in_doubt_and_a_lost_write_is() -> None:
    assert isinstance(meaning(500, "0x80040216", writes=False), Unavailable)
    assert isinstance(meaning_of(Lost("reset"), "x", writes=True), Uncertain)
    assert isinstance(meaning_of(NotSent("refused"), "x", writes=True), Unavailable)


def test_the_text_of_an_error_is_never_told_on() -> None:
    assert "Canary" not in repr(meaning(400, "0x80048d19"))


@pytest.mark.skipif(not SHARED.exists(), reason="the recorded errors are not here")
def test_every_recorded_throttle_is_one() -> None:
    with (SHARED / "429.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 3
    assert all(isinstance(meaning(429, row["hex"]), Throttled) for row in rows)
