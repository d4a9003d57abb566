"""The open target's adapter before a receiving side in a process of its own, healthy before every test."""

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.erps.base import Account, Posting, References
from adapters.http.caller import Caller
from adapters.http.client import Client
from adapters.services.open.adapter import build_open
from adapters.throttle.base import Ask, Granted, Limit
from adapters.throttle.local import LocalThrottle
from canonical.kinds import AnyDocument
from canonical.operation import Operation
from canonical.outcome import Finding, Outcome
from tests.live import wait_until
from workers.local.service import free_port
from workers.sandbox.journal import Entry, entries
from workers.sandbox.serve import webhook_log

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, so").decode()
OTHER = "whsec_" + base64.b64encode(b"another of thirty-two bytes, yes").decode()
CALLS = 10

_PROGRAM = """
import base64, sys
from pathlib import Path
from workers.sandbox.serve import serve
serve("127.0.0.1", int(sys.argv[1]), log_path=Path(sys.argv[2]), webhook_keys=(base64.b64decode(sys.argv[3][6:]),))
"""


@dataclass
class ReceivingSide:
    """A running receiving side; ``secret`` is what the adapter signs with."""

    url: str
    log_path: Path
    spent: int = 0

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Speak to its control interface."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/webhooks/sandbox/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def heal(self) -> None:
        """No fault, no limit."""
        self.control("DELETE", "faults")
        self.control("PATCH", "limits", {"concurrency": None, "rate_per_s": None, "burst": None, "retry_after_s": None})

    def account(self, secret: str = SECRET, **options: str | float | bool) -> Account:
        return Account("wms", f"{self.url}/webhooks/wms", secret, 2.0, 1.0, options)

    def post(
        self, operation: Operation, document: AnyDocument, version: int = 1, *, secret: str = SECRET, url: str = ""
    ) -> Outcome:
        """Post one effect over HTTP; the requests it took are counted in ``spent``."""
        account = self.account(secret)
        erp = build_open(account if not url else Account("wms", url, secret, 2.0, 1.0))
        client, throttle = Client(erp.http), LocalThrottle(Limit(burst=CALLS))
        permit = throttle.acquire(Ask(CALLS))
        assert isinstance(permit, Granted)
        try:
            with Caller(client, throttle, permit) as caller:
                outcome = erp.post(posting(operation, document, version), caller)
                self.spent = CALLS - caller.unspent
        finally:
            client.close()
        return outcome

    def find(self, operation: Operation, document: AnyDocument, version: int = 1) -> Finding:
        erp = build_open(self.account())
        client, throttle = Client(erp.http), LocalThrottle(Limit(burst=CALLS))
        permit = throttle.acquire(Ask(CALLS))
        assert isinstance(permit, Granted)
        with Caller(client, throttle, permit) as caller:
            return erp.find(posting(operation, document, version), caller)

    def log(self) -> list[Entry]:
        return list(entries(self.log_path))

    def commits(self, document: AnyDocument) -> list[Entry]:
        """What the receiving side took in of a document, by its own log."""
        return [one for one in self.log() if one.committed and one.external_id == f"{document.source}/{document.key}"]


def posting(operation: Operation, document: AnyDocument, version: int = 1) -> Posting:
    """One effect."""
    return Posting(1, operation, version, document, None, References(), None, 1, "correlation-1")


@contextmanager
def a_receiving_side(folder: Path) -> Iterator[ReceivingSide]:
    """The receiving side for the time of the block."""
    port, log = free_port(), folder / "erp.jsonl"
    side = ReceivingSide(f"http://127.0.0.1:{port}", webhook_log(log))
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(port), str(log), SECRET], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(side) or process.poll() is not None, 30, "the receiving side")
        yield side
    finally:
        process.terminate()
        process.wait(10)


def _answers(side: ReceivingSide) -> bool:
    try:
        return bool(side.control("GET", "stats"))
    except OSError:
        return False
