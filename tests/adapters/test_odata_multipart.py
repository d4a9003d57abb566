"""A multipart batch of OData: what is written can be read by a strict reader, and no odd answer is taken for a reply."""

import pytest

from adapters.wire.odata import Part, Reply
from adapters.wire.odata_multipart import multipart_body, multipart_replies
from workers.sandbox.odata.multipart import read_parts

TYPE = "multipart/mixed; boundary=batchresponse_1"
ROOT = "/api/data/v9.2"


def answer(*parts: str, end: str = "--batchresponse_1--") -> bytes:
    head = "--batchresponse_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    return ("".join(f"{head}{part}\r\n" for part in parts) + f"{end}\r\n").encode()


def test_what_is_written_is_read_as_the_same_requests() -> None:
    body = {"name": "ünï\r\n--batch_ \u2028", "mr_key": "shopify_1"}
    parts = [
        Part("POST", "salesorders", body, (("prefer", "return=representation"),)),
        Part("GET", "salesorders(1)?$select=name"),
    ]

    content_type, raw = multipart_body(parts, ROOT)
    posted, got = read_parts(content_type, f"{ROOT}/", raw)

    assert (posted.method, posted.path, posted.body) == ("POST", (("salesorders", None),), body)
    assert posted.headers == {"prefer": "return=representation", "content-type": "application/json"}
    assert (got.method, got.path, got.query) == ("GET", (("salesorders", "1"),), {"$select": "name"})


def test_replies_are_read_in_order_and_those_behind_a_stop_are_missing() -> None:
    made = 'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n\r\n{"salesorderid": "7"}'
    refused = 'HTTP/1.1 412 Precondition Failed\r\nContent-Type: application/json\r\n\r\n{"error": {"code": "0x80060892"}}'
    empty = "HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n\r\n"

    replies = multipart_replies(TYPE, answer(made, empty, refused), 4)

    assert replies == [Reply(201, {"salesorderid": "7"}), Reply(204), Reply(412, {"error": {"code": "0x80060892"}}), None]


def test_a_part_without_readable_json_keeps_its_status() -> None:
    html = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/html\r\n\r\n<html>"

    assert multipart_replies(TYPE, answer(html), 1) == [Reply(500)]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("text/html", b"<html>Log in</html>"),
        (TYPE, b""),
        (TYPE, b"<html>Log in</html>"),
        ("multipart/mixed", answer("HTTP/1.1 204 No Content\r\n\r\n")),
        (TYPE, answer("HTTP/1.1 204 No Content\r\n\r\n", end="--batchresp")),
        (TYPE, answer("not http at all\r\n\r\n")),
        (TYPE, answer(*["HTTP/1.1 204 No Content\r\n\r\n"] * 3)),
        (TYPE, b"--batchresponse_1\r\nContent-Type: text/plain\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n--batchresponse_1--"),
    ],
)
def test_what_is_no_whole_batch_answer_is_none(content_type: str, body: bytes) -> None:
    assert multipart_replies(content_type, body, 2) is None
