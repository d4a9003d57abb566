"""Reads the ERP's log: one line a request with the moments it was let in and answered, one line a change of the limits."""

import json
from dataclasses import dataclass

from bench.limits import Limits
from bench.orders import FIRST_ID

CHANGE = "LIMITS"
ACCEPTED, REFUSED = 200, 429
_KEY_LENGTH = len(str(FIRST_ID))


@dataclass(frozen=True, slots=True)
class Request:
    """One request: monotonic seconds it was let in (or refused) at and answered at, the status, the order's key.

    A posting that was accepted has the status 200, a look-up 200 or 404, a refusal 429.
    """

    admitted_s: float
    at_s: float
    status: int
    method: str
    key: str

    @property
    def posted(self) -> bool:
        """Whether it made or overwrote an order."""
        return self.status == ACCEPTED and self.method != "GET"


@dataclass(frozen=True, slots=True)
class Change:
    """The limits in force from ``at_s`` on."""

    at_s: float
    limits: Limits


def line(admitted_ns: int, answered_ns: int, status: int, method: str, key: str) -> bytes:
    """One request as the log keeps it."""
    return b"%d %d %d %s %s\n" % (admitted_ns, answered_ns, status, method.encode(), key.encode())


def change_line(at_ns: int, limits: dict[str, float | None]) -> bytes:
    """One change of the limits as the log keeps it."""
    return line(at_ns, at_ns, 0, CHANGE, json.dumps(limits, separators=(",", ":")))


def parse(text: bytes) -> tuple[list[Request], list[Change]]:
    """Requests and changes of whole lines, in the order they were written: by the moment of the answer."""
    requests: list[Request] = []
    changes: list[Change] = []
    for one in text.decode().splitlines():
        admitted_ns, answered_ns, status, method, rest = one.split(" ", 4)
        if method == CHANGE:
            changes.append(Change(int(admitted_ns) / 1e9, Limits(**json.loads(rest))))
        else:
            # an external id may name the source before the order's own key, which is never longer than this
            key = rest[-_KEY_LENGTH:]
            requests.append(Request(int(admitted_ns) / 1e9, int(answered_ns) / 1e9, int(status), method, key))
    return requests, changes
