"""Does the noting of what happens to orders outside. New orders without a promise cost nothing more.

An order that is told anew without one costs its bundle one statement, for it may have had one before.
"""

from canonical.milestone import Milestone
from canonical.order import Order
from ledger import journeys
from ledger.journeys import NewStep, Promise
from ledger.session import Session
from tasks.decide import Plan, order_key_of


def note_journeys(session: Session, plan: Plan) -> None:
    """Note a bundle's milestones and promises, in the transaction that writes its documents and under the locks of its orders."""
    steps: list[NewStep] = []
    made: dict[int, Promise] = {}
    withdrawn: dict[int, None] = {}
    for head, document in plan.news():
        if isinstance(document, Milestone):
            order = plan.order_of(document)
            order_id = plan.heads[order_key_of(document)].id
            placed_at = order.placed_at if order else None
            steps.append(NewStep(head.id, order_id, document.return_key, document.step, document.at, placed_at))
        elif isinstance(document, Order):
            if document.promised_by is not None and document.status == "open" and not document.test:
                made[head.id] = Promise(document.placed_at, document.promised_by)
                withdrawn.pop(head.id, None)
            elif head.version > 0 or head.id in made:
                made.pop(head.id, None)
                withdrawn[head.id] = None
    journeys.note_promises(session, made, list(withdrawn))
    journeys.note_steps(session, steps)
