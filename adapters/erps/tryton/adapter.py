"""Speaks to one Tryton account: the ERP port over Tryton's REST API."""

from collections.abc import Sequence

from adapters.erps.base import Account, Erp, Need, Posting, Undone
from adapters.erps.frame import not_taken
from adapters.erps.tryton.batch import Pace, make_sales
from adapters.erps.tryton.cancels import CancelChain
from adapters.erps.tryton.chain import Chain, look_up, run
from adapters.erps.tryton.faults import Fault, refuse
from adapters.erps.tryton.lines import plan_of, taxes_of, titles_of
from adapters.erps.tryton.options import TrytonOptions, from_options, keys_of, target_of
from adapters.erps.tryton.records import WHOLE_FIELDS, Sale
from adapters.erps.tryton.returns import ReturnChain, nothing_to_give_back, plan_return
from adapters.erps.tryton.rpc import Rpc
from adapters.erps.tryton.sales import SaleChain, by_web_id, head_of, party_of
from adapters.erps.tryton.session import Session
from adapters.erps.tryton.shipments import ShipmentChain
from adapters.http.caller import Caller
from canonical.keys import fit
from canonical.kinds import AnyDocument
from canonical.operation import Operation
from canonical.order import Order
from canonical.outcome import AlreadyDone, Finding, Outcome, Rejected
from canonical.returns import Return
from canonical.shipment import Shipment

KEY_LENGTH = 64
"""Tryton's own fields have no limit; longer keys are hard to search for by hand."""

RETURN_PREFIX = "_return_"
"""A source's name never begins with an underscore, so no order's key is ever a return's."""

_CALLS: dict[Operation, int] = {
    "order.create": 3,
    "order.update": 1,
    "order.cancel": 8,
    "shipment.create": 6,
    "shipment.update": 1,
    "return.create": 8,
}


class Tryton:
    """One account."""

    def __init__(self, account: Account, options: TrytonOptions) -> None:
        self.http = target_of(account, options)
        self.max_execution_s = account.max_execution_s
        self._options = options
        self._rpc = Rpc(options, keys_of(account, options))
        self._pace = Pace()

    def needs(self, document: AnyDocument) -> tuple[Need, ...]:
        """Items, taxes by title and, without a charge product, charges of an order. Shipments and returns take the
        products and taxes of the sale they belong to.
        """
        if not isinstance(document, Order):
            return ()
        needs = [Need("item", line.sku) for line in document.lines]
        needs += [Need("tax", title) for taxes in taxes_of(document) for title in titles_of(taxes)]
        if self._options.charge_product is None:
            needs += [Need("charge", charge.code) for charge in document.charges]
        return tuple(dict.fromkeys(needs))

    def calls(self, operation: Operation) -> int:
        """Requests of a posting that meets no surprise."""
        return _CALLS.get(operation, 1)

    def find(self, posting: Posting, caller: Caller) -> Finding:
        """Read the effect by its key; Absent while its chain is not finished."""
        chain = self._chain(posting)
        return chain if isinstance(chain, Rejected) else look_up(chain, Session(caller))

    def post(self, posting: Posting, caller: Caller) -> Outcome:
        """Make the effect happen, continuing where an earlier attempt stopped."""
        session = Session(caller)
        chain = self._chain(posting)
        if isinstance(chain, Rejected):
            return chain
        if isinstance(chain, ReturnChain):
            return self._post_return(chain, session, posting.attempt)
        # The unique web id makes a blind first create safe, and spares the look-up of a sale that is not there.
        blind = isinstance(chain, SaleChain) and not chain.strict and posting.attempt == 1
        return run(chain, session, None if blind else chain.read(session))

    def batch(self, operation: Operation) -> int:
        """New orders go out together where the account has a login for it; whatever else reads the state of its own sale."""
        return self._options.batch if self._options.login and operation == "order.create" else 1

    def post_batch(self, postings: Sequence[Posting], caller: Caller) -> Sequence[Outcome | Undone]:
        """Make the sales of several orders in some five requests, continuing those that an earlier attempt began."""
        found: list[Outcome | Undone | SaleChain] = []
        for posting in postings:
            chain = self._chain(posting)
            fault = refuse("operation", f"{posting.operation} goes out alone", "report it with the delivery's id")
            found.append(chain if isinstance(chain, Rejected | SaleChain) else fault)
        chains = [chain for chain in found if isinstance(chain, SaleChain)]
        made = iter(make_sales(chains, self._rpc, caller, self._options, self._pace))
        return [next(made) if isinstance(one, SaleChain) else one for one in found]

    def _chain(self, posting: Posting) -> Chain | Rejected:
        document, options = posting.document, self._options
        sale_key = fit(document.source, document.order, KEY_LENGTH)
        if isinstance(document, Shipment):
            reference = fit(document.source, document.key, KEY_LENGTH)
            return ShipmentChain(document, reference, sale_key, options.shop, tells_news=posting.operation == "shipment.update")
        if isinstance(document, Return):
            return ReturnChain(document, fit(document.source, document.key, KEY_LENGTH, RETURN_PREFIX), options)
        return self._sale_chain(posting, document, sale_key) if isinstance(document, Order) else not_taken(document)

    def _sale_chain(self, posting: Posting, document: Order, sale_key: str) -> Chain | Rejected:
        options = self._options
        if posting.operation == "order.cancel":
            return CancelChain(sale_key, options.shop)
        plan = plan_of(document, posting.references, options)
        head = head_of(document, sale_key, posting.references, options)
        if isinstance(plan, Rejected):
            return plan
        if isinstance(head, Rejected):
            return head
        return SaleChain(document, plan, head, sale_key, options, strict=posting.operation == "order.update")

    def _post_return(self, chain: ReturnChain, session: Session, attempt: int) -> Outcome:
        made = None if attempt == 1 else chain.read(session)
        if made is not None:
            return run(chain, session, made)
        sale_key = fit(chain.document.source, chain.document.order, KEY_LENGTH)
        sold = session.sale(by_web_id(self._options.shop, sale_key, WHOLE_FIELDS))
        if isinstance(sold, Fault):
            return sold
        if sold is None:
            return refuse("no_sale", "there is no sale under the order's key", "retry after the order has been posted")
        if nothing_to_give_back(sold):
            return AlreadyDone(str(sold.id))
        planned = self._planned(chain, sold)
        return planned if isinstance(planned, Rejected) else run(planned, session, None)

    def _planned(self, chain: ReturnChain, sold: Sale) -> ReturnChain | Rejected:
        plan = plan_return(chain.document, sold)
        head = self._return_head(chain, sold)
        if isinstance(plan, Rejected):
            return plan
        if isinstance(head, Rejected):
            return head
        return ReturnChain(chain.document, chain.web_id, self._options, head, plan)

    def _return_head(self, chain: ReturnChain, sold: Sale) -> dict[str, object] | Rejected:
        document, options = chain.document, self._options
        currency = options.currencies.get(document.currency)
        if currency is None:
            remedy = "add it to the target's option 'currencies', then retry"
            return refuse("currency", f"{document.currency} is not sold in", remedy)
        return {
            **party_of(sold.party or options.party, sold.address or options.address, options),
            "currency": currency,
            "web_id": chain.web_id,
            "reference": document.number or document.key,
            "origin": f"sale.sale,{sold.id}",
            "warehouse": sold.warehouse or options.warehouse,
        }


def build_tryton(account: Account) -> Erp:
    """The adapter of one account. Raises ConfigError (a ValueError) for an unknown, missing or wrong option."""
    return Tryton(account, from_options(account.options))
