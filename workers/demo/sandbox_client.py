"""Talks to the sandbox ERP past Millrace: its counts, limits, faults and catalogue, and an order's status as a clerk sees it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from workers.sandbox.routes import TOKEN_PATH

_WAIT_S = 5.0
_ORDERS = "/services/rest/record/v1/salesOrder/eid:"
CLOSED = frozenset({"C", "H"})


@dataclass(frozen=True, slots=True)
class ErpCounts:
    """The sandbox's own counts."""

    requests: int
    throttled: int
    commits: int
    last_second: int


class SandboxClient:
    """The sandbox's control interface, and its record API with a token of its own. Raises OSError when it is away."""

    def __init__(self, url: str) -> None:
        self._url = url

    def counts(self) -> ErpCounts:
        """What it has been asked and has done so far."""
        told = self._control("GET", "stats")
        whole = [count for _, count in sorted(told["per_second"].items())][:-1]
        return ErpCounts(told["requests"], told["throttled"], told["commits"], whole[-1] if whole else 0)

    def catalogue(self) -> Mapping[str, Mapping[str, str]]:
        """Internal ids by kind and external id."""
        told: dict[str, dict[str, str]] = self._control("GET", "catalogue")
        return told

    def set_limits(self, **limits: float | None) -> None:
        """Change limits."""
        self._control("PATCH", "limits", limits)

    def arm(self, **fault: str | float) -> None:
        """Switch a fault on."""
        self._control("POST", "faults", fault)

    def struck(self) -> Mapping[str, int]:
        """How often each kind of fault has struck."""
        told: dict[str, int] = self._control("GET", "stats")["faults"]
        return told

    def still_open(self, external_ids: Iterable[str]) -> list[str]:
        """Those of these sales orders that exist and are neither closed nor cancelled."""
        wanted = list(external_ids)
        if not wanted:
            return []
        form = Request(self._url + TOKEN_PATH, b"grant_type=client_credentials", method="POST")  # noqa: S310  our own sandbox
        token = self._ask(form)["access_token"]
        return [name for name in wanted if self._status(name, token) not in CLOSED | {None}]

    def _status(self, external_id: str, token: str) -> str | None:
        address = f"{self._url}{_ORDERS}{quote(external_id)}"
        try:
            told = self._ask(Request(address, headers={"Authorization": f"Bearer {token}"}))  # noqa: S310  our own sandbox
        except HTTPError as error:
            if error.code == 404:
                return None
            raise
        return str(told["orderStatus"]["id"])

    def _control(self, method: str, what: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        return self._ask(Request(f"{self._url}/sandbox/{what}", data, method=method))  # noqa: S310  our own sandbox

    def _ask(self, request: Request) -> Any:
        with urlopen(request, timeout=_WAIT_S) as answer:  # noqa: S310  our own sandbox
            return json.load(answer)
