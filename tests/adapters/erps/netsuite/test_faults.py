"""What NetSuite's errors mean: the recorded ones, the table, and anything at all that may come back."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.erps.netsuite.faults import Gone, LoginRefused, Meaning, Taken, meaning_of
from adapters.erps.netsuite.wire import Ask, Wrote, _shown, _wrote, met
from adapters.http.answers import Answer, Exchange, Lost, NotSent
from canonical.outcome import Conflict, Rejected, Throttled, Unavailable, Uncertain

SHARED = Path(__file__).parents[5] / "shared" / "fixtures" / "erp"
needs_recorded = pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded answers are not on this machine")
VENDOR = "application/vnd.oracle.resource+json; type=error"

RECORDED: dict[str, type[Meaning]] = {
    "400-IDEMPOTENCY_ERROR": Uncertain,
    "400-INVALID_CONTENT": Rejected,
    "400-INVALID_REQUEST": Rejected,
    "401-INVALID_LOGIN": LoginRefused,
    "404-NONEXISTENT_ID": Gone,
    "429-CONCURRENCY_LIMIT_EXCEEDED": Throttled,
    "500-UNEXPECTED_ERROR": Uncertain,
    "restlet-400-SSS_REQUEST_LIMIT_EXCEEDED": Throttled,
}
CLASSES: dict[str, tuple[type[Meaning], ...]] = {
    "throttle": (Throttled,),
    "already-accepted": (Uncertain,),
    "auth (or overload with TBA)": (LoginRefused,),
    "business/mapping": (Rejected, Gone),
    "ambiguous": (Uncertain,),
}


def answer(status: int, body: bytes | dict[str, object] = b"", **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"content_type": VENDOR, **headers}
    return Answer(status, tuple((name.replace("_", "-"), value) for name, value in told.items()), raw, 0.1)


def error(status: int, code: str, detail: str = "", path: str | None = None, **headers: str) -> Answer:
    told = {"o:errorCode": code, "detail": detail} | ({} if path is None else {"o:errorPath": path})
    return answer(status, {"status": status, "o:errorDetails": [told]}, **headers)


def written(exchange: Exchange) -> Meaning:
    return meaning_of(exchange, "salesOrder.upsert", writes=True)


@needs_recorded
def test_every_recorded_error_has_its_meaning() -> None:
    recorded = {path.stem: json.loads(path.read_text()) for path in (SHARED / "netsuite" / "errors").glob("*.json")}

    assert {name: type(written(answer(body["status"], body))) for name, body in recorded.items()} == RECORDED


@needs_recorded
def test_every_row_of_the_error_table_has_its_meaning() -> None:
    with (SHARED / "errors.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["system"].startswith("netsuite")]

    assert rows
    for row in rows:
        for code in row["code_or_text"].split(" / "):
            assert isinstance(written(error(int(row["http"][:3]), code)), CLASSES[row["class"]]), row


@pytest.mark.parametrize(
    ("exchange", "on_a_write", "on_a_read"),
    [
        (Lost("reset"), Uncertain, Unavailable),
        (NotSent("refused"), Unavailable, Unavailable),
        (NotSent("no call free", 3.0), Throttled, Throttled),
        (NotSent("no throttle", float("inf")), Throttled, Throttled),
        (answer(502, b"<html>", content_type="text/html"), Uncertain, Unavailable),
        (answer(504), Uncertain, Unavailable),
        (answer(500), Uncertain, Unavailable),
        (answer(503, retry_after="9"), Unavailable, Unavailable),
        (answer(429), Throttled, Throttled),
        (answer(302, location="https://login.example"), Uncertain, Unavailable),
        (answer(202, location="/services/rest/async/v1/job/1"), Uncertain, Unavailable),
        (answer(200, b"<html>", content_type="text/html"), Uncertain, Unavailable),
        (answer(404, b"<html>", content_type="text/html"), Uncertain, Unavailable),
        (answer(400, b"<html>", content_type="text/html"), Uncertain, Unavailable),
        (error(400, "RCRD_HAS_BEEN_CHANGED"), Conflict, Conflict),
        (error(400, "USER_ERROR", "This record already exists."), Taken, Taken),
        (error(403, "INSUFFICIENT_PERMISSION"), Rejected, Rejected),
        (error(503, "CONCURRENCY_LIMIT_EXCEEDED"), Throttled, Throttled),
        (error(400, "CONCURRENCY_LIMIT_EXCEEDED"), Throttled, Throttled),
    ],
)
def test_code_and_body_decide_before_the_status(exchange: Exchange, on_a_write: type[Meaning], on_a_read: type[Meaning]) -> None:
    assert type(written(exchange)) is on_a_write
    assert type(meaning_of(exchange, "salesOrder.get", writes=False)) is on_a_read


def test_the_wait_that_is_told_is_taken_over() -> None:
    assert written(error(429, "CONCURRENCY_LIMIT_EXCEEDED", retry_after="7")) == Throttled(
        "salesOrder.upsert: 429 CONCURRENCY_LIMIT_EXCEEDED", 7.0
    )
    unavailable = written(answer(503, retry_after="9"))
    assert isinstance(unavailable, Unavailable)
    assert unavailable.retry_after_s == 9.0


def test_a_refusal_names_the_field_and_a_remedy_and_quotes_no_value() -> None:
    told = written(
        error(400, "INVALID_CONTENT", "Invalid Field Value ada@example.com for the following field: item", "item.items[0].item")
    )

    assert isinstance(told, Rejected)
    assert told.code == "netsuite.invalid_content"
    assert "item.items[0].item" in told.reason
    assert "cross-reference" in told.remedy
    assert "ada@example.com" not in repr(told)


def test_a_path_that_quotes_a_value_is_left_out() -> None:
    told = written(error(400, "INVALID_CONTENT", "no", "Ada Canary <ada@example.com>"))

    assert isinstance(told, Rejected)
    assert "anary" not in repr(told)


STATUSES = st.integers(100, 599)
CODES = st.sampled_from(
    ["", "INVALID_CONTENT", "UNEXPECTED_ERROR", "INVALID_LOGIN", "NONEXISTENT_ID", "DUP_RCRD", "SOMETHING_NEW"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | CODES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["o:errorDetails", "o:errorCode", "detail", "o:errorPath", "error", "code"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode())
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "retry-after", "location", "content-encoding"]),
        st.sampled_from([VENDOR, "text/html", "7", "gzip", "/record/v1/salesOrder/12", "/record/v1/customer/12", ""]),
    ),
    max_size=4,
)
EXCHANGES: st.SearchStrategy[Exchange] = st.one_of(
    st.builds(Answer, STATUSES, HEADERS.map(tuple), BODIES, st.just(0.1)),
    st.builds(Lost, st.text(max_size=20), st.booleans()),
    st.builds(NotSent, st.text(max_size=20), st.none() | st.floats(0, 1e6) | st.just(float("inf"))),
)
ASK = Ask("salesOrder.upsert", "PUT", "/record/v1/salesOrder/eid:1", "salesOrder")


@given(EXCHANGES, st.booleans())
def test_anything_that_comes_back_has_a_meaning_and_none_is_a_success(exchange: Exchange, writes: bool) -> None:
    meaning = meaning_of(exchange, "salesOrder.upsert", writes=writes)

    assert isinstance(meaning, Meaning)
    if isinstance(exchange, Lost):
        assert isinstance(meaning, Uncertain if writes else Unavailable)
    if not writes:
        assert not isinstance(meaning, Uncertain)
    if isinstance(exchange, Answer) and (exchange.status < 400 or exchange.status in (500, 502, 504)) and writes:
        known = exchange.status >= 500 and not isinstance(meaning, Uncertain)
        assert isinstance(meaning, Uncertain) or (known and b"_" in exchange.body)


@given(EXCHANGES)
def test_a_write_is_done_only_by_204_with_the_address_of_the_record(exchange: Exchange) -> None:
    if isinstance(exchange, Answer) and exchange.status == 204:
        outcome = _wrote(exchange, ASK)
        assert (outcome == Wrote("12")) == (exchange.header("location") == "/record/v1/salesOrder/12")
    else:
        assert not isinstance(met(exchange, ASK, writes=True), Wrote)


@given(EXCHANGES.filter(lambda exchange: isinstance(exchange, Answer)))
def test_a_record_is_shown_only_by_its_own_json(exchange: Exchange) -> None:
    assert isinstance(exchange, Answer)
    shown = _shown(exchange, ASK)

    assert isinstance(shown, Unavailable) or str(shown["id"]).isdecimal()


def test_a_field_that_was_ignored_is_a_refusal_for_a_person() -> None:
    told = Answer(204, (("location", "/record/v1/salesOrder/12"), ("x-netsuite-propertyvalidation", "Warning")), b"", 0.1)

    assert isinstance(_wrote(told, ASK), Rejected)
