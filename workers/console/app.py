"""Runs the console's application: every page behind the same gate, every post and every denial in the audit chain."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from telemetry import Name, emit
from workers.console.attempts import Attempts
from workers.console.desk import STATIC, Desk
from workers.console.gate import FAULT, Gate
from workers.console.live import Hub, Live
from workers.console.own import OWN_PAGES
from workers.console.page import Page
from workers.console.pages import LIVES, PAGES
from workers.console.security import BodyTooLargeError, Guard
from workers.console.sessions import Lifetime, Sessions
from workers.console.sign_in import SignIn
from workers.console.streams import Streams
from workers.console.users import Users

ALL_PAGES: tuple[Page, ...] = (*PAGES, *OWN_PAGES)
STATIC_FOR_S = 31_536_000


@dataclass(frozen=True, slots=True)
class Console:
    """The application and what must be closed with it."""

    application: ASGIApp
    desk: Desk
    hub: Hub
    sessions: Sessions = field(repr=False)

    async def close(self) -> None:
        """End the streams, then what the desk holds open."""
        self.hub.close()
        await asyncio.get_running_loop().run_in_executor(None, self.desk.close)


def build_console(desk: Desk, users: Users, pages: Sequence[Page] = ALL_PAGES, lives: Sequence[Live] = LIVES) -> Console:
    """The application on a desk that was made with the same pages."""
    settings = desk.settings
    lifetime = Lifetime(settings.console_session_s, settings.console_idle_s)
    sessions = Sessions(users, lifetime, desk.clock)
    gate = Gate(desk, sessions)
    hub = Hub(lives, desk)
    sign_in = SignIn(desk, users, sessions, Attempts(desk.clock))
    routes = [
        Mount("/static", _Static(directory=STATIC)),
        Route("/health", _health),
        Route("/sign-in", sign_in.show),
        Route("/sign-in", sign_in.take, methods=["POST"]),
        Route("/live/{names}", Streams(hub, gate).open),
        *(Route(page.path, gate.door(page), methods=[page.method], name=page.name or None) for page in pages),
    ]
    failures = _Failures(desk)
    handlers = {HTTPException: failures.refused, BodyTooLargeError: failures.too_large, Exception: failures.failed}
    inner = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]  # Starlette's own types want less
    hosts = [host.strip() for host in settings.console_hosts.split(",") if host.strip()]
    return Console(Guard(inner, hosts), desk, hub, sessions)


async def _health(_: Request) -> Response:
    return Response(b"ok\n", media_type="text/plain")


class _Static(StaticFiles):
    """Files that change their address when they change, so browsers may keep them for ever."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        answer = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed on as given
        answer.headers["Cache-Control"] = f"public, max-age={STATIC_FOR_S}, immutable"
        return answer


@dataclass(frozen=True, slots=True)
class _Failures:
    """The answers to what went wrong: a page, and nothing of the inside in it."""

    desk: Desk

    async def refused(self, request: Request, error: HTTPException) -> Response:
        words = {404: "There is nothing here.", 405: "This address does not take that."}.get(
            error.status_code, "That did not work."
        )
        return self._page(error.status_code, words, error.headers)

    async def too_large(self, request: Request, error: Exception) -> Response:
        return self._page(413, "That is more than this page takes.")

    async def failed(self, request: Request, error: Exception) -> Response:
        emit(Name.CONSOLE_REQUEST_FAILED, stage="page", method=request.method, error=error)
        return self._page(500, FAULT)

    def _page(self, status: int, words: str, headers: object = None) -> Response:
        html = self.desk.render("bare_refusal.html", code=status, told=words)
        return Response(html, status, media_type="text/html", headers=headers)  # type: ignore[arg-type]  # Starlette's own
