"""Runs the gate before every page: who is it, may they, did their own page send it; then the handler, in a thread."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

from starlette.datastructures import ImmutableMultiDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

import ledger.actions
from ledger.chain import Action
from ledger.session import LedgerUnavailable
from telemetry import Name, emit
from workers.console.cookies import cookie_of
from workers.console.desk import Desk
from workers.console.page import Page, Permission, User, Visit
from workers.console.security import MOST_BODY_BYTES
from workers.console.sessions import Session, Sessions

BODY_WITHIN_S = 15.0
MOST_FIELDS = 2_000
TOKEN_HEADER = "x-csrf-token"  # noqa: S105  the header's name is no secret
LONGEST_SUBJECT = 120
_SAME_DENIAL_S = 60.0
FAULT = "Something went wrong here. It is in the log of the console."
_FOREIGN = "This was not sent by a page of your session. Go back, reload the page and send it again."
_SIGNED_OUT = "You are signed out. Sign in, then do it again: nothing was changed."
_AWAY = "The ledger does not answer: nothing was changed. Try again in a moment."


@dataclass(frozen=True, slots=True)
class Denial:
    """Why somebody was refused; ``words`` are for the person, ``why`` is the audit chain's."""

    status: int
    why: str
    words: str


class Gate:
    """Stands before all pages of one console."""

    def __init__(self, desk: Desk, sessions: Sessions) -> None:
        self.desk = desk
        self.sessions = sessions
        self._denied = _Lately(desk.clock)

    def door(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of a page."""

        async def endpoint(request: Request) -> Response:
            session = self.sessions.find(cookie_of(request), touch=not page.polled)
            if session is None:
                return signed_out(self.desk, request)
            posted = await form_of(request) if request.method == "POST" else ImmutableMultiDict[str, str]()
            denial = self._denial(request, session, page, posted)
            visit = Visit(request, posted, self.desk, session, self.sessions)
            return await self._in_thread(lambda: self._answer(page, visit, denial))

        return endpoint

    async def may_look(self, request: Request, needs: Permission) -> tuple[Session | None, bool]:
        """For streams, which are no page: the session without touching it, and whether it holds the permission."""
        session = self.sessions.find(cookie_of(request), touch=False)
        if session is None:
            return None, False
        allowed = session.entry.user.may(needs)
        if not allowed:
            await self._in_thread(
                lambda: self._write_denial(session.entry.user, "console.live", request.url.path, f"needs {needs}")
            )
        return session, allowed

    async def _in_thread(self, work: Callable[[], "Response | None"]) -> Response:
        done = await asyncio.get_running_loop().run_in_executor(self.desk.threads, work)
        return done or Response()

    def _denial(self, request: Request, session: Session, page: Page, posted: Mapping[str, str]) -> Denial | None:
        role = session.entry.role
        if not session.entry.user.may(page.needs):
            return Denial(403, f"needs {page.needs}", f"This needs the permission to {page.needs}; you are {role}.")
        if request.method == "POST":
            told = posted.get("csrf") or request.headers.get(TOKEN_HEADER, "")
            if not from_here(request) or not self.sessions.is_token(session.id, told):
                return Denial(403, "not sent by a page of this session", _FOREIGN)
        return None

    def _answer(self, page: Page, visit: Visit, denial: Denial | None) -> Response:
        """Note first, act then: what cannot be noted is not done."""
        path = visit.request.url.path
        try:
            if denial is not None:
                self._write_denial(visit.user, page.deed, path, denial.why)
                return visit.refuse(denial.status, denial.words)
            if visit.request.method == "POST":
                who, now = visit.actor, self.desk.clock()
                self._write(Action(now, who.by, page.deed, path[:LONGEST_SUBJECT], who.why, {}, {}, who.role))
            return page.handler(visit)
        except LedgerUnavailable as error:
            emit(Name.CONSOLE_REQUEST_FAILED, stage="ledger", method=visit.request.method, error=error)
            return HTMLResponse(self.desk.render("bare_refusal.html", code=503, told=_AWAY), 503, {"Retry-After": "5"})
        except Exception as error:  # noqa: BLE001  whatever a page does wrong, browsers are told nothing of the inside
            emit(Name.CONSOLE_REQUEST_FAILED, stage="page", method=visit.request.method, error=error)
            return HTMLResponse(self.desk.render("bare_refusal.html", code=500, told=FAULT), 500)

    def _write_denial(self, user: User, deed: str, path: str, why: str) -> None:
        # The same again within a minute is one denial: who reloads a forbidden page must not fill the chain.
        what = (user.name, deed, path, why)
        if not self._denied.is_new(what):
            return
        try:
            self._write(Action(self.desk.clock(), user.name, deed, path[:LONGEST_SUBJECT], why, {}, {}, user.role, allowed=False))
        except LedgerUnavailable:
            self._denied.forget(what)
            raise

    def _write(self, done: Action) -> None:
        with self.desk.context.ledger.write() as session:
            ledger.actions.write(session, done)


class _Lately:
    """What happened within the last minute, bounded. Thread-safe."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._seen: OrderedDict[tuple[str, ...], datetime] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, what: tuple[str, ...]) -> bool:
        now = self._now()
        with self._lock:
            last = self._seen.get(what)
            if last is not None and now - last < timedelta(seconds=_SAME_DENIAL_S):
                return False
            self._seen[what] = now
            self._seen.move_to_end(what)
            while len(self._seen) > 1_000:
                self._seen.popitem(last=False)
            return True

    def forget(self, what: tuple[str, ...]) -> None:
        with self._lock:
            self._seen.pop(what, None)


def signed_out(desk: Desk, request: Request) -> Response:
    """The answer to somebody without a session: to the sign-in, and back here afterwards."""
    if request.method not in ("GET", "HEAD"):
        html = desk.render("bare_refusal.html", code=401, told=_SIGNED_OUT)
        return HTMLResponse(html, 401)
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        # A strict cookie does not come along when somebody follows a link from elsewhere; it does once a page of ours asks.
        return HTMLResponse(desk.render("again.html", here=_here(request)))
    place = f"/sign-in?next={quote(_here(request), safe='/')}"
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": place})
    return RedirectResponse(place, 303)


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def from_here(request: Request) -> bool:
    """Whether the browser says that a page of this very host sent it; old browsers say neither, then the token alone counts."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    same = origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    return same and site in ("same-origin", "none")


async def form_of(request: Request) -> ImmutableMultiDict[str, str]:
    """What was posted, without files. Raises HTTPException for a body that is broken or does not come."""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            form = await request.form(max_files=0, max_fields=MOST_FIELDS, max_part_size=MOST_BODY_BYTES)
    except TimeoutError:
        raise HTTPException(408) from None
    return ImmutableMultiDict([(name, value) for name, value in form.multi_items() if isinstance(value, str)])
