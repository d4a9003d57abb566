"""Settings of one Dataverse environment, read from the target's options at boot; a wrong one stops it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from adapters.erps.base import Account
from adapters.erps.options import Option, Reader, choice, flag, guid, read_options, text, whole
from adapters.wire.entra import AUTHORITY
from canonical.currencies import MINOR_DIGITS
from config.nearest import ConfigError

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
    options = read_options("dataverse", DataverseOptions, account.options, _READERS, text)
    if not account.secret:
        raise ConfigError("dataverse: the target has no secret: the application's client secret, or a bearer token")
    if options.auth == "oauth2" and not (options.tenant and options.client_id):
        raise ConfigError("dataverse: auth = 'oauth2' takes the options 'tenant' and 'client_id'")
    if not (options.price_list and options.unit):
        raise ConfigError("dataverse: the options 'price_list' and 'unit' are needed: every order and order product has one")
    if options.currency not in MINOR_DIGITS:
        raise ConfigError("dataverse: the option 'currency' must be the ISO code of the price list's currency, such as USD")
    return options


def _column(value: Option) -> str:
    if not _COLUMN.fullmatch(str(value)):
        raise ValueError("must be a column's logical name with its publisher's prefix (mr_key)")
    return str(value)


_READERS: Mapping[str, Reader] = {
    "auth": choice("oauth2", "bearer"),
    "addresses": flag,
    "cancel_status": whole(0, 2**31 - 1),
    "batch": whole(1, MOST_OPERATIONS),
    "key_column": _column,
    "version_column": _column,
    "line_column": _column,
    "guest_account": guid,
    "price_list": guid,
    "unit": guid,
}
