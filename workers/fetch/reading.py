"""Runs the check of every message before Celery sees it: what is wrong with it, in words, or nothing."""

from collections.abc import Container, Mapping
from typing import Any

JSON = "application/json"
_ENCODINGS = ("utf-8", "utf8", "us-ascii", "ascii")
_MOST_BYTES = 1 << 20


def fault_of_envelope(properties: Mapping[str, Any], known_tasks: Container[str]) -> str | None:
    """What is wrong with the properties and headers of a message; the body is not touched.

    Source of the header names: Celery's task message protocol, version 2.
    """
    headers = properties.get("application_headers")
    if not isinstance(headers, dict):
        return "no headers"
    if properties.get("content_type") != JSON:
        return "content type is not application/json"
    if str(properties.get("content_encoding", "utf-8")).lower() not in _ENCODINGS:
        return "content encoding is not utf-8"
    if headers.get("compression"):
        return "compressed body"
    return _fault_of_headers(headers, known_tasks)


def _fault_of_headers(headers: Mapping[str, Any], known_tasks: Container[str]) -> str | None:
    task = headers.get("task")
    if not isinstance(task, str) or task not in known_tasks:
        return "header task names no task of this worker"
    if not isinstance(headers.get("id"), str) or not headers["id"]:
        return "header id is missing or no text"
    return _fault_of_times(headers) or _fault_of_extras(headers)


def _fault_of_times(headers: Mapping[str, Any]) -> str | None:
    if not _is_timelimit(headers.get("timelimit")):
        return "header timelimit is not a pair of seconds"
    if headers.get("eta") is not None:
        return "header eta is set: a delay belongs on the ladder"
    if not isinstance(headers.get("expires"), str | None):
        return "header expires is no text"
    return None


def _fault_of_extras(headers: Mapping[str, Any]) -> str | None:
    for name in ("retries", "calls", "since"):
        if not _is_count(headers.get(name)):
            return f"header {name} is no count"
    for name in ("stamped_headers", "stamps", "group", "chord"):
        if headers.get(name):
            return f"header {name} is set: nothing here sends it"
    for name in ("argsrepr", "kwargsrepr", "shadow", "root_id", "parent_id", "origin", "operation", "traceparent"):
        if not isinstance(headers.get(name), str | None):
            return f"header {name} is no text"
    return None


def fault_of_body(size: int, body: object) -> str | None:
    """What is wrong with a decoded body: it must be ``[[rows], {}, {}]`` with at least one row id."""
    if size > _MOST_BYTES:
        return "body is larger than 1 MiB"
    match body:
        case [[[*rows]], {**kwargs}, {**embed}] if not kwargs and not embed:
            return None if rows and all(_is_row(row) for row in rows) else "body holds no list of row ids"
        case _:
            return "body is not [[row ids], {}, {}]"


def _is_timelimit(value: object) -> bool:
    match value:
        case None:
            return True
        case [hard, soft]:
            return all(v is None or (isinstance(v, int | float) and not isinstance(v, bool) and v > 0) for v in (hard, soft))
        case _:
            return False


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_row(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
