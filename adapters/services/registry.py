"""Registry of outgoing services: which adapter a target of fleet.toml names, and how it is built."""

from collections.abc import Callable

from adapters.erps.base import Account, Erp
from adapters.services.open.adapter import build_open

SERVICES: dict[str, Callable[[Account], Erp]] = {"open": build_open}
"""Builders by adapter name; each raises ValueError for an option it does not know, naming the nearest."""
