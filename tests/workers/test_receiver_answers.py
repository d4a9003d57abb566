"""What the receiver answers: every bad request gets a clear status, and nothing of it is kept."""

import select
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.session import Ledger
from tests.adapters.channels.requests import SECRETS, example, open_headers, shopify_headers
from tests.workers.receiver_process import Response, Running, receiver
from tests.workers.receiver_program import MOST_BODY, READ_TIME_S

BODY = b'{"id": 1}'


@pytest.fixture(scope="module")
def ledger_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("receiver") / "ledger.db"


@pytest.fixture(scope="module")
def running(ledger_file: Path) -> Iterator[Running]:
    with receiver(f"sqlite:///{ledger_file}", most_connections=64) as found:
        yield found


@pytest.fixture
def rows(ledger_file: Path) -> Iterator["Rows"]:
    ledger = Ledger(f"sqlite:///{ledger_file}")
    yield Rows(ledger)
    ledger.close()


class Rows:
    """What the ledger holds."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def count(self) -> int:
        with self._ledger.read() as session:
            return int(session.execute(text("SELECT count(*) FROM events")).scalar_one())

    def row(self, event_id: int) -> dict[str, object]:
        with self._ledger.read() as session:
            found = session.execute(text("SELECT * FROM events WHERE id = :id"), {"id": event_id}).mappings().one()
            return dict(found)


def is_problem(answer: Response, status: int) -> bool:
    """A problem document (RFC 9457) of this status that tells nothing of our inside."""
    document = answer.json()
    assert set(document) == {"type", "title", "status", "detail"}
    assert not any(word in answer.body.lower() for word in (b"traceback", b".py", b"sql", b"python"))
    return answer.status == document["status"] == status and answer.headers["content-type"] == "application/problem+json"


def raw(running: Running, request: bytes) -> int:
    """Status of the answer to exactly these bytes."""
    with running.connect() as link:
        link.sendall(request)
        return int(link.recv(4096).split()[1])


def test_a_signed_event_is_kept_as_it_came(running: Running, rows: Rows) -> None:
    body = example("shopify")

    answer = running.post(body, "kept")

    assert answer.status == 200
    row = rows.row(answer.json()["id"])
    assert row["body"] == body
    assert (row["source"], row["topic"], row["domain"], row["class"]) == ("shop", "orders/create", "orders", "normal")
    assert row["state"] == "accepted"
    assert "x-shopify-hmac-sha256" not in str(row["headers"])
    assert "x-shopify-event-id" in str(row["headers"])


def test_the_class_comes_from_the_configuration(running: Running, rows: Rows) -> None:
    assert rows.row(running.post(BODY, "urgent", "orders/cancelled").json()["id"])["class"] == "high"


def test_an_unknown_topic_is_kept_and_not_worked_on(running: Running, rows: Rows) -> None:
    row = rows.row(running.post(BODY, "topic", "products/update").json()["id"])

    assert (row["state"], row["domain"]) == ("kept", None)


def test_an_event_told_again_is_answered_like_the_first(running: Running, rows: Rows) -> None:
    first = running.post(BODY, "twice")
    count = rows.count()

    again = running.post(b'{"id": 1, "updated": true}', "twice")

    assert (again.status, again.json()) == (200, first.json())
    assert rows.count() == count


def test_a_body_that_is_not_json_but_signed_is_kept_for_the_failure_desk(running: Running, rows: Rows) -> None:
    assert rows.row(running.post(b"\x00\xff<html>", "junk").json()["id"])["body"] == b"\x00\xff<html>"


def test_the_open_channel_is_served_too(running: Running, rows: Rows) -> None:
    row = rows.row(running.post_open(example("open"), "msg_1").json()["id"])

    assert (row["source"], row["topic"], row["event_key"]) == ("portal", "order.upserted", "msg_1")


def test_an_open_body_that_is_no_envelope_is_refused(running: Running, rows: Rows) -> None:
    before = rows.count()

    assert is_problem(running.post_open(b"[1", "msg_2"), 400)
    assert rows.count() == before


def test_an_old_signature_of_the_open_channel_is_refused(running: Running) -> None:
    headers = dict(open_headers(BODY, SECRETS["open"], at=datetime.now(UTC) - timedelta(minutes=6)))

    assert is_problem(running.ask("POST", "/in/portal", BODY, headers), 401)


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "of another key", "of another body", "not base64"])
def test_a_wrong_signature_is_refused_and_nothing_kept(running: Running, rows: Rows, damage: str) -> None:
    headers = dict(shopify_headers(BODY, SECRETS["shopify"], event="bad"))
    good = headers["x-shopify-hmac-sha256"]
    before = rows.count()
    bad = {
        "missing": None,
        "empty": "",
        "truncated": good[:20],
        "of another key": dict(shopify_headers(BODY, b"guess"))["x-shopify-hmac-sha256"],
        "of another body": dict(shopify_headers(b"{}", SECRETS["shopify"]))["x-shopify-hmac-sha256"],
        "not base64": "*" * 44,
    }[damage]
    if bad is None:
        del headers["x-shopify-hmac-sha256"]
    else:
        headers["x-shopify-hmac-sha256"] = bad

    assert is_problem(running.ask("POST", "/in/shop", BODY, headers), 401)
    assert rows.count() == before


def test_a_doubled_signature_is_refused(running: Running) -> None:
    headers = shopify_headers(BODY, SECRETS["shopify"], event="doubled")
    lines = [f"{name}: {value}" for name, value in [*headers, headers[-1]]]
    head = "\r\n".join(["POST /in/shop HTTP/1.1", "host: x", f"content-length: {len(BODY)}", *lines, "", ""]).encode()

    assert raw(running, head + BODY) == 401


def test_an_unknown_source_is_told_before_its_body_is_read(running: Running) -> None:
    assert raw(running, b"POST /in/nobody HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n") == 404
    assert is_problem(running.ask("POST", "/in/", BODY), 404)
    assert is_problem(running.ask("POST", "/in/shop/more", BODY), 404)
    assert is_problem(running.ask("GET", "/"), 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_not_allowed(running: Running, method: str) -> None:
    answer = running.ask(method, "/in/shop")

    assert is_problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    assert running.ask("POST", "/health").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "GZIP"])
def test_an_encoded_body_is_refused(running: Running, encoding: str) -> None:
    assert is_problem(running.post(BODY, "encoded", **{"content-encoding": encoding}), 415)


def test_a_body_that_says_it_is_too_large_is_refused_at_once(running: Running) -> None:
    assert raw(running, b"POST /in/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 2097152\r\n\r\n") == 413


def test_a_body_as_large_as_allowed_is_taken_and_one_byte_more_is_not(running: Running) -> None:
    assert running.post(b"x" * MOST_BODY, "largest").status == 200
    assert is_problem(running.post(b"x" * (MOST_BODY + 1), "too large"), 413)


def test_a_streamed_body_without_length_is_capped_too(running: Running) -> None:
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"

    assert raw(running, b"POST /in/shop HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + chunk * 5) == 413


def test_a_body_that_drips_is_given_up_after_its_time(running: Running) -> None:
    began = time.monotonic()
    with running.connect() as link:
        link.sendall(b"POST /in/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
        while not readable(link, 0.05):
            link.sendall(b"x")
            assert time.monotonic() - began < 10 * READ_TIME_S
        answer = link.recv(4096)

    assert answer.split()[1] == b"408"
    assert time.monotonic() - began >= READ_TIME_S


def test_headers_that_drip_end_the_connection(running: Running) -> None:
    with running.connect() as link:
        link.sendall(b"POST /in/shop HTTP/1.1\r\nhost: x\r\n")
        assert readable(link, 10)
        assert b"200" not in link.recv(4096)


def test_headers_without_end_are_refused(running: Running) -> None:
    with running.connect() as link:
        try:
            link.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n" + b"x-filler: " + b"y" * 200_000)
            answer = link.recv(4096)
        except ConnectionError:
            answer = b""
    assert not answer or answer.split()[1] == b"431"


def test_a_sender_that_leaves_in_the_middle_keeps_nothing_and_harms_nobody(running: Running, rows: Rows) -> None:
    before = rows.count()
    with running.connect() as link:
        link.sendall(b"POST /in/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf")

    assert running.ask("GET", "/health").status == 200
    assert rows.count() == before


def test_health_ready_and_metrics_tell_how_it_is(running: Running) -> None:
    running.post(BODY, "measured")

    assert running.ask("GET", "/health").json() == {"status": "alive"}
    assert running.ask("GET", "/ready").json() == {"ledger": "up", "broker": "down", "waiting": 0}
    assert running.metric("millrace_intake_commit_seconds_count") >= 1


def test_more_connections_than_allowed_wait_and_are_served_when_one_ends(tmp_path: Path) -> None:
    with receiver(f"sqlite:///{tmp_path / 'few.db'}", most_connections=4) as running:
        held = [running.connect() for _ in range(4)]
        for link in held:
            link.sendall(b"POST /in/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n")
        # Each held connection ends with 408 after its reading time; then there is room again.
        assert running.ask("GET", "/health").status == 200
        for link in held:
            link.close()


def test_answers_carry_no_banner(running: Running) -> None:
    answer = running.ask("GET", "/health")

    assert not {"x-powered-by", "via"} & set(answer.headers)
    assert answer.headers["server"] == "millrace"


def readable(link: socket.socket, within_s: float) -> bool:
    return bool(select.select([link], [], [], within_s)[0])


def test_a_header_beyond_ascii_costs_nobody_an_event(running: Running, rows: Rows) -> None:
    headers = [*shopify_headers(BODY, SECRETS["shopify"], event="beyond-ascii"), ("x-note", "gr\xfc\xdfe")]
    told = "".join(f"{name}: {value}\r\n" for name, value in headers)

    head = f"POST /in/shop HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n{told}\r\n"

    assert raw(running, head.encode("latin-1") + BODY) == 200
