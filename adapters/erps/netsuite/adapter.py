"""The ERP port on NetSuite: which posting goes where, how many requests it takes, what it needs."""

from adapters.erps.base import Account, Erp, Need, Operation, Posting
from adapters.erps.netsuite.auth import BearerLogin, Login
from adapters.erps.netsuite.needs import needs_of
from adapters.erps.netsuite.options import NetSuiteOptions, base_url_of, options_of
from adapters.erps.netsuite.orders import Orders
from adapters.erps.netsuite.wire import Wire
from adapters.http.caller import Caller
from adapters.http.target import Target
from canonical.order import Order
from canonical.outcome import Finding, Outcome, Rejected
from canonical.returns import Return
from canonical.shipment import Shipment

CALLS: dict[Operation, int] = {
    "order.create": 1,
    "order.update": 2,
    "order.cancel": 2,
    "shipment.create": 2,
    "shipment.update": 2,
    "return.create": 5,
}
"""Requests of each operation when nothing goes wrong and the login still holds."""


class NetSuite:
    """One NetSuite account."""

    def __init__(self, account: Account, options: NetSuiteOptions) -> None:
        self.http = Target(account.name, base_url_of(account.url), answer_timeout_s=account.answer_timeout_s)
        self.max_execution_s = account.max_execution_s
        self._options = options
        wire = Wire(_login(account, options))
        self._orders = Orders(wire, options)

    def needs(self, document: Order | Shipment | Return) -> tuple[Need, ...]:
        return needs_of(document, self._options)

    def calls(self, operation: Operation) -> int:
        return CALLS[operation]

    def find(self, posting: Posting, caller: Caller) -> Finding:
        match posting.document:
            case Order() as order:
                return self._orders.find(posting, order, caller)
            case _:
                return _unknown(posting)

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        match posting.operation, posting.document:
            case "order.create", Order() as order:
                return self._orders.create(posting, order, caller)
            case "order.update", Order() as order:
                return self._orders.update(posting, order, caller)
            case "order.cancel", Order() as order:
                return self._orders.cancel(posting, order, caller)
            case _:
                return _unknown(posting)


def build_netsuite(account: Account) -> Erp:
    """The adapter of one account. Raises ConfigError (a ValueError) for an option it does not know, naming the nearest."""
    return NetSuite(account, options_of(account))


def _login(account: Account, options: NetSuiteOptions) -> Login:
    return BearerLogin(account.secret, options.login_rest_s)


def _unknown(posting: Posting) -> Rejected:
    reason = f"{posting.operation} of a {posting.document.kind} is no posting NetSuite knows"
    return Rejected("netsuite.operation", reason, "report it with the delivery's id")
