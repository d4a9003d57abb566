"""Settings of one NetSuite account, read from the target's options at boot; a wrong one stops it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from adapters.erps.base import Account
from adapters.erps.options import Option, Reader, choice, flag, numbers_by_currency, read_options, text
from config.nearest import ConfigError

ROOT = "/services/rest"


@dataclass(frozen=True, slots=True)
class NetSuiteOptions:
    """One account; every id is NetSuite's internal one, and an empty text switches a setting off.

    ``guest_customer``, ``location``, ``tax_code`` and ``adjustment_item`` stand in where a cross-reference is missing.
    Without an entry in ``currencies`` a currency is referred to by its ISO code as external id. The ``*_field`` names are
    custom fields the account must have: the version marker, our key of a line, and the correlation id.
    ``batch = "async"`` lets new orders go out up to 100 at once as one asynchronous request, looked after for ``batch_wait_s``:
    keep it below the target's ``posting_time_s``.
    ``auth = "oauth2"`` takes ``client_id`` and ``certificate_id``; the secret is then the certificate's private key (PEM).
    """

    auth: Literal["bearer", "oauth2"] = "bearer"
    client_id: str = ""
    certificate_id: str = ""
    guest_customer: str = ""
    location: str = ""
    subsidiary: str = ""
    tax_code: str = ""
    tax_type: str = ""
    adjustment_item: str = ""
    order_status: str = "B"
    addresses: bool = True
    version_field: str = "custbody_millrace_version"
    correlation_field: str = "custbody_millrace_correlation"
    line_field: str = "custcol_millrace_line"
    login_rest_s: float = 5.0
    batch: Literal["off", "async"] = "off"
    batch_wait_s: float = 20.0
    currencies: Mapping[str, str] = field(default_factory=dict)


def options_of(account: Account) -> NetSuiteOptions:
    """The account's options; ``currencies`` is written ``"USD:1 EUR:4"``.

    Raises ConfigError for an unknown or wrong option, naming the nearest right one, and for a missing secret.
    """
    options = read_options("netsuite", NetSuiteOptions, account.options, _READERS, text)
    if not account.secret:
        raise ConfigError("netsuite: the target has no secret: a bearer token, or with auth = 'oauth2' a private key")
    if options.auth == "oauth2" and not (options.client_id and options.certificate_id):
        raise ConfigError("netsuite: auth = 'oauth2' takes the options 'client_id' and 'certificate_id'")
    return options


def _field(value: Option) -> str:
    if not isinstance(value, str) or not (value == "" or value.startswith(("custbody", "custcol"))):
        raise ValueError("must be a custom field's id (custbody_..., custcol_...) or empty")
    return value.lower()


def _seconds(value: Option) -> float:
    if isinstance(value, bool | str) or not 0 < value <= 3600:
        raise ValueError("must be a number of seconds above 0, at most 3600")
    return float(value)


_READERS: Mapping[str, Reader] = {
    "auth": choice("bearer", "oauth2"),
    "addresses": flag,
    "version_field": _field,
    "correlation_field": _field,
    "line_field": _field,
    "login_rest_s": _seconds,
    "batch": choice("off", "async"),
    "batch_wait_s": _seconds,
    "currencies": numbers_by_currency,
}
