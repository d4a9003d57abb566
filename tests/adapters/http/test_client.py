"""What the network does to a request, and which of the three values comes back."""

import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from adapters.http.answers import Answer, Exchange, Lost, NotSent
from adapters.http.client import Client
from adapters.http.target import Target, segment
from adapters.http.wire import Connection, Limits, connect
from tests.adapters.http.conftest import OK, Peer, Server, Talk

SECRET = "Bearer sesame-0815"


def client_of(url: str, **settings: float) -> Client:
    return Client(
        Target("books", url + "/api", (("Authorization", SECRET),), answer_timeout_s=1.0, **settings)  # type: ignore[arg-type]
    )


def send(client: Client, method: str = "POST", body: bytes = b'{"a":1}', *, idempotent: bool = False) -> Exchange:
    return client.send(client.prepare(method, "/order", (), (), body), body, idempotent=idempotent)


def answers(reply: bytes, times: int = 1) -> Talk:
    def talk(peer: Peer) -> None:
        for _ in range(times):
            peer.read()
            peer.say(reply)
        peer.wait_for_end()

    return talk


def reads_and_closes(peer: Peer) -> None:
    peer.read()


def test_an_answer_comes_whole_and_the_connection_is_kept(server: Server) -> None:
    server.talks = [answers(OK, times=3)]
    client = client_of(server.url)

    outcomes = [send(client) for _ in range(3)]

    assert [outcome.status for outcome in outcomes if isinstance(outcome, Answer)] == [200, 200, 200]
    assert server.connections == 1
    head = server.requests[0].lower()
    assert head.startswith(b"post /api/order http/1.1\r\n")
    assert b"accept-encoding: identity" in head
    assert b"authorization: bearer sesame-0815" in head


def test_a_refused_connection_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    assert isinstance(send(client_of(f"http://127.0.0.1:{port}")), NotSent)


def test_a_name_without_address_is_not_sent() -> None:
    assert isinstance(send(client_of("http://no-such-host.invalid")), NotSent)


def test_a_target_that_speaks_no_tls_is_not_sent(server: Server) -> None:
    server.talks = [lambda peer: peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")]

    outcome = send(client_of(server.url.replace("http:", "https:")))

    assert isinstance(outcome, NotSent)
    assert server.requests == []


def test_a_reset_after_the_request_was_read_is_lost(server: Server) -> None:
    def talk(peer: Peer) -> None:
        peer.read()
        peer.reset()

    server.talks = [talk]

    assert isinstance(send(client_of(server.url)), Lost)
    assert len(server.requests) == 1


def test_a_reset_before_the_first_byte_was_written_is_not_sent(server: Server) -> None:
    connected = threading.Event()

    def talk(peer: Peer) -> None:
        connected.wait(5)
        peer.reset()

    server.talks = [talk]
    target = Target("books", server.url)
    connection = connect(target, None)
    assert isinstance(connection, Connection)
    connected.set()
    server.wait_ended(1)
    deadline = time.monotonic() + 5
    while connection.quiet():
        assert time.monotonic() < deadline

    request = Client(target).prepare("POST", "/order", (), (), b"{}")
    outcome = connection.exchange(request, b"{}", Limits(time.monotonic() + 1, 1, 1000))

    assert isinstance(outcome, NotSent)
    assert server.requests == []


def test_a_reset_while_a_large_request_is_written_is_lost_and_never_repeated(server: Server) -> None:
    def talk(peer: Peer) -> None:
        peer.line.recv(1000)
        peer.reset()

    server.talks = [talk]

    outcome = send(client_of(server.url), body=b"x" * 20_000_000)

    assert isinstance(outcome, Lost)
    assert server.connections == 1


def test_a_close_without_an_answer_is_lost(server: Server) -> None:
    server.talks = [reads_and_closes]

    assert send(client_of(server.url)) == Lost("the connection was closed without an answer", silent=True)


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 20",
        b"HTTP/1.1 204 No Content\r\nLocation: /1\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_a_truncated_answer_is_lost(server: Server, cut: bytes) -> None:
    def talk(peer: Peer) -> None:
        peer.read()
        peer.say(cut)

    server.talks = [talk]

    outcome = send(client_of(server.url))

    assert isinstance(outcome, Lost)
    assert not outcome.silent


@pytest.mark.parametrize(
    "garbage",
    [
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nX-Bad: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_proper_http_is_lost(server: Server, garbage: bytes) -> None:
    server.talks = [answers(garbage)]

    assert isinstance(send(client_of(server.url)), Lost)


def test_a_slow_answer_is_lost_at_the_deadline_even_when_it_drips(server: Server) -> None:
    over = threading.Event()

    def talk(peer: Peer) -> None:
        peer.read()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not over.wait(0.05):
            peer.say(b"x")

    server.talks = [talk]
    began = time.monotonic()

    outcome = send(client_of(server.url))

    over.set()
    assert outcome == Lost("no whole answer within 1 s")
    assert time.monotonic() - began < 10, "1000 bytes of which one comes every 0.05 s"


def test_an_answer_above_the_cap_is_lost_and_never_held_in_memory(server: Server) -> None:
    server.talks = [answers(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 300_000)]

    assert send(client_of(server.url, max_body_bytes=100_000)) == Lost("the answer is larger than 100000 bytes")


def test_a_redirect_is_an_answer_and_is_never_followed(server: Server) -> None:
    where = f"{server.url}/elsewhere".encode()
    server.talks = [answers(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: " + where + b"\r\nContent-Length: 0\r\n\r\n")]

    outcome = send(client_of(server.url))

    assert isinstance(outcome, Answer)
    assert outcome.status == 307
    assert len(server.requests) == 1


def test_a_compressed_answer_stays_compressed(server: Server) -> None:
    body = b"\x1f\x8b\x08\x00 a bomb"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    server.talks = [answers(head + body)]

    outcome = send(client_of(server.url))

    assert isinstance(outcome, Answer)
    assert outcome.body == body


def test_an_early_refusal_of_a_large_request_is_an_answer(server: Server) -> None:
    def talk(peer: Peer) -> None:
        peer.line.recv(1000)
        peer.say(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_end()

    server.talks = [talk]

    outcome = send(client_of(server.url), body=b"x" * 5_000_000)

    assert isinstance(outcome, Answer)
    assert outcome.status == 413


def test_a_connection_closed_while_idle_is_replaced_before_anything_is_written(server: Server) -> None:
    def talk(peer: Peer) -> None:
        peer.read()
        peer.say(OK)

    server.talks = [talk]
    client = client_of(server.url)

    for number in range(1, 4):
        assert isinstance(send(client), Answer)
        server.wait_ended(number)

    assert (server.connections, len(server.requests)) == (3, 3)


def dies_on_the_second_request(peer: Peer) -> None:
    peer.read()
    peer.say(OK)
    peer.read()


def test_a_kept_connection_that_dies_under_a_post_is_lost_and_not_repeated(server: Server) -> None:
    server.talks = [dies_on_the_second_request, answers(OK)]
    client = client_of(server.url)
    send(client)

    assert isinstance(send(client), Lost)
    assert (server.connections, len(server.requests)) == (1, 2)


def test_a_kept_connection_that_dies_under_a_get_is_replaced_once(server: Server) -> None:
    server.talks = [dies_on_the_second_request, answers(OK)]
    client = client_of(server.url)
    send(client)

    assert isinstance(send(client, "GET", b"", idempotent=True), Answer)
    assert (server.connections, len(server.requests)) == (2, 3)


def test_a_fresh_connection_that_dies_under_a_get_is_lost(server: Server) -> None:
    server.talks = [reads_and_closes]

    assert isinstance(send(client_of(server.url), "GET", b"", idempotent=True), Lost)
    assert server.connections == 1


def test_surplus_bytes_after_an_answer_are_never_the_answer_to_the_next_request(server: Server) -> None:
    smuggled = b"HTTP/1.1 204 No Content\r\nLocation: /somebody-elses\r\n\r\n"
    server.talks = [answers(OK + smuggled), answers(OK)]
    client = client_of(server.url)

    outcomes = [send(client), send(client)]

    assert [outcome.status for outcome in outcomes if isinstance(outcome, Answer)] == [200, 200]
    assert server.connections == 2


def test_a_connection_the_answer_says_is_closing_is_not_kept(server: Server) -> None:
    server.talks = [answers(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")]
    client = client_of(server.url)

    assert isinstance(send(client), Answer)
    assert isinstance(send(client), Answer)
    assert server.connections == 2


def test_many_threads_share_a_client_and_each_gets_its_own_answer(server: Server) -> None:
    def echo(peer: Peer) -> None:
        while request := peer.read():
            body = request.partition(b"\r\n\r\n")[2]
            peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)

    server.talks = [echo]
    client = client_of(server.url)
    wrong: list[Exchange] = []

    def work(name: int) -> None:
        for number in range(50):
            body = f"{name}-{number}".encode()
            outcome = send(client, body=body)
            if not isinstance(outcome, Answer) or outcome.body != body:
                wrong.append(outcome)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert server.connections <= 8


@pytest.fixture
def self_signed(tmp_path: Path) -> tuple[str, str]:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *subject]
    subprocess.run(argv, check=True, capture_output=True)
    return key, certificate


def tls_talk(key: str, certificate: str) -> Talk:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def talk(peer: Peer) -> None:
        peer.line = context.wrap_socket(peer.line, server_side=True)
        while peer.read():
            peer.say(OK)

    return talk


def test_a_certificate_nobody_vouches_for_is_not_sent(server: Server, self_signed: tuple[str, str]) -> None:
    server.talks = [tls_talk(*self_signed)]

    outcome = send(client_of(server.url.replace("http:", "https:")))

    assert isinstance(outcome, NotSent)
    assert "not trusted" in outcome.reason
    assert server.requests == []


def test_a_trusted_certificate_carries_requests_over_a_kept_connection(server: Server, self_signed: tuple[str, str]) -> None:
    server.talks = [tls_talk(*self_signed)]
    client = Client(Target("books", server.url.replace("http:", "https:"), ca_file=self_signed[1]))

    assert [type(send(client)) for _ in range(3)] == [Answer] * 3
    assert server.connections == 1


@pytest.mark.parametrize(
    "path", ["order", "/../admin", "/a/./b", "/a b", "/a\r\nX: 1", "/a\x00", "//é", "https://evil.example/", "/a#b", ""]
)
def test_a_path_that_could_leave_its_place_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="segment"):
        client_of("http://127.0.0.1:1").prepare("GET", path, (), (), b"")


def test_a_key_with_slashes_and_nul_is_one_segment() -> None:
    client = client_of("http://127.0.0.1:1")

    request = client.prepare("GET", f"/eid:{segment('A/../1?ü' + chr(0))}", (("q", "a b&c"),), (), b"")

    assert request.line == "/api/eid:A%2F..%2F1%3F%C3%BC%00?q=a+b%26c"


def test_a_header_that_http_forbids_is_refused_without_telling_it() -> None:
    with pytest.raises(ValueError, match="forbids") as caught:
        client_of("http://127.0.0.1:1").prepare("GET", "/a", (), (("authorization", SECRET + "\r\nX: 1"),), b"")

    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://h/", "https://", "https://user:pass@h/", "https://h/?a=1", "h"])
def test_a_base_url_that_cannot_be_used_is_refused_without_telling_it(url: str) -> None:
    with pytest.raises(ValueError, match="base_url of books") as caught:
        Target("books", url)

    assert "pass" not in str(caught.value)


def test_secrets_and_bodies_stay_out_of_reprs(server: Server) -> None:
    server.talks = [answers(OK)]
    client = client_of(server.url)

    outcome = send(client, body=b"customer@example.com")

    assert "sesame" not in repr(client.target)
    assert "{}" not in repr(outcome)
