"""The open target: a canonical document told to any endpoint, once in effect whatever is lost or repeated."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from adapters.channels.base import Parsed
from adapters.erps.base import Account
from adapters.http.answers import Answer, Lost, NotSent
from adapters.services.open.adapter import build_open
from adapters.services.open.answers import outcome_of
from adapters.services.open.envelope import body_of, id_of, open_target_schema
from canonical.kinds import AnyDocument
from canonical.operation import OPERATIONS, Operation
from canonical.outcome import Absent, AlreadyDone, Done, Outcome, Rejected, Throttled, Unavailable, Uncertain
from config.nearest import ConfigError
from tests.adapters.channels.requests import ROOT, parse
from tests.adapters.services.receiving_side import OTHER, SECRET, ReceivingSide, a_receiving_side, posting
from tests.documents import a_position, a_reservation, a_return, a_shipment, an_order

PUBLISHED = ROOT / "docs" / "schemas" / "open-target.schema.json"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReceivingSide]:
    with a_receiving_side(tmp_path_factory.mktemp("open")) as side:
        yield side


@pytest.fixture
def side(running: ReceivingSide) -> Iterator[ReceivingSide]:
    running.heal()
    yield running
    running.heal()


def a_document(operation: Operation) -> AnyDocument:
    """A document that nobody told before."""
    key = f"n{next(_numbers)}"
    made: dict[str, AnyDocument] = {
        "order": an_order(key),
        "shipment": a_shipment(key),
        "return": a_return(key),
        "stock": a_position(key),
        "reservation": a_reservation(key),
    }
    return made[operation.partition(".")[0]]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_effect_is_taken_in_once_however_often_it_is_posted(side: ReceivingSide, operation: Operation) -> None:
    document = a_document(operation)

    first, again = side.post(operation, document), side.post(operation, document)

    assert isinstance(first, Done)
    assert again == first
    assert [(entry.operation, entry.version) for entry in side.commits(document)] == [(operation, "1")]
    assert side.spent == 1


def test_a_lost_answer_is_in_doubt_and_sending_again_leaves_one_effect(side: ReceivingSide) -> None:
    position = a_document("stock.publish")
    side.control("POST", "faults", {"kind": "lost_answer", "next": 1})

    lost = side.post("stock.publish", position)
    found = side.find("stock.publish", position)
    again = side.post("stock.publish", position)

    assert isinstance(lost, Uncertain)
    assert found == Absent()
    assert isinstance(again, Done)
    assert len(side.commits(position)) == 1


def test_another_version_is_another_effect(side: ReceivingSide) -> None:
    key = f"n{next(_numbers)}"

    side.post("stock.publish", a_position(key, available=5), 1)
    side.post("stock.publish", a_position(key, available=4, told_at=1), 2)

    assert [(e.version, e.quantity) for e in side.commits(a_position(key))] == [("1", "5"), ("2", "4")]


def test_both_secrets_sign_while_they_rotate(side: ReceivingSide) -> None:
    documents = [a_document("stock.publish") for _ in range(3)]

    rotating = [side.post("stock.publish", one, secret=secret) for one, secret in
                zip(documents, (f"{OTHER} {SECRET}", f"{SECRET} {OTHER}"), strict=False)]  # fmt: skip
    alone = side.post("stock.publish", documents[2], secret=OTHER)

    assert all(isinstance(outcome, Done) for outcome in rotating)
    assert isinstance(alone, Unavailable)
    assert side.commits(documents[2]) == []


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        ({"kind": "outage", "retry_after_s": 7}, Unavailable("503: nothing is taken in now", 7.0)),
        ({"kind": "error_500"}, Uncertain("500: whether it was taken in is not said")),
        ({"kind": "poison"}, "open.422"),
        ({"kind": "unauthorized"}, Unavailable),
        ({"kind": "reset"}, Uncertain),
        ({"kind": "late_answer", "wait_s": 1.5}, Uncertain),
        ({"kind": "html_200", "commits": True}, Done),
        ({"kind": "empty_200", "commits": True}, Done),
    ],
)
def test_what_the_receiving_side_does_has_one_meaning(side: ReceivingSide, fault: dict[str, Any], wanted: object) -> None:
    side.control("POST", "faults", {**fault, "next": 1})

    outcome = side.post("stock.publish", a_document("stock.publish"))

    if isinstance(wanted, type):
        assert isinstance(outcome, wanted)
    else:
        assert (outcome.code if isinstance(outcome, Rejected) else outcome) == wanted


def test_a_throttle_answer_tells_how_long(side: ReceivingSide) -> None:
    side.control("PATCH", "limits", {"rate_per_s": 0.001, "burst": 1, "retry_after_s": 3})

    side.post("stock.publish", a_document("stock.publish"))
    outcome = side.post("stock.publish", a_document("stock.publish"))

    assert outcome == Throttled("429: too many requests", 3.0)


def test_an_endpoint_that_does_not_listen_is_unavailable(side: ReceivingSide) -> None:
    assert isinstance(side.post("stock.publish", a_position(), url="http://127.0.0.1:1/x"), Unavailable)


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    told = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, (("content-type", "application/json"), *told), body, 0.1)


@pytest.mark.parametrize(
    ("exchange", "wanted"),
    [
        (answer(200, b'{"id": "W-7"}'), Done("W-7")),
        (answer(202, b'{"id": 7}'), Done("7")),
        (answer(204), Done("me")),
        (answer(200, b'{"id": true}'), Done("me")),
        (answer(200, b'{"id": "' + b"x" * 121 + b'"}'), Done("me")),
        (answer(200, b"[1]"), Done("me")),
        (answer(409, b'{"id": "me"}'), AlreadyDone("me")),
        (answer(409, webhook_id="me"), AlreadyDone("me")),
        (NotSent("no call free", 2.0), Throttled("no call free", 2.0, own=True)),
        (NotSent("no call free", float("inf")), Throttled("no call free", None, own=True)),
        (NotSent("refused"), Unavailable("refused")),
        (Lost("cut"), Uncertain("cut")),
    ],
)
def test_an_answer_is_read_for_what_it_says(exchange: Answer | NotSent | Lost, wanted: Outcome) -> None:
    assert outcome_of(exchange, "me") == wanted


@pytest.mark.parametrize("status", [400, 402, 409, 412, 413, 415, 418, 422, 451])
def test_a_refusal_of_the_document_is_for_a_person(status: int) -> None:
    outcome = outcome_of(answer(status, b'{"error": "Ada Canary, canary@example.com"}'), "me")

    assert isinstance(outcome, Rejected)
    assert outcome.code == f"open.{status}"
    assert "anary" not in repr(outcome)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404, 405, 408, 410, 425, 503])
def test_what_no_document_can_help_is_tried_again_later(status: int) -> None:
    assert isinstance(outcome_of(answer(status), "me"), Unavailable)


@pytest.mark.parametrize("status", [500, 502, 504, 599, 100])
def test_an_answer_that_does_not_say_what_was_done_is_in_doubt(status: int) -> None:
    assert isinstance(outcome_of(answer(status), "me"), Uncertain)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_sent_fits_the_published_schema(operation: Operation) -> None:
    body = json.loads(body_of(posting(operation, a_document(operation))))

    Draft202012Validator(json.loads(PUBLISHED.read_text())).validate(body)
    assert (body["type"], body["version"]) == (operation, 1)


def test_the_published_schema_is_the_one_in_force() -> None:
    assert json.loads(PUBLISHED.read_text()) == open_target_schema()
    Draft202012Validator.check_schema(open_target_schema())


@pytest.mark.parametrize("operation", ["order.create", "shipment.create", "return.create", "stock.publish", "reservation.create"])
def test_what_is_sent_is_what_the_open_channel_takes_once_its_source_is_left_out(operation: Operation) -> None:
    body = json.loads(body_of(posting(operation, a_document(operation))))
    source = body["data"].pop("source")
    envelope = {"type": f"{body['data']['kind']}.upserted", "timestamp": body["timestamp"], "data": body["data"]}

    answer = parse("open", envelope)

    assert source == "shopify"
    assert isinstance(answer, Parsed)


def test_the_id_of_an_effect_is_its_own_and_holds_no_full_stop() -> None:
    documents = (a_position(), a_position(location="ulm"), a_position("SKU-2"))
    told = [
        id_of(target, posting("stock.publish", document, version))
        for target in ("wms", "shop")
        for document in documents
        for version in (1, 2)
    ]  # fmt: skip

    assert len(set(told)) == len(told)
    assert id_of("wms", posting("stock.publish", a_position(), 1)) == told[0]
    assert all("." not in one and len(one) <= 100 for one in told)


@pytest.mark.parametrize(
    ("account", "said"),
    [
        (Account("wms", "http://wms.example/in", SECRET, 1, 1), "https"),
        (Account("wms", "https://wms.example/in?key=1", SECRET, 1, 1), "query"),
        (Account("wms", "https://wms.example/in", "", 1, 1), "secret"),
        (Account("wms", "https://wms.example/in", "plain", 1, 1), "whsec_"),
        (Account("wms", "https://wms.example/in", SECRET, 1, 1, {"colour": "red"}), "unknown option"),
    ],
)
def test_what_cannot_be_used_stops_the_boot(account: Account, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        build_open(account)

    assert "plain" not in str(refused.value)
    assert isinstance(refused.value, ConfigError) or "whsec_" in said
