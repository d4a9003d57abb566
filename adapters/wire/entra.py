"""Keeps an access token of Microsoft Entra for one application: client credentials, shared by all threads, renewed once.

Entra is another system than the ERP: its requests go out through a client of their own and spend none of the ERP's calls.
Source: Microsoft identity platform, "OAuth 2.0 client credentials flow".
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from adapters.http.answers import Answer, Exchange
from adapters.http.bodies import UnreadableError, read_json
from adapters.http.client import Client
from adapters.http.target import Target, segment
from adapters.http.turns import undivided
from canonical.outcome import Unavailable

AUTHORITY = "https://login.microsoftonline.com"
EARLY_S = 60.0
"""A token is replaced this long before it ends, a short one after nine tenths of its life."""
_DENIED_REST_S = 60.0
_FORM = ("content-type", "application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True)
class Application:
    """Who asks: the tenant, the application's id and secret, and what the token is for (``https://.../.default``)."""

    tenant: str
    client_id: str
    secret: str = field(repr=False)
    scope: str
    authority: str = AUTHORITY


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    until: float


class FixedToken:
    """A bearer token that somebody else keeps good."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def token(self) -> str | Unavailable:
        """The token."""
        return self._secret

    def renew(self, refused: str) -> str | Unavailable:
        """There is no other one."""
        return Unavailable("login: the token is refused; if it lasts, renew the target's secret", _DENIED_REST_S)


class EntraLogin:
    """Tokens of one application. Thread-safe: one thread fetches while the others wait for it, ``patience_s`` at most."""

    def __init__(
        self, application: Application, name: str, patience_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._application = application
        self._client = Client(Target(f"{name}-login", application.authority, answer_timeout_s=patience_s))
        self._patience_s = patience_s
        self._clock = clock
        self._lock = threading.Lock()
        self._token: _Token | None = None

    def token(self) -> str | Unavailable:
        """A token that should be good."""
        held = self._token
        if held is not None and self._clock() < held.until:
            return held.text
        return self._fetched(lambda token: self._clock() < token.until)

    def renew(self, refused: str) -> str | Unavailable:
        """Another token after ``refused`` was refused."""
        return self._fetched(lambda token: token.text != refused)

    def _fetched(self, good: Callable[[_Token], bool]) -> str | Unavailable:
        if not self._lock.acquire(timeout=self._patience_s):
            return Unavailable("login: another request is still fetching the token")
        try:
            if self._token is not None and good(self._token):
                return self._token.text
            with undivided():
                fetched = self._fetch()
            if isinstance(fetched, Unavailable):
                return fetched
            self._token = fetched
            return fetched.text
        finally:
            self._lock.release()

    def _fetch(self) -> _Token | Unavailable:
        who = self._application
        form = {"grant_type": "client_credentials", "client_id": who.client_id, "client_secret": who.secret, "scope": who.scope}
        body = urlencode(form).encode()
        request = self._client.prepare("POST", f"/{segment(who.tenant)}/oauth2/v2.0/token", (), (_FORM,), body)
        asked_at = self._clock()
        exchange = self._client.send(request, body, idempotent=True)
        if not isinstance(exchange, Answer):
            return Unavailable(f"login: {exchange.reason}")
        if exchange.status != 200:
            advice = "; check tenant, client_id and the secret" if exchange.status < 500 else ""
            return Unavailable(f"login: {exchange.status}{advice}", _DENIED_REST_S)
        text, life_s = _read(exchange)
        if not text or life_s <= 0:
            return Unavailable("login: the answer holds no token", _DENIED_REST_S)
        return _Token(text, asked_at + life_s - min(EARLY_S, life_s / 10))


Login = FixedToken | EntraLogin


def login_of(application: Application, name: str, patience_s: float, *, bearer: bool) -> Login:
    """A login by the application's secret, or by the secret itself where it is a ``bearer`` token."""
    return FixedToken(application.secret) if bearer else EntraLogin(application, name, patience_s)


def logged_in(login: Login, send: Callable[[str], Exchange], refused: Callable[[Exchange], bool]) -> Exchange | Unavailable:
    """Send with a token, and once more with another one if it is refused: a refusal at the door changed nothing."""
    token = login.token()
    if not isinstance(token, str):
        return token
    exchange = send(token)
    if not refused(exchange):
        return exchange
    renewed = login.renew(token)
    return send(renewed) if isinstance(renewed, str) else renewed


def _read(answer: Answer) -> tuple[str, float]:
    try:
        body = read_json(answer)
    except UnreadableError:
        return "", 0.0
    if not isinstance(body, Mapping):
        return "", 0.0
    text, life = body.get("access_token"), body.get("expires_in")
    seconds = float(life) if isinstance(life, int) and not isinstance(life, bool) else 0.0
    return (text, seconds) if isinstance(text, str) and text.isascii() and text.isprintable() else ("", 0.0)
