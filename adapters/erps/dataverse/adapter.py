"""The ERP port on Dataverse: orders only. Whatever else there is belongs to the ERP behind it and is refused with a remedy."""

from collections.abc import Sequence

from adapters.erps.base import Account, Erp, Need, Posting, Undone
from adapters.erps.dataverse.options import DataverseOptions, options_of
from adapters.erps.dataverse.orders import Orders
from adapters.erps.dataverse.sales import needs_of
from adapters.erps.dataverse.wire import Wire
from adapters.http.caller import Caller
from adapters.http.target import Target, rooted
from adapters.wire.entra import Application, login_of
from canonical.kinds import AnyDocument
from canonical.operation import Operation
from canonical.order import Order
from canonical.outcome import Absent, Finding, Outcome, Rejected

_ROOT = "/api/data/v9.2"

CALLS: dict[Operation, int] = {
    "order.create": 1,
    "order.update": 3,
    "order.cancel": 2,
    "shipment.create": 1,
    "shipment.update": 1,
    "return.create": 1,
}
"""Requests of each operation when nothing goes wrong; an update takes one more for each further line that changed."""


class Dataverse:
    """One environment."""

    def __init__(self, account: Account, options: DataverseOptions) -> None:
        base_url = rooted(account.url, _ROOT)
        self.http = Target(account.name, base_url, answer_timeout_s=account.answer_timeout_s)
        self.max_execution_s = account.max_execution_s
        self._options = options
        scope = f"{base_url.removesuffix(_ROOT)}/.default"
        application = Application(options.tenant, options.client_id, account.secret, scope, options.authority)
        login = login_of(application, account.name, account.answer_timeout_s, bearer=options.auth == "bearer")
        self._orders = Orders(Wire(login, _ROOT), options)

    def needs(self, document: AnyDocument) -> tuple[Need, ...]:
        return needs_of(document, self._options) if isinstance(document, Order) else ()

    def calls(self, operation: Operation) -> int:
        return CALLS.get(operation, 1)

    def find(self, posting: Posting, caller: Caller) -> Finding:
        match posting.document:
            case Order() as order:
                return self._orders.find(posting, order, caller)
            case _:
                return Absent()

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        match posting.document:
            case Order() as order:
                return self._orders.post(posting, order, caller)
            case other:
                remedy = f"leave {other.kind}s out of this target's route (kinds), or book it in the ERP behind Dataverse by hand"
                return Rejected("dataverse.not_supported", f"Dataverse's sales orders know no {other.kind}", remedy)

    def batch(self, operation: Operation) -> int:
        """New orders only: whatever else begins with a look at what is there."""
        return self._options.batch if operation == "order.create" else 1

    def post_batch(self, postings: Sequence[Posting], caller: Caller) -> Sequence[Outcome | Undone]:
        """Create several orders by one request; each stands or falls alone."""
        if any(posting.operation != "order.create" for posting in postings):
            return [self.post(posting, caller) for posting in postings]
        return self._orders.create_many(postings, caller)


def build_dataverse(account: Account) -> Erp:
    """The adapter of one environment. Raises ConfigError (a ValueError) for an option it does not know, naming the nearest."""
    return Dataverse(account, options_of(account))
