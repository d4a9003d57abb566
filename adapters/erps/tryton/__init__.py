"""Tryton 8.2 over its REST API, new orders also over JSON-RPC.

Orders become sales, fulfilments done shipments, refunds return sales with credit notes.

How it stays exactly once
    A sale is found by ``web_shop`` + ``web_id`` (unique in the database), a shipment by its ``reference`` among the sale's
    own shipments (not unique: one order's effects come one after another), a return by a ``web_id`` of its own. Every
    operation is a chain: read the state, decide the next requests from it alone, send them (``chain.run``). A lost answer
    leaves a state; the next attempt reads it and goes on. A look-up is done only when the chain is: else it is Absent.

How many are made together
    With a login new orders go out in batches over JSON-RPC (``batch``): each sale's own chain decides, and the steps of one
    name are one call for all. A call is one transaction, so a refusal means that nothing of it was done.

How amounts are kept
    Prices are sold net of discount and tax. A line whose amount no unit price of four decimals gives becomes two lines, one
    cent apart (``lines.priced``). Tryton computes the taxes; what its total differs from the order's, up to half a cent for
    each taxed line, stands on a visible line "Rounding" without tax; more is refused (``tryton.total_differs``) and leaves
    a draft sale. A refund's total is money that has left: any difference stands on a line of its own and nothing is refused.

What an update and a cancel do once Tryton processes the sale (that is: right after its confirmation)
    An update that asks for no more pieces and no more money than the sale has is done already: channels lower an order by
    what was refunded, and the refund comes as a document of its own. Any other change of lines is refused.
    A cancel stops what has not left; the draft invoice is cancelled only if nothing left and nothing was refunded.
    Pieces that were refunded and never left stay on Tryton's waiting shipment until the order is cancelled or a person
    takes them off: the documents do not tell which of equal pieces was meant.

Facts of Tryton 8.2 that its documentation does not tell, each seen on the running ERP
    - ``confirm`` answers "confirmed" and processes the sale after its commit inside the same request: 100 lines took 5 s,
      and a 500 or 503 to it does not mean that it was not confirmed. So both are in doubt on a change.
    - ``process`` may be pressed at any time and does nothing twice; it is what moves a sale out of "confirmed" by hand.
    - A line needs no product: it is billed on the default revenue account and moves no stock.
    - Only a draft shipment's moves can be lowered or deleted; the PUT that does it makes the shipment for the rest at once.
      ``draft`` deletes the inventory moves, ``wait`` makes them anew.
    - A cancelled shipment puts the sale into an exception. The wizard that settles it is out of REST's reach, but what it
      writes is not: ``moves_ignored`` or ``moves_recreated`` of the lines, ``invoices_ignored`` of the sale, then
      ``process``. Until that last step the exception stays.
    - A done shipment is cancelled only by a user in the group Stock Cancellation; others get "You can not call".
    - A credit note whose taxes differ from its products' own is refused with a warning (400); ``_skip_warnings`` in the
      context posts it. It is used for that one call, because the refund's taxes are the truth.
    - ``assign_try`` answers 200 and "waiting" when stock is missing. The goods have left: ``assign_force`` follows.
    - There is no field for tracking numbers without the carrier modules: they become a note of the shipment.
    - JSON-RPC marks every answer above 1400 bytes as gzip, packed or not, and takes sessions and passwords, no application keys.
    - Refusals are told apart by their English text: ``Accept-Language: en`` goes with every request.
"""
