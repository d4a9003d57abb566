"""The examples in the pages work: they are run as they stand there."""

import base64
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from adapters.channels.base import Identity, Inbound, Parsed, Told
from adapters.channels.open import OpenChannel
from canonical.settlement import Settlement
from config.fleet import Fleet
from tests.docs.pages import Page, page, pages

SECRET = b"whsec_" + base64.b64encode(b"a secret of twenty-four b")


@contextmanager
def a_receiver() -> Iterator[tuple[int, list[Inbound]]]:
    """An HTTP server that keeps what was sent to it."""
    taken: list[Inbound] = []

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = [(name.lower(), value) for name, value in self.headers.items()]
            taken.append(Inbound(self.path.removeprefix("/in/"), headers, body, datetime.now(UTC)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"id":1}')

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, taken
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_first_order_of_the_readme_is_signed_and_understood(tmp_path: Path) -> None:
    code = next(
        m for block in page("README.md").blocks("sh") if (m := re.search(r"<<'END'\n(.*?)^END", block, re.DOTALL | re.MULTILINE))
    )
    (tmp_path / "secret").write_bytes(SECRET)
    with a_receiver() as (port, taken):
        variables = {
            "MILLRACE_SECRET_OPEN_FILE": str(tmp_path / "secret"),
            "MILLRACE_RECEIVER_HOST": "127.0.0.1",
            "MILLRACE_RECEIVER_PORT": str(port),
        }
        done = subprocess.run(
            [sys.executable, "-c", code.group(1)], env=os.environ | variables, capture_output=True, timeout=60, check=False
        )

    assert done.stdout == b'200 {"id":1}\n', done.stderr
    channel, request = OpenChannel(), taken[0]
    assert channel.verify(request, (SECRET,), request.received_at) is None
    identity = channel.identify(request)
    assert identity == Identity("first-1", "order.upserted", "orders")
    parsed = channel.parse(Told("open", "order.upserted", {}, request.body, request.received_at))
    assert isinstance(parsed, Parsed)
    assert [document.key for document in parsed.documents] == ["1001"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the example sends by curl")
def test_the_first_settlement_is_signed_and_understood(tmp_path: Path) -> None:
    code = next(block for block in page("docs/settlements.md").blocks("sh") if "openssl" in block)
    (tmp_path / "secret").write_bytes(SECRET)
    with a_receiver() as (port, taken):
        variables = {
            "MILLRACE_SECRET_OPEN_FILE": str(tmp_path / "secret"),
            "MILLRACE_RECEIVER_HOST": "127.0.0.1",
            "MILLRACE_RECEIVER_PORT": str(port),
        }
        done = subprocess.run(["/bin/sh", "-ec", code], env=os.environ | variables, capture_output=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, b'{"id":1}'), done.stderr
    channel, request = OpenChannel(), taken[0]
    assert channel.verify(request, (SECRET,), request.received_at) is None
    assert channel.identify(request) == Identity("payout-1", "settlement.upserted", "returns")
    parsed = channel.parse(Told("open", "settlement.upserted", {}, request.body, request.received_at))
    assert isinstance(parsed, Parsed)
    [settlement] = parsed.documents
    assert isinstance(settlement, Settlement)
    assert settlement.total == settlement.lines_total
    assert [line.order_key for line in settlement.lines] == ["1001", "1001", None]


@pytest.mark.parametrize("of", [p for p in pages() if p.blocks("toml")], ids=lambda of: of.name)
def test_every_fleet_file_in_the_pages_is_right(of: Page) -> None:
    for block in of.blocks("toml"):
        table = tomllib.loads(block)
        if {"sources", "targets", "routes", "pools"} <= table.keys():
            Fleet.model_validate(table)


def test_the_readme_shows_a_whole_fleet_file() -> None:
    tables = [tomllib.loads(block) for block in page("README.md").blocks("toml")]

    assert any({"sources", "targets", "routes", "pools"} <= table.keys() for table in tables)
