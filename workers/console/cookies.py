"""Runs the console's cookies: out of scripts' reach, sent to this host alone and by its own pages alone."""

from starlette.requests import Request
from starlette.responses import Response

from workers.console.security import is_secure

_SESSION, _FORM, _BROWSER = "millrace", "millrace-form", "millrace-browser"
_BROWSER_KEPT_S = 90 * 86_400


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


def browser_cookie_of(request: Request) -> str:
    """The cookie of a browser in which somebody signed in before; empty if there is none."""
    return request.cookies.get(_name(request, _BROWSER), "")


def set_browser(request: Request, answer: Response, value: str) -> None:
    """Mark the browser in which somebody signed in; it stays when the session ends."""
    _set(request, answer, _BROWSER, value, _BROWSER_KEPT_S)


def drop_session(request: Request, answer: Response) -> None:
    """Sign out."""
    secure = is_secure(request.headers.get("host", ""))
    answer.delete_cookie(_name(request, _SESSION), "/", secure=secure, httponly=True, samesite="strict")


def _set(request: Request, answer: Response, name: str, value: str, kept_s: int | None = None) -> None:
    secure = is_secure(request.headers.get("host", ""))
    answer.set_cookie(_name(request, name), value, kept_s, path="/", secure=secure, httponly=True, samesite="strict")


def _name(request: Request, name: str) -> str:
    # Browsers take a __Host- cookie from this very host over TLS only: no neighbour under the same domain can set it.
    return f"__Host-{name}" if is_secure(request.headers.get("host", "")) else name
