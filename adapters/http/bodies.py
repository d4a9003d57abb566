"""Reads JSON answers without losing a digit, and refuses what is not JSON."""

import json
from decimal import Decimal
from typing import Any, NoReturn

from adapters.http.answers import Answer


class UnreadableError(ValueError):
    """The answer came whole but its body is not the JSON it should be. Says the status and why, never the body."""


def read_json(answer: Answer) -> Any:
    """Body of an answer as JSON; every number with a fraction or exponent is a Decimal. The value is the vendor's own:
    give it a type in the vendor's file. Raises UnreadableError for another content type, an encoding, broken or endless
    JSON.
    """
    kind = (answer.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnreadableError(f"status {answer.status}: content type is {kind[:60]!r}, not JSON")
    if (answer.header("content-encoding") or "identity").lower() != "identity":
        raise UnreadableError(f"status {answer.status}: the body is encoded although no encoding was asked for")
    try:
        return json.loads(answer.body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse)
    except RecursionError:
        raise UnreadableError(f"status {answer.status}: the JSON is nested too deep") from None
    except ValueError as error:
        raise UnreadableError(f"status {answer.status}: the body is no JSON ({type(error).__name__})") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
