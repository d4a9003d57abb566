"""Settings of one Dataverse environment, read from the target's options at boot; a wrong one stops it."""

import re
from dataclasses import dataclass, fields
from typing import Literal

from adapters.erps.base import Account
from adapters.wire.entra import AUTHORITY
from canonical.currencies import MINOR_DIGITS
from config.nearest import ConfigError, hint

Option = str | int | float | bool

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MOST_OPERATIONS = 1000
"""Requests that one batch may hold."""
_COLUMN = re.compile(r"[a-z][a-z0-9]*_[a-z0-9_]{1,90}")


@dataclass(frozen=True, slots=True)
class DataverseOptions:
    """One environment. Customers, products, units and price lists are named by id (a GUID).

    ``key_column`` is a text column of the order (100 characters) that an alternate key is defined on; ``version_column`` a whole
    number on the order, ``line_column`` a text column of the order product. ``guest_account`` stands in where a customer has no
    cross-reference. ``currency`` is the price list's, as an ISO code: an order in another one is refused. ``cancel_status`` is
    the status reason of cancelled orders. ``batch`` is how many new orders one ``$batch`` may carry, 1 for none: Microsoft
    advises few, for one web server works a batch off, one after the other.
    """

    auth: Literal["oauth2", "bearer"] = "oauth2"
    tenant: str = ""
    client_id: str = ""
    authority: str = AUTHORITY
    key_column: str = "mr_key"
    version_column: str = "mr_version"
    line_column: str = "mr_line"
    guest_account: str = ""
    price_list: str = ""
    unit: str = ""
    currency: str = ""
    cancel_status: int = 4
    addresses: bool = True
    batch: int = 10


def options_of(account: Account) -> DataverseOptions:
    """The account's options. Raises ConfigError for an unknown or wrong one, naming the nearest, and for a missing secret."""
    known = {f.name: f for f in fields(DataverseOptions)}
    for name in account.options:
        if name not in known:
            raise ConfigError(f"dataverse: unknown option {name!r}; {hint(name, known)}")
    options = DataverseOptions(**{name: _read(name, value) for name, value in account.options.items()})  # type: ignore[arg-type]  # each was read
    if not account.secret:
        raise ConfigError("dataverse: the target has no secret: the application's client secret, or a bearer token")
    if options.auth == "oauth2" and not (options.tenant and options.client_id):
        raise ConfigError("dataverse: auth = 'oauth2' takes the options 'tenant' and 'client_id'")
    if not (options.price_list and options.unit):
        raise ConfigError("dataverse: the options 'price_list' and 'unit' are needed: every order and order product has one")
    if options.currency not in MINOR_DIGITS:
        raise ConfigError("dataverse: the option 'currency' must be the ISO code of the price list's currency, such as USD")
    return options


def _read(name: str, value: Option) -> object:
    if name == "auth" and value not in ("oauth2", "bearer"):
        raise ConfigError(f"dataverse: option 'auth': {hint(str(value), ('oauth2', 'bearer'))}")
    if name == "addresses" and not isinstance(value, bool):
        raise ConfigError("dataverse: option 'addresses' must be true or false")
    if name == "batch" and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_OPERATIONS):
        raise ConfigError(f"dataverse: option 'batch' must be a whole number from 1 to {MOST_OPERATIONS}")
    if name == "cancel_status" and (isinstance(value, bool) or not isinstance(value, int)):
        raise ConfigError("dataverse: option 'cancel_status' must be a whole number: a status reason of cancelled orders")
    if name.endswith("_column") and not _COLUMN.fullmatch(str(value)):
        raise ConfigError(f"dataverse: option {name!r} must be a column's logical name with its publisher's prefix (mr_key)")
    if name in ("guest_account", "price_list", "unit") and not GUID.fullmatch(str(value)):
        raise ConfigError(f"dataverse: option {name!r} must be an id (a GUID)")
    return value
