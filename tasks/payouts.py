"""Does the noting of what payouts say. A bundle without settlements costs nothing more."""

from canonical.settlement import Settlement
from ledger import settlements
from ledger.session import Session
from ledger.settlements import ToldPart
from tasks.decide import Plan


def note_payouts(session: Session, plan: Plan) -> None:
    """Note the rows of a bundle's settlements, in the transaction that writes their versions and under their locks, and have
    them compared. One that says the same again changes nothing.
    """
    parts = [
        ToldPart(head.id, document, _orders_paid(plan, document.source))
        for head, document in plan.news()
        if isinstance(document, Settlement)
    ]
    settlements.tell(session, parts, plan.at)


def _orders_paid(plan: Plan, source: str) -> str:
    """The source whose orders a source's payouts are for: its own, where the fleet file says nothing else."""
    known = plan.fleet.sources.get(source)
    return (known.settles if known else None) or source
