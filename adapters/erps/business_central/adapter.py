"""The ERP port on Business Central: which posting goes where, how many requests it takes, what it needs."""

from collections.abc import Sequence

from adapters.erps.base import Account, Erp, Need, Operation, Posting, Undone
from adapters.erps.business_central.needs import needs_of
from adapters.erps.business_central.options import BusinessCentralOptions, options_of
from adapters.erps.business_central.orders import Orders
from adapters.erps.business_central.returns import Returns
from adapters.erps.business_central.shipments import Shipments
from adapters.erps.business_central.wire import Wire
from adapters.http.caller import Caller
from adapters.http.target import Target
from adapters.wire.entra import Application, EntraLogin, FixedToken, Login
from canonical.order import Order
from canonical.outcome import Finding, Outcome
from canonical.returns import Return
from canonical.shipment import Shipment

_ROOT = "/api/v2.0"

CALLS: dict[Operation, int] = {
    "order.create": 2,
    "order.update": 2,
    "order.cancel": 2,
    "shipment.create": 4,
    "shipment.update": 1,
    "return.create": 4,
}
"""Requests of each operation when nothing goes wrong; a ``$batch`` is one request to us, whatever it holds."""


class BusinessCentral:
    """One company of one environment."""

    def __init__(self, account: Account, options: BusinessCentralOptions) -> None:
        self.http = Target(account.name, base_url_of(account.url), answer_timeout_s=account.answer_timeout_s)
        self.max_execution_s = account.max_execution_s
        self._options = options
        wire = Wire(_login(account, options), options.company)
        self._orders = Orders(wire, options)
        self._shipments = Shipments(wire, options)
        self._returns = Returns(wire, options)

    def needs(self, document: Order | Shipment | Return) -> tuple[Need, ...]:
        return needs_of(document, self._options)

    def calls(self, operation: Operation) -> int:
        return CALLS[operation]

    def find(self, posting: Posting, caller: Caller) -> Finding:
        match posting.document:
            case Order() as order:
                return self._orders.find(posting, order, caller)
            case Shipment() as shipment:
                return self._shipments.find(posting, shipment, caller)
            case Return() as told:
                return self._returns.find(told, caller)

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        match posting.document:
            case Order() as order:
                return self._orders.post(posting, order, caller)
            case Shipment() as shipment:
                return self._shipments.post(posting, shipment, caller)
            case Return() as told:
                return self._returns.post(posting, told, caller)

    def batch(self, operation: Operation) -> int:
        return self._options.batch if operation == "order.create" else 1

    def post_batch(self, postings: Sequence[Posting], caller: Caller) -> Sequence[Outcome | Undone]:
        if any(posting.operation != "order.create" for posting in postings):
            return [self.post(posting, caller) for posting in postings]
        return self._orders.create_together(postings, caller)


def base_url_of(url: str) -> str:
    """Root of the API, whether the configured url names it or only the environment."""
    plain = url.rstrip("/")
    return plain if plain.endswith(_ROOT) else plain + _ROOT


def build_business_central(account: Account) -> Erp:
    """The adapter of one company. Raises ConfigError (a ValueError) for an option it does not know, naming the nearest."""
    return BusinessCentral(account, options_of(account))


def _login(account: Account, options: BusinessCentralOptions) -> Login:
    if options.auth == "bearer":
        return FixedToken(account.secret)
    application = Application(options.tenant, options.client_id, account.secret, options.scope, options.authority)
    return EntraLogin(application, account.name, account.answer_timeout_s)
