"""Runs the console's cookies: out of scripts' reach, sent to this host alone and by its own pages alone."""

from starlette.requests import Request
from starlette.responses import Response

from workers.console.security import is_secure

_SESSION, _FORM = "millrace", "millrace-form"


def cookie_of(request: Request) -> str | None:
    """The session's cookie."""
    return request.cookies.get(_name(request, _SESSION))


def form_cookie_of(request: Request) -> str:
    """The sign-in form's cookie; empty if there is none."""
    return request.cookies.get(_name(request, _FORM), "")


def set_session(request: Request, answer: Response, value: str) -> None:
    """Sign in: until the browser is closed, or the session has ended here."""
    _set(request, answer, _SESSION, value)


def set_form(request: Request, answer: Response, value: str) -> None:
    """Mark the browser that was shown the sign-in form."""
    _set(request, answer, _FORM, value)


def drop_session(request: Request, answer: Response) -> None:
    """Sign out."""
    secure = is_secure(request.headers.get("host", ""))
    answer.delete_cookie(_name(request, _SESSION), "/", secure=secure, httponly=True, samesite="strict")


def _set(request: Request, answer: Response, name: str, value: str) -> None:
    secure = is_secure(request.headers.get("host", ""))
    answer.set_cookie(_name(request, name), value, path="/", secure=secure, httponly=True, samesite="strict")


def _name(request: Request, name: str) -> str:
    # Browsers take a __Host- cookie from this very host over TLS only: no neighbour under the same domain can set it.
    return f"__Host-{name}" if is_secure(request.headers.get("host", "")) else name
