"""Settings of one NetSuite account, read from the target's options at boot; a wrong one stops it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from adapters.erps.base import Account
from config.nearest import ConfigError, hint

Option = str | int | float | bool

_ROOT = "/services/rest"


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
    known = {f.name: f for f in fields(NetSuiteOptions)}
    for name in account.options:
        if name not in known:
            raise ConfigError(f"netsuite: unknown option {name!r}; {hint(name, known)}")
    read = {name: _READERS.get(name, _text)(name, value) for name, value in account.options.items()}
    options = NetSuiteOptions(**read)  # type: ignore[arg-type]  # each name was checked against the fields
    if not account.secret:
        raise ConfigError("netsuite: the target has no secret: a bearer token, or with auth = 'oauth2' a private key")
    if options.auth == "oauth2" and not (options.client_id and options.certificate_id):
        raise ConfigError("netsuite: auth = 'oauth2' takes the options 'client_id' and 'certificate_id'")
    return options


def base_url_of(url: str) -> str:
    """Root of the REST services, whether the configured url names it or only the host."""
    plain = url.rstrip("/")
    return plain if plain.endswith(_ROOT) else plain + _ROOT


def _text(name: str, value: Option) -> str:
    if isinstance(value, bool) or (isinstance(value, float) and value != int(value)):
        raise ConfigError(f"netsuite: option {name!r} must be a text or a whole number")
    return str(int(value)) if isinstance(value, float) else str(value)


def _auth(name: str, value: Option) -> str:
    if value not in ("bearer", "oauth2"):
        raise ConfigError(f"netsuite: option {name!r} must be bearer or oauth2; {hint(str(value), ('bearer', 'oauth2'))}")
    return str(value)


def _batch(name: str, value: Option) -> str:
    if value not in ("off", "async"):
        raise ConfigError(f"netsuite: option {name!r} must be off or async; {hint(str(value), ('off', 'async'))}")
    return str(value)


def _field(name: str, value: Option) -> str:
    if not isinstance(value, str) or not (value == "" or value.startswith(("custbody", "custcol"))):
        raise ConfigError(f"netsuite: option {name!r} must be a custom field's id (custbody_..., custcol_...) or empty")
    return value.lower()


def _flag(name: str, value: Option) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"netsuite: option {name!r} must be true or false")
    return value


def _seconds(name: str, value: Option) -> float:
    if isinstance(value, bool | str) or not 0 < value <= 3600:
        raise ConfigError(f"netsuite: option {name!r} must be a number of seconds above 0, at most 3600")
    return float(value)


def _currencies(name: str, value: Option) -> Mapping[str, str]:
    pairs = [part.partition(":") for part in str(value).replace(",", " ").split()]
    if not all(len(code) == 3 and code.isalpha() and number.isdecimal() for code, _, number in pairs):
        raise ConfigError(f'netsuite: option {name!r} must look like "USD:1 EUR:4" (ISO code, NetSuite\'s internal id)')
    return {code.upper(): number for code, _, number in pairs}


_READERS = {
    "auth": _auth,
    "addresses": _flag,
    "version_field": _field,
    "correlation_field": _field,
    "line_field": _field,
    "login_rest_s": _seconds,
    "batch": _batch,
    "batch_wait_s": _seconds,
    "currencies": _currencies,
}
