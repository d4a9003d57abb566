"""Settings of one Tryton account: whose sales, which shop, from where; read from the target's table at boot."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from adapters.erps.base import Account
from adapters.erps.tryton.wire import context_of
from adapters.http.target import Target
from config.nearest import ConfigError, hint

Option = str | int | float | bool

_NEEDED = ("company", "shop", "warehouse", "party", "address", "currencies")


@dataclass(frozen=True, slots=True)
class TrytonOptions:
    """Options of one account. Ids are Tryton's own.

    ``party`` and ``address`` stand in for a customer without a cross-reference: Tryton refuses to sell to the shop's
    guest party. ``currencies`` names the currencies sold in, ``{"USD": 1}``. ``charge_product`` is the service product of
    a charge without a cross-reference; with None every charge needs one. Without ``payment_term`` the party's is used.
    """

    company: int
    shop: int
    warehouse: int
    party: int
    address: int
    currencies: Mapping[str, int]
    payment_term: int | None = None
    unit: int = 1
    charge_product: int | None = None


def from_options(options: Mapping[str, Option]) -> TrytonOptions:
    """The options of a target's table; ``currencies`` is written ``"USD:1 EUR:2"``.

    Raises ConfigError for an unknown, missing or wrong option, naming the nearest right one.
    """
    known = {f.name for f in fields(TrytonOptions)}
    for name in options:
        if name not in known:
            raise ConfigError(f"tryton: unknown option {name!r}; {hint(name, known)}")
    for name in _NEEDED:
        if name not in options:
            raise ConfigError(f"tryton: option {name!r} is missing; the id is shown in Tryton under the record's properties")
    read = {name: _currencies(value) if name == "currencies" else _id(name, value) for name, value in options.items()}
    return TrytonOptions(**read)  # type: ignore[arg-type]  # each name was checked against the fields


def target_of(account: Account, options: TrytonOptions) -> Target:
    """How HTTP reaches the account; its url holds the database (``https://erp.example/<db>/rest``), its secret is the key of
    a validated user application ``rest``. English is asked for because refusals are told apart by their text.
    """
    if not account.secret:
        raise ConfigError("tryton: the target has no secret: the key of a validated user application 'rest' is needed")
    return Target(
        name=account.name,
        base_url=account.url,
        headers=(
            ("authorization", f"bearer {account.secret}"),
            ("x-tryton-context", context_of(options.company)),
            ("accept-language", "en"),
            ("accept", "application/json"),
        ),
        answer_timeout_s=account.answer_timeout_s,
    )


def _id(name: str, value: Option) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"tryton: option {name!r} must be a record id: a whole number above 0")
    return value


def _currencies(value: Option) -> Mapping[str, int]:
    pairs = [part.partition(":") for part in str(value).replace(",", " ").split()]
    if not pairs or not all(len(code) == 3 and code.isalpha() and number.isdecimal() for code, _, number in pairs):
        raise ConfigError("tryton: option 'currencies' must look like \"USD:1 EUR:2\" (ISO code, Tryton's currency id)")
    return {code.upper(): int(number) for code, _, number in pairs}
