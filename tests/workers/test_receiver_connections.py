"""What one connection may do: several requests on it, a body in pieces, a half that ends, and nothing that is no HTTP/1.1."""

import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.channels.requests import SECRETS, shopify_headers
from tests.workers.receiver_process import Running, receiver

BODY = b'{"id": 1}'
HEALTH = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("receiver")
    with receiver(f"sqlite:///{folder / 'ledger.db'}", most_connections=32) as found:
        yield found


def signed(event: str, body: bytes = BODY, *more: str, length: bool = True) -> bytes:
    """The head of a signed event."""
    told = [f"{name}: {value}" for name, value in shopify_headers(body, SECRETS["shopify"], event=event)]
    told += [f"content-length: {len(body)}"] if length else []
    return "\r\n".join(["POST /in/shop HTTP/1.1", "host: x", *told, *more, "", ""]).encode()


def until_closed(link: socket.socket) -> bytes:
    """All that comes until the other side ends the connection."""
    parts = []
    while part := link.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def until(link: socket.socket, told: bytes, times: int = 1) -> bytes:
    """What comes until these bytes were seen so often."""
    found = b""
    while found.count(told) < times:
        part = link.recv(65_536)
        assert part, found
        found += part
    return found


def statuses(answers: bytes) -> list[int]:
    return [int(part.split()[0]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def test_one_connection_serves_one_request_after_the_other(running: Running) -> None:
    with running.connect() as link:
        for number in range(3):
            link.sendall(signed(f"kept-alive-{number}") + BODY)
            assert statuses(until(link, b"}")) == [200]


def test_requests_sent_ahead_are_answered_in_their_order(running: Running) -> None:
    ahead = [signed("ahead") + BODY, HEALTH, b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"]
    with running.connect() as link:
        link.sendall(b"".join(ahead))

        assert statuses(until_closed(link)) == [200, 200, 404]


def test_more_requests_ahead_than_any_sender_needs_end_the_connection(running: Running) -> None:
    with running.connect() as link:
        link.sendall(HEALTH * 2_000)

        answers = until_closed(link)

    assert len(statuses(answers)) < 20


def test_a_body_in_pieces_and_in_chunks_is_kept_whole(running: Running) -> None:
    with running.connect() as link:
        link.sendall(signed("pieces") + BODY[:3])
        assert not select.select([link], [], [], 0.05)[0]
        link.sendall(BODY[3:])
        assert statuses(until(link, b"}")) == [200]

        link.sendall(signed("chunks", BODY, "transfer-encoding: chunked", length=False))
        for part in (BODY[:4], BODY[4:]):
            link.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        link.sendall(b"0\r\nx-shopify-hmac-sha256: trailer\r\n\r\n")
        assert statuses(until(link, b"}")) == [200]


def test_a_sender_that_asks_first_is_told_to_go_on(running: Running) -> None:
    with running.connect() as link:
        link.sendall(signed("asked", BODY, "expect: 100-continue"))
        assert statuses(until(link, b"\r\n\r\n")) == [100]
        link.sendall(BODY)
        assert statuses(until(link, b"}")) == [200]


def test_a_sender_that_ended_its_half_still_gets_its_answer(running: Running) -> None:
    with running.connect() as link:
        link.sendall(signed("half") + BODY)
        link.shutdown(socket.SHUT_WR)

        assert statuses(until_closed(link)) == [200]


def test_an_old_or_a_closing_request_is_the_last_of_its_connection(running: Running) -> None:
    for request in (b"GET /health HTTP/1.0\r\n\r\n", b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"):
        with running.connect() as link:
            link.sendall(request)
            answer = until_closed(link)
        assert statuses(answer) == [200]
        assert b"\r\nconnection: close\r\n" in answer


def test_a_head_is_told_without_its_body(running: Running) -> None:
    with running.connect() as link:
        link.sendall(b"HEAD /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        head, _, body = until_closed(link).partition(b"\r\n\r\n")

    assert b"content-length: 19" in head
    assert b"\r\ndate: " in head
    assert body == b""


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /in/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        b"POST /in/shop HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /in/shop HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: x\r\nx-one : 1\r\n\r\n",
        b"POST /in/shop HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnot a length\r\n",
    ],
    ids=["tls", "two lengths", "length and chunks", "negative length", "space before colon", "bad chunk"],
)
def test_what_is_no_plain_request_is_refused_and_ends_the_connection(running: Running, nonsense: bytes) -> None:
    with running.connect() as link:
        link.sendall(nonsense)

        assert statuses(until_closed(link)) == [400]


def test_a_wish_for_another_protocol_is_passed_over_and_the_last_of_its_connection(running: Running) -> None:
    wish = "upgrade: h2c", "connection: upgrade, http2-settings", "http2-settings: AAEAAEAAAAIAAAAB"
    with running.connect() as link:
        link.sendall(signed("upgrade", BODY, *wish) + BODY)
        assert statuses(until_closed(link)) == [200]

    with running.connect() as link:
        link.sendall(signed("upgrade-in-pieces", BODY, *wish))
        for byte in BODY:
            assert not select.select([link], [], [], 0.01)[0]
            link.sendall(bytes([byte]))
        assert statuses(until_closed(link)) == [200]


def test_nonsense_behind_a_good_request_costs_that_one_nothing(running: Running) -> None:
    with running.connect() as link:
        link.sendall(signed("before-nonsense") + BODY + b"\x00\x01nonsense\r\n\r\n")

        assert statuses(until_closed(link)) == [200]


def test_many_small_headers_are_refused(running: Running) -> None:
    with running.connect() as link:
        link.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 200 + b"\r\n")

        assert statuses(until_closed(link)) == [431]


def test_a_connection_that_only_stands_there_is_ended_without_a_word(running: Running) -> None:
    with running.connect() as fresh, running.connect() as used:
        used.sendall(HEALTH)
        until(used, b"}")

        assert until_closed(fresh) == b""
        assert until_closed(used) == b""


def test_a_sender_that_does_not_read_its_answers_holds_no_more_than_a_few(running: Running) -> None:
    asking = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"
    with running.connect() as link:
        link.setblocking(False)
        sent = 0
        while select.select([], [link], [], 1.0)[1]:
            try:
                sent += link.send(asking)
            except (BlockingIOError, ConnectionError):
                break
            if sent > 50_000_000:
                break

        assert running.ask("GET", "/health").status == 200
    assert sent < 50_000_000
