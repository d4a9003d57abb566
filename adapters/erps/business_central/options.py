"""Settings of one Business Central company, read from the target's options at boot; a wrong one stops it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from adapters.erps.base import Account
from adapters.erps.options import Option, Reader, choice, flag, guid, read_options, text, whole
from adapters.wire.entra import AUTHORITY
from config.nearest import ConfigError

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
    options = read_options("business-central", BusinessCentralOptions, account.options, _READERS, _text)
    if not account.secret:
        raise ConfigError("business-central: the target has no secret: the application's client secret, or a bearer token")
    if not options.company:
        raise ConfigError("business-central: option 'company' is missing: the company's id (a GUID)")
    if options.auth == "oauth2" and not (options.tenant and options.client_id):
        raise ConfigError("business-central: auth = 'oauth2' takes the options 'tenant' and 'client_id'")
    return options


def _text(value: Option) -> str:
    if isinstance(value, float):
        raise ValueError("must be a text or a whole number")
    return text(value)


def _location(value: Option) -> str:
    return "" if value == "" else guid(value)


_READERS: Mapping[str, Reader] = {
    "company": guid,
    "location": _location,
    "auth": choice("oauth2", "bearer"),
    "tracking": choice("refuse", "ignore"),
    "addresses": flag,
    "check_total": flag,
    "batch": whole(1, MOST_OPERATIONS),
}
