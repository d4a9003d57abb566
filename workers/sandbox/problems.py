"""Error answers of the sandbox, in NetSuite's envelope."""

import json
from dataclasses import dataclass

_RFC = "https://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html"
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Bad Request",
    500: "Internal Server Error",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_LOGIN = (
    "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI at "
    "Setup > Users/Roles > User Management > View Login Audit Trail."
)

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer: status, extra headers, body bytes."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """The sandbox understood the request and answers it with an error envelope."""

    def __init__(self, status: int, code: str, detail: str, path: str | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.path = path

    def answer(self) -> Answer:
        """The error as an HTTP answer."""
        return problem(self.status, self.code, self.detail, self.path)


def problem(status: int, code: str, detail: str, path: str | None = None, headers: Headers = ()) -> Answer:
    """An error envelope with one entry in ``o:errorDetails``."""
    details: dict[str, str] = {"detail": detail, "o:errorCode": code}
    if path is not None:
        details["o:errorPath"] = path
    body: dict[str, object] = {
        "type": f"{_RFC}#sec10.4.1" if code == "INVALID_CONTENT" else _RFC,
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "o:errorDetails": [details],
    }
    if status == 429:
        body["o:errorCode"] = "USER_ERROR"
    media = (b"content-type", b"application/vnd.oracle.resource+json; type=error")
    return Answer(status, (media, *headers), json.dumps(body).encode())


def invalid_content(detail: str, path: str | None = None) -> Refusal:
    """400: the request names something that does not exist or breaks a rule."""
    return Refusal(400, "INVALID_CONTENT", f"Error while accessing resource: {detail}", path)


def invalid_value(value: object, field: str, path: str) -> Refusal:
    """400: a value its field cannot take."""
    return invalid_content(f"You have entered an Invalid Field Value {value} for the following field: {field}", path)


def invalid_request(detail: str = "The request could not be understood by the server due to malformed syntax.") -> Refusal:
    """400: not a request at all."""
    return Refusal(400, "INVALID_REQUEST", detail)


def nonexistent() -> Refusal:
    """404: no record under this id."""
    return Refusal(404, "NONEXISTENT_ID", "Record does not exist.")


def already_exists(record: str, external_id: str) -> Refusal:
    """400: the external id is taken by a record of this type."""
    return Refusal(
        400,
        "USER_ERROR",
        f"Error while accessing resource: This record already exists. {record} externalId {external_id}",
        "externalId",
    )


def invalid_login() -> Answer:
    """401: no token, a wrong one, or one that has expired."""
    return problem(401, "INVALID_LOGIN", _LOGIN)


def over_limit(retry_after_s: int | None) -> Answer:
    """429: more concurrent requests, or more per second, than the account has."""
    headers: Headers = () if retry_after_s is None else ((b"retry-after", str(retry_after_s).encode()),)
    return problem(429, "CONCURRENCY_LIMIT_EXCEEDED", "Concurrent request limit exceeded. Request blocked.", None, headers)


def unexpected(error_id: str) -> Answer:
    """500: failed before anything was written."""
    return problem(500, "UNEXPECTED_ERROR", f"An unexpected error occurred. Error ID: {error_id}")
