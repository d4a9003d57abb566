"""Settings of one Business Central company, read from the target's options at boot; a wrong one stops it."""

import re
from dataclasses import dataclass, fields
from typing import Literal

from adapters.erps.base import Account
from adapters.wire.entra import AUTHORITY
from config.nearest import ConfigError, hint

Option = str | int | float | bool

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MOST_OPERATIONS = 100
"""Operations one ``$batch`` may hold (Microsoft, "Operational limits")."""


@dataclass(frozen=True, slots=True)
class BusinessCentralOptions:
    """One company. Customers, items and accounts are named by number or by id (a GUID), locations by id.

    ``guest_customer``, ``charge_account``, ``adjustment_account`` and ``location`` stand in where a cross-reference is missing.
    ``tax_account`` takes the taxes as the channel reckoned them as a line of its own; the goods' lines are then sent without
    tax under ``tax_code``. Without it Business Central reckons the taxes by its own setup. ``check_total`` parks an order whose
    total in Business Central is not the customer's. ``tracking = "ignore"`` takes a change of tracking numbers, for which the
    API has no field, as done.
    """

    company: str = ""
    auth: Literal["oauth2", "bearer"] = "oauth2"
    tenant: str = ""
    client_id: str = ""
    authority: str = AUTHORITY
    scope: str = "https://api.businesscentral.dynamics.com/.default"
    guest_customer: str = ""
    charge_account: str = ""
    adjustment_account: str = ""
    tax_account: str = ""
    tax_code: str = ""
    location: str = ""
    addresses: bool = True
    check_total: bool = True
    tracking: Literal["refuse", "ignore"] = "refuse"
    batch: int = MOST_OPERATIONS


def options_of(account: Account) -> BusinessCentralOptions:
    """The account's options. Raises ConfigError for an unknown or wrong one, naming the nearest, and for a missing secret."""
    known = {f.name: f for f in fields(BusinessCentralOptions)}
    for name in account.options:
        if name not in known:
            raise ConfigError(f"business-central: unknown option {name!r}; {hint(name, known)}")
    read = {name: _read(name, value) for name, value in account.options.items()}
    options = BusinessCentralOptions(**read)  # type: ignore[arg-type]  # each name was checked against the fields
    if not account.secret:
        raise ConfigError("business-central: the target has no secret: the application's client secret, or a bearer token")
    if not GUID.fullmatch(options.company):
        raise ConfigError("business-central: option 'company' must be the company's id (a GUID)")
    if options.auth == "oauth2" and not (options.tenant and options.client_id):
        raise ConfigError("business-central: auth = 'oauth2' takes the options 'tenant' and 'client_id'")
    if options.location and not GUID.fullmatch(options.location):
        raise ConfigError("business-central: option 'location' must be the location's id (a GUID)")
    return options


def _read(name: str, value: Option) -> object:
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ConfigError(f"business-central: option {name!r}: {hint(str(value), _CHOICES[name])}")
        return value
    if name in ("addresses", "check_total"):
        if not isinstance(value, bool):
            raise ConfigError(f"business-central: option {name!r} must be true or false")
        return value
    if name == "batch":
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_OPERATIONS:
            raise ConfigError(f"business-central: option 'batch' must be a whole number from 1 to {MOST_OPERATIONS}")
        return value
    if isinstance(value, bool | float):
        raise ConfigError(f"business-central: option {name!r} must be a text or a whole number")
    return str(value)


_CHOICES = {"auth": ("oauth2", "bearer"), "tracking": ("refuse", "ignore")}
