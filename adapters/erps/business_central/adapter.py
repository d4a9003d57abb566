"""The ERP port on Business Central: which posting goes where, how many requests it takes, what it needs."""

from collections.abc import Sequence

from adapters.erps.base import Account, Erp, Need, Posting, Undone
from adapters.erps.business_central.needs import needs_of
from adapters.erps.business_central.options import BusinessCentralOptions, options_of
from adapters.erps.business_central.orders import Orders
from adapters.erps.business_central.returns import Returns
from adapters.erps.business_central.shipments import Shipments
from adapters.erps.business_central.wire import Wire
from adapters.erps.frame import Desks
from adapters.http.caller import Caller
from adapters.http.target import Target, rooted
from adapters.wire.entra import Application, login_of
from canonical.kinds import AnyDocument
from canonical.operation import Operation
from canonical.outcome import Finding, Outcome

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
        self.http = Target(account.name, rooted(account.url, _ROOT), answer_timeout_s=account.answer_timeout_s)
        self.max_execution_s = account.max_execution_s
        self._options = options
        application = Application(options.tenant, options.client_id, account.secret, options.scope, options.authority)
        login = login_of(application, account.name, account.answer_timeout_s, bearer=options.auth == "bearer")
        wire = Wire(login, options.company)
        self._orders = Orders(wire, options)
        self._desks = Desks(self._orders, Shipments(wire, options), Returns(wire, options))

    def needs(self, document: AnyDocument) -> tuple[Need, ...]:
        return needs_of(document, self._options)

    def calls(self, operation: Operation) -> int:
        return CALLS.get(operation, 1)

    def find(self, posting: Posting, caller: Caller) -> Finding:
        return self._desks.find(posting, caller)

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        return self._desks.post(posting, caller)

    def batch(self, operation: Operation) -> int:
        return self._options.batch if operation == "order.create" else 1

    def post_batch(self, postings: Sequence[Posting], caller: Caller) -> Sequence[Outcome | Undone]:
        if any(posting.operation != "order.create" for posting in postings):
            return [self.post(posting, caller) for posting in postings]
        return self._orders.create_together(postings, caller)


def build_business_central(account: Account) -> Erp:
    """The adapter of one company. Raises ConfigError (a ValueError) for an option it does not know, naming the nearest."""
    return BusinessCentral(account, options_of(account))
