"""Runs the choosing of failures on the pages: conditions from a query or a form, and back into links."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from ledger.desk import Filter
from ledger.failures import FailureKey

WORDS = ("cls", "code", "target", "source", "operation", "owner", "group", "text")
PICK = "pick-"


def filter_of(given: Mapping[str, str]) -> Filter:
    """The conditions that a query or form gives; empty ones are none."""
    told: dict[str, Any] = {name: given[name].strip()[:200] for name in WORDS if given.get(name, "").strip()}
    return Filter(**told, overdue=given.get("overdue") == "yes", archived=given.get("archived") == "yes")


def picked(given: Mapping[str, str]) -> tuple[str, ...]:
    """The failures whose boxes are ticked. Raises ValueError for what is no key."""
    return tuple(str(FailureKey.read(name.removeprefix(PICK))) for name in given if name.startswith(PICK))


def fields_of(wanted: Filter) -> dict[str, str]:
    """The conditions as fields of a form; `filter_of` and `picked` read them back."""
    told = {name: str(getattr(wanted, name)) for name in WORDS if getattr(wanted, name)}
    told |= {name: "yes" for name in ("overdue", "archived") if getattr(wanted, name)}
    return told | {f"{PICK}{key}": "yes" for key in wanted.keys}


def query_of(wanted: Filter, **other: str) -> str:
    """The conditions as the query of a link, with some of them put otherwise (empty: left out)."""
    told = fields_of(replace(wanted, keys=())) | other
    return urlencode({name: value for name, value in told.items() if value})


def said(wanted: Filter) -> str:
    """The conditions for people."""
    told = fields_of(replace(wanted, keys=()))
    some = [f"{name} {value}" if value != "yes" else name for name, value in told.items()]
    return ", ".join([*some, *([f"{len(wanted.keys)} picked"] if wanted.keys else [])]) or "everything that is parked"
