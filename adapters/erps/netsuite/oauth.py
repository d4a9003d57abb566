"""Keeps the access token of one account: fetched through the caller, shared by all threads, renewed once when refused."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from adapters.erps.netsuite.faults import Fault, meaning_of
from adapters.http.answers import Answer, Exchange
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.caller import Caller
from adapters.http.turns import undivided
from canonical.outcome import Throttled, Unavailable

PATH = "/auth/oauth2/v1/token"
EARLY_S = 60.0
"""A token is replaced this long before it ends, a short one after nine tenths of its life."""
YOUNG_S = 30.0
"""A token younger than this was good a moment ago: its refusal is the account's limit, not its end."""
_DENIED_REST_S = 60.0
_KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM = ("content-type", "application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    got_at: float
    until: float

    def __repr__(self) -> str:
        return "_Token(...)"


class OAuthLogin:
    """Tokens for client credentials. One thread fetches while the others wait for it; they spend no call on it.

    ``sign`` makes the client assertion; ``patience_s`` bounds the wait for another thread's fetch.
    """

    def __init__(
        self, sign: Callable[[], str], rest_s: float, patience_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sign = sign
        self._rest_s = rest_s
        self._patience_s = patience_s
        self._clock = clock
        self._lock = threading.Lock()
        self._token: _Token | None = None

    def token(self, caller: Caller) -> str | Fault:
        held = self._token
        if held is not None and self._clock() < held.until:
            return held.text
        return self._fetched(caller, lambda token: self._clock() < token.until)

    def renew(self, caller: Caller, refused: str) -> str | Fault:
        held = self._token
        if held is not None and held.text == refused and self._clock() - held.got_at < YOUNG_S:
            return self.refused(refused, "login")
        return self._fetched(caller, lambda token: token.text != refused)

    def refused(self, token: str, name: str) -> Fault:  # the token itself must never be told
        held = self._token
        if held is not None and held.text == token:
            return Throttled(f"{name}: a fresh token is refused, as an account over its limit does", self._rest_s)
        return Unavailable(f"{name}: the token is refused", self._rest_s)

    def _fetched(self, caller: Caller, good: Callable[[_Token], bool]) -> str | Fault:
        if not self._lock.acquire(timeout=self._patience_s):
            return Unavailable("login: another request is still fetching the token", self._rest_s)
        try:
            if self._token is not None and good(self._token):
                return self._token.text
            with undivided():
                fetched = self._fetch(caller)
            if not isinstance(fetched, _Token):
                return fetched
            self._token = fetched
            return fetched.text
        finally:
            self._lock.release()

    def _fetch(self, caller: Caller) -> _Token | Fault:
        form = {"grant_type": "client_credentials", "client_assertion_type": _KIND, "client_assertion": self._sign()}
        asked_at = self._clock()
        exchange = caller.send("POST", PATH, operation="token.issue", headers=(_FORM,), body=urlencode(form).encode())
        if not isinstance(exchange, Answer) or exchange.status != 200:
            return _not_given(exchange)
        text, life_s = _read(exchange)
        if not text or life_s <= 0:
            return Unavailable("token.issue: the answer holds no token", self._rest_s)
        return _Token(text, asked_at, asked_at + life_s - min(EARLY_S, life_s / 10))


def _not_given(exchange: Exchange) -> Fault:
    """A login has no effect on documents: whatever went wrong, it is asked again later."""
    meaning = meaning_of(exchange, "token.issue", writes=False)
    if isinstance(meaning, Throttled):
        return meaning
    if isinstance(exchange, Answer) and exchange.status < 500:
        reason = f"token.issue: {exchange.status}: refused; check client id, certificate id and the private key"
        return Unavailable(reason, _DENIED_REST_S)
    return meaning if isinstance(meaning, Unavailable) else Unavailable("token.issue: no token was given")


def _read(answer: Answer) -> tuple[str, float]:
    try:
        body = read_json(answer)
    except UnreadableError:
        return "", 0.0
    if not isinstance(body, Mapping):
        return "", 0.0
    text, life = body.get("access_token"), body.get("expires_in")
    # NetSuite sends the seconds as a text.
    seconds = float(life) if isinstance(life, int | str) and str(life).isdecimal() and len(str(life)) < 10 else 0.0
    return (text, seconds) if isinstance(text, str) and text.isascii() and text.isprintable() else ("", 0.0)
