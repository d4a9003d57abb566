"""Pages beside the metrics: JSON by path, a failure that tells nothing, and the metrics at every other path."""

import json
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from telemetry.metrics import Metrics


def broken() -> bytes:
    raise RuntimeError("canary-secret")


@pytest.fixture
def url() -> Iterator[str]:
    server, thread = Metrics().serve(0, pages={"/scale": lambda: b'{"workers":3}', "/broken": broken})
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_page_is_told_as_json(url: str) -> None:
    with urlopen(f"{url}/scale", timeout=5) as answer:
        assert answer.headers["content-type"] == "application/json"
        assert json.load(answer) == {"workers": 3}


def test_a_page_that_cannot_be_made_is_a_503_without_a_word_of_why(url: str) -> None:
    with pytest.raises(HTTPError) as raised:
        urlopen(f"{url}/broken", timeout=5)

    assert raised.value.code == 503
    assert b"canary" not in raised.value.read()


@pytest.mark.parametrize("path", ["/metrics", "/"])
def test_everything_else_is_the_metrics(url: str, path: str) -> None:
    with urlopen(f"{url}{path}", timeout=5) as answer:
        assert b"millrace_dropped_fields" in answer.read()


def test_a_page_is_only_read(url: str) -> None:
    with urlopen(Request(f"{url}/metrics"), timeout=5) as answer:
        assert answer.status == 200
    with pytest.raises(HTTPError) as raised:
        urlopen(Request(f"{url}/scale", b"{}", method="POST"), timeout=5)

    assert raised.value.code == 405
