"""Registry of ERPs: which adapter a target of fleet.toml names, and how it is built."""

from collections.abc import Callable

from adapters.erps.base import Account, Erp
from adapters.erps.business_central.adapter import build_business_central
from adapters.erps.dataverse.adapter import build_dataverse
from adapters.erps.netsuite.adapter import build_netsuite
from adapters.erps.tryton.adapter import build_tryton

ERPS: dict[str, Callable[[Account], Erp]] = {
    "business-central": build_business_central,
    "dataverse": build_dataverse,
    "netsuite": build_netsuite,
    "tryton": build_tryton,
}
"""Builders by adapter name; each raises ValueError for an option it does not know, naming the nearest."""
