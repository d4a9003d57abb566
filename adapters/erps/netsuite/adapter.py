"""The ERP port on NetSuite: which posting goes where, how many requests it takes, what it needs."""

from collections.abc import Sequence

from adapters.erps.base import Account, Erp, Need, Posting, Undone
from adapters.erps.frame import Desks
from adapters.erps.netsuite.auth import BearerLogin, Login
from adapters.erps.netsuite.bulk import MOST_AT_ONCE, BulkOrders
from adapters.erps.netsuite.needs import needs_of
from adapters.erps.netsuite.oauth import PATH as TOKEN_PATH
from adapters.erps.netsuite.oauth import OAuthLogin
from adapters.erps.netsuite.options import ROOT, NetSuiteOptions, options_of
from adapters.erps.netsuite.orders import Orders
from adapters.erps.netsuite.returns import Returns
from adapters.erps.netsuite.shipments import Shipments
from adapters.erps.netsuite.wire import Wire
from adapters.http.caller import Caller
from adapters.http.target import Target, rooted
from canonical.kinds import AnyDocument
from canonical.operation import Operation
from canonical.outcome import Finding, Outcome
from config.nearest import ConfigError

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
        self.http = Target(account.name, rooted(account.url, ROOT), answer_timeout_s=account.answer_timeout_s)
        self.max_execution_s = account.max_execution_s
        self._options = options
        wire = Wire(_login(account, options))
        self._desks = Desks(Orders(wire, options), Shipments(wire, options), Returns(wire, options))
        self._bulk = BulkOrders(wire, options)

    def needs(self, document: AnyDocument) -> tuple[Need, ...]:
        return needs_of(document, self._options)

    def calls(self, operation: Operation) -> int:
        return CALLS.get(operation, 1)

    def find(self, posting: Posting, caller: Caller) -> Finding:
        return self._desks.find(posting, caller)

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        return self._desks.post(posting, caller)

    def batch(self, operation: Operation) -> int:
        """New orders only: whatever else begins with a look at what is there."""
        return MOST_AT_ONCE if self._options.batch == "async" and operation == "order.create" else 1

    def post_batch(self, postings: Sequence[Posting], caller: Caller) -> Sequence[Outcome | Undone]:
        """Create several orders by one asynchronous request; each has its own outcome."""
        return self._bulk.create(postings, caller)


def build_netsuite(account: Account) -> Erp:
    """The adapter of one account. Raises ConfigError (a ValueError) for an option it does not know, naming the nearest."""
    return NetSuite(account, options_of(account))


def _login(account: Account, options: NetSuiteOptions) -> Login:
    if options.auth == "bearer":
        return BearerLogin(account.secret, options.login_rest_s)
    try:
        from adapters.erps.netsuite.assertion import assertion, read_key  # noqa: PLC0415  only signing needs its library
    except ImportError:
        raise ConfigError("netsuite: auth = 'oauth2' signs with the package 'cryptography': install it") from None
    key = read_key(account.secret)
    audience = rooted(account.url, ROOT) + TOKEN_PATH

    def sign() -> str:
        return assertion(key, options.client_id, options.certificate_id, audience)

    return OAuthLogin(sign, options.login_rest_s, account.answer_timeout_s)
