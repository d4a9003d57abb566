"""JSON keeps every digit or is refused; Retry-After is read in all its forms and clamped."""

import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http.answers import Answer
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.retry_after import RetryAfter, read_retry_after

NOW = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)


def answer(body: bytes, kind: str = "application/json", *more: tuple[str, str]) -> Answer:
    return Answer(200, (("content-type", kind), *more), body, 0.1)


def test_numbers_with_fractions_are_decimals() -> None:
    value = read_json(answer(b'{"total": 129.90, "tiny": 1e-7, "count": 3}'))

    assert value == {"total": Decimal("129.90"), "tiny": Decimal("1e-7"), "count": 3}
    assert str(value["total"]) == "129.90"


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.oracle.resource+json; type=error"])
def test_every_kind_of_json_is_read(kind: str) -> None:
    assert read_json(answer(b"[1]", kind)) == [1]


@pytest.mark.parametrize(
    "wrong",
    [
        answer(b"<html>{}</html>", "text/html"),
        answer(b"{}", ""),
        answer(b"", "application/json"),
        answer(b'{"a": NaN}'),
        answer(b'{"a": "\x00"}'),
        answer(b'{"a": "\xff"}'),
        answer(b'{"a": 1'),
        answer(b"[" * 100_000),
        answer(b"9" * 10_000),
        answer(b"\x1f\x8b", "application/json", ("content-encoding", "gzip")),
    ],
)
def test_what_is_no_json_is_refused_without_telling_the_body(wrong: Answer) -> None:
    with pytest.raises(UnreadableError, match="status 200") as caught:
        read_json(wrong)

    assert len(str(caught.value)) < 160


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("120", RetryAfter(120, 120)),
        (" 0 ", RetryAfter(0, 0)),
        ("2.5", RetryAfter(2.5, 2.5)),
        ("86400", RetryAfter(3600, 86400)),
        ("9" * 400, RetryAfter(3600, math.inf)),
        ("Fri, 27 Nov 2026 12:00:30 GMT", RetryAfter(30, 30)),
        ("Fri, 27 Nov 2026 11:00:00 GMT", RetryAfter(0, 0)),
        ("Friday, 27-Nov-26 12:01:00 GMT", RetryAfter(60, 60)),
        ("Fri, 27 Nov 2099 12:00:00 GMT", RetryAfter(3600, (datetime(2099, 11, 27, 12, tzinfo=UTC) - NOW).total_seconds())),
    ],
)
def test_retry_after_is_read_and_clamped(said: str, meant: RetryAfter) -> None:
    assert read_retry_after(said, now=NOW) == meant
    assert meant.clamped == (meant.said_s > 3600)


@pytest.mark.parametrize("said", [None, "", "-5", "NaN", "1e9", "soon", "٣", "Fri, 99 Nov 2026 12:00:00 GMT", "x" * 5000])
def test_what_says_nothing_is_none(said: str | None) -> None:
    assert read_retry_after(said, now=NOW) is None


@given(st.text(max_size=80))
def test_no_header_text_breaks_the_reading(said: str) -> None:
    meant = read_retry_after(said, now=NOW)

    assert meant is None or 0 <= meant.wait_s <= 3600
