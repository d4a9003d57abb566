"""Settings of one Tryton account: whose sales, which shop, from where; read from the target's table at boot."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.erps.base import Account
from adapters.erps.options import Option, Reader, numbers_by_currency, read_options, whole
from adapters.erps.tryton.wire import context_of
from adapters.http.target import Target
from config.nearest import ConfigError

_REST = "/rest"
LARGEST_BATCH = 200
"""Sales of one request: more would be confirmed for longer than a proxy waits."""

_NEEDED = ("company", "shop", "warehouse", "party", "address", "currencies")


@dataclass(frozen=True, slots=True)
class TrytonOptions:
    """Options of one account. Ids are Tryton's own.

    ``party`` and ``address`` stand in for a customer without a cross-reference: Tryton refuses to sell to the shop's
    guest party. ``currencies`` names the currencies sold in, ``{"USD": 1}``. ``charge_product`` is the service product of
    a charge without a cross-reference; with None every charge needs one. Without ``payment_term`` the party's is used.

    With ``login``, the name of a user with a password, new orders are made in batches of up to ``batch`` over JSON-RPC, which
    knows no application keys. The default of ``batch`` is what pays: see docs/decisions/0026.
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
    login: str = ""
    batch: int = 25


@dataclass(frozen=True, slots=True)
class Keys:
    """The two halves of the target's secret: the application's key and, for a login, the user's password."""

    key: str = field(repr=False)
    password: str = field(repr=False)


def from_options(options: Mapping[str, Option]) -> TrytonOptions:
    """The options of a target's table; ``currencies`` is written ``"USD:1 EUR:2"``.

    Raises ConfigError for an unknown, missing or wrong option, naming the nearest right one.
    """
    for name in _NEEDED:
        if name not in options:
            raise ConfigError(f"tryton: option {name!r} is missing; the id is shown in Tryton under the record's properties")
    return read_options("tryton", TrytonOptions, options, _READERS, _id)


def keys_of(account: Account, options: TrytonOptions) -> Keys:
    """The secret's parts: the key of a validated user application ``rest``, with a login a space and the password after it."""
    key, _, password = account.secret.strip().partition(" ")
    if not key:
        raise ConfigError("tryton: the target has no secret: the key of a validated user application 'rest' is needed")
    if bool(options.login) != bool(password):
        raise ConfigError("tryton: with the option 'login' the secret is '<key> <password>', without it the key alone")
    return Keys(key, password)


def target_of(account: Account, options: TrytonOptions) -> Target:
    """How HTTP reaches the account; its url holds the database: ``https://erp.example/<db>/rest``. English is asked for
    because refusals are told apart by their text.
    """
    root = account.url.rstrip("/")
    if not root.endswith(_REST):
        raise ConfigError("tryton: the url must end in /<database>/rest")
    return Target(
        name=account.name,
        base_url=root.removesuffix(_REST),
        headers=(
            ("authorization", f"bearer {keys_of(account, options).key}"),
            ("x-tryton-context", context_of(options.company)),
            ("accept-language", "en"),
            ("accept", "application/json"),
        ),
        answer_timeout_s=account.answer_timeout_s,
    )


def _id(value: Option) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("must be a record id: a whole number above 0")
    return value


def _login(value: Option) -> str:
    if not isinstance(value, str) or ":" in value:
        raise ValueError("must be a user's login name")
    return value


def _currencies(value: Option) -> Mapping[str, int]:
    numbers = numbers_by_currency(value)
    if not numbers:
        raise ValueError("must name a currency: 'USD:1'")
    return {code: int(number) for code, number in numbers.items()}


_READERS: Mapping[str, Reader] = {"currencies": _currencies, "login": _login, "batch": whole(1, LARGEST_BATCH)}
