"""Runs what a page of the console is made of: its place, what it needs, and one visit of one signed-in person."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ledger.actions import Actor
from workers.console.roles import Permission, Role, User

if TYPE_CHECKING:
    from workers.console.desk import Desk
    from workers.console.sessions import Session, Sessions

__all__ = ["Page", "Permission", "Role", "User", "Visit"]


class Visit:
    """One request of one signed-in person. ``form`` holds what was posted, the last of each name; ``form.getlist`` all."""

    def __init__(
        self, request: Request, form: ImmutableMultiDict[str, str], desk: "Desk", session: "Session", sessions: "Sessions"
    ) -> None:
        self.request = request
        self.user: User = session.entry.user
        self.form = form
        self.desk = desk
        self.session = session
        self._sessions = sessions

    def show(self, template: str, status: int = 200, **values: object) -> Response:
        """A page of ``templates/``, inside base.html if it extends that."""
        path = self.request.url.path
        token = self._sessions.token(self.session.id)
        told = {"user": self.user, "csrf_token": token, "path": path, "words": self.session.take_words()}
        return HTMLResponse(self.desk.render(template, **(told | values)), status)

    def refuse(self, status: int, words: str) -> Response:
        """A page that says why not; to htmx only the words, for the place it swaps."""
        if self.request.headers.get("hx-request"):
            return HTMLResponse(self.desk.render("words.html", kind="bad", told=words), status)
        return self.show("refusal.html", status, code=status, told=words)

    def go(self, path: str, words: str = "", *, good: bool = True) -> Response:
        """On to another page of the console after a post; ``words`` are told there once. Raises ValueError for another site."""
        place = urlsplit(path)
        if place.scheme or place.netloc or not path.startswith("/"):
            raise ValueError(f"{path!r} is no page of the console")
        if words:
            self.session.words.append(("good" if good else "bad", words))
        return RedirectResponse(path, 303)

    def sign_out(self) -> None:
        """End this session."""
        self._sessions.end(self.session)

    @property
    def ends_at(self) -> datetime:
        """When the session ends whatever happens."""
        return self._sessions.ends_at(self.session)

    @property
    def actor(self) -> Actor:
        """Who acts and why (the form's field ``why``), for the audit chain."""
        return Actor(self.user.name, self.form.get("why", "").strip(), self.user.role)


Handler = Callable[[Visit], Response]


@dataclass(frozen=True, slots=True)
class Page:
    """One address of the console. ``handler`` runs in a thread; ``menu`` is its title in the navigation, empty for none.
    ``polled``: a page that stands open asks for it by itself, so it keeps nobody signed in.
    """

    path: str
    handler: Handler
    needs: Permission = Permission.READ
    method: str = "GET"
    name: str = ""
    menu: str = ""
    polled: bool = False

    @property
    def deed(self) -> str:
        """What the audit chain calls a post here."""
        return f"console.{self.name or self.path.strip('/').replace('/', '.') or 'start'}"[:40]
