"""Holds the login of one account: a fixed bearer token, or tokens fetched with client credentials (see oauth.py)."""

from dataclasses import dataclass, field
from typing import Protocol

from adapters.erps.netsuite.faults import Fault
from adapters.http.caller import Caller
from canonical.outcome import Unavailable


class Login(Protocol):
    """Where the bearer token of a request comes from. Thread-safe; a fault is returned, never raised."""

    def token(self, caller: Caller) -> str | Fault:
        """A token that should be good."""
        ...

    def renew(self, caller: Caller, refused: str) -> str | Fault:
        """Another token after ``refused`` was refused, or what to make of the refusal. Asked at most once a request."""
        ...

    def refused(self, token: str, name: str) -> Fault:
        """What it means that a renewed token was refused as well."""
        ...


@dataclass(frozen=True, slots=True)
class BearerLogin:
    """One token for good. A refusal may be the account's limit in disguise: the lane rests, credentials are not given up."""

    secret: str = field(repr=False)
    rest_s: float

    def token(self, caller: Caller) -> str | Fault:
        return self.secret

    def renew(self, caller: Caller, refused: str) -> str | Fault:
        return self.refused(refused, "login")

    def refused(self, token: str, name: str) -> Fault:
        return Unavailable(f"{name}: the token is refused; if it lasts, renew the target's secret", self.rest_s)
