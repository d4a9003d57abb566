"""Runs the sign-in: slow to guess at, the same answer for a wrong name and a wrong password, noted either way."""

import asyncio
import re
import secrets

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

import ledger.actions
from ledger.chain import Action
from ledger.session import LedgerUnavailable
from telemetry import Name, emit
from workers.console.attempts import Attempts, Try
from workers.console.cookies import browser_cookie_of, cookie_of, form_cookie_of, set_browser, set_form, set_session
from workers.console.desk import Desk
from workers.console.gate import form_of, from_here
from workers.console.sessions import Sessions
from workers.console.users import Entry, Users

AT_ONCE = 2
"""So many passwords are hashed at once: each takes its memory and most of a core for a moment."""

_NEXT = re.compile(r"/(?![/\\])[\w./%~+:@=,*?&-]*", re.ASCII)
_WRONG = "Name or password is wrong."
_STALE = "The form was too old. Send it again."
_AWAY = "The ledger does not answer, so nobody can be noted and let in. Try again in a moment."


class SignIn:
    """The sign-in page of one console."""

    def __init__(self, desk: Desk, users: Users, sessions: Sessions, attempts: Attempts) -> None:
        self._desk = desk
        self._users = users
        self._sessions = sessions
        self._attempts = attempts
        self._hashing = asyncio.Semaphore(AT_ONCE)

    async def show(self, request: Request) -> Response:
        """The form; who is signed in already goes on."""
        to = safe_next(request.query_params.get("next"))
        if self._sessions.find(cookie_of(request)) is not None:
            return RedirectResponse(to, 303)
        return self._form(request, to)

    async def take(self, request: Request) -> Response:
        """The sign-in itself."""
        form = await form_of(request)
        to, name = safe_next(form.get("next")), form.get("name", "").strip().lower()
        if not from_here(request) or not self._is_own_form(request, form):
            return self._form(request, to, _STALE, status=403, name=name)
        told = Try(request.client.host if request.client else "", name, self._browser_of(request, name))
        wait_s = self._attempts.wait_s(told)
        if wait_s > 0:
            words = f"Too many tries. Try again in {round(wait_s) + 1} seconds."
            return self._form(request, to, words, status=429, name=name, wait_s=wait_s)
        # Counted before it is looked at: tries that are sent all at once must not pass together.
        counted_at = self._attempts.failed(told)
        async with self._hashing:
            found, noted = await self._in_thread(name, form.get("password", ""))
        if not noted:
            return self._form(request, to, _AWAY, status=503, name=name)
        if found is None:
            return self._form(request, to, _WRONG, status=401, name=name)
        self._attempts.succeeded(told, counted_at)
        return self._let_in(request, found, to, told.browser or secrets.token_urlsafe(16))

    async def _in_thread(self, name: str, password: str) -> tuple[Entry | None, bool]:
        return await asyncio.get_running_loop().run_in_executor(self._desk.threads, self._check, name, password)

    def _check(self, name: str, password: str) -> tuple[Entry | None, bool]:
        """Who it is, and whether that could be noted. A name that is not there is not noted: it may be a password."""
        found = self._users.check(name, password)
        known = self._users.find(name)
        try:
            with self._desk.context.ledger.write() as session:
                by, role = (known.name, str(known.role)) if known else ("unknown", "")
                done = Action(self._desk.clock(), by, "console.sign_in", "console", "", {}, {}, role, allowed=found is not None)
                ledger.actions.write(session, done)
        except LedgerUnavailable as error:
            emit(Name.CONSOLE_REQUEST_FAILED, stage="sign_in", error=error)
            return None, False
        return found, True

    def _let_in(self, request: Request, entry: Entry, to: str, browser: str) -> Response:
        before = self._sessions.find(cookie_of(request), touch=False)
        if before is not None:
            self._sessions.end(before)
        _, cookie = self._sessions.begin(entry)
        answer = RedirectResponse(to, 303)
        set_session(request, answer, cookie)
        set_browser(request, answer, f"{browser}.{self._sessions.token(_browser(entry.name, browser))}")
        return answer

    def _browser_of(self, request: Request, name: str) -> str:
        """The mark of this browser, if this name signed in with it before, since this process began."""
        browser, _, token = browser_cookie_of(request).partition(".")
        return browser if browser and self._sessions.is_token(_browser(name, browser), token) else ""

    def _is_own_form(self, request: Request, form: ImmutableMultiDict[str, str]) -> bool:
        mark = form_cookie_of(request)
        return bool(mark) and self._sessions.is_token(f"form {mark}", form.get("csrf", ""))

    def _form(
        self, request: Request, to: str, told: str = "", *, status: int = 200, name: str = "", wait_s: float = 0.0
    ) -> Response:
        mark = secrets.token_urlsafe(16)
        html = self._desk.render("sign_in.html", told=told, to=to, name=name, csrf_token=self._sessions.token(f"form {mark}"))
        answer = HTMLResponse(html, status, {"Retry-After": str(round(wait_s) + 1)} if wait_s else None)
        set_form(request, answer, mark)
        return answer


def _browser(name: str, browser: str) -> str:
    return f"browser {browser} {name}"


def safe_next(told: str | None) -> str:
    """Where to go after the sign-in: a page of this console, else the first.

    >>> safe_next("//elsewhere.example"), safe_next("/orders/7")
    ('/', '/orders/7')
    """
    return told if told and len(told) < 500 and _NEXT.fullmatch(told) else "/"
