"""Runs the pages of settlements: what was paid out and does not fit, one exception with what it is about, and explaining it."""

from starlette.responses import Response

import ledger.actions
import ledger.findings
import ledger.settlements
from ledger.findings import FindingView
from routing.reconcile import REASONS
from tasks.reconcile import explain
from workers.console.page import Page, Permission, Visit
from workers.console.pages import retail
from workers.console.pages.acting import no_reason, reason_of
from workers.console.pages.failure import DEEDS_SHOWN, order_page

MOST = 100
STATES = ("open", "explained", "resolved")
_GONE = "There is no such exception of settlements, or it is not open any more."


def settlements(visit: Visit) -> Response:
    """Exceptions that meet conditions, and the payouts paid last."""
    asked = visit.request.query_params
    given = {
        "state": asked.get("state") if asked.get("state") in STATES else "open",
        "reason": asked.get("reason") if asked.get("reason") in REASONS else None,
        "source": asked.get("source") or None,
    }
    with visit.desk.context.ledger.read() as session:
        found = ledger.findings.listed(
            session, MOST, state=given["state"] or "open", source=given["source"], reason=given["reason"]
        )
        paid = ledger.settlements.payouts(session, MOST)
    return visit.show(
        "settlements.html", w=retail, at=visit.desk.clock(), found=found, payouts=paid, given=given, states=STATES,
        reasons=REASONS, sources=sorted(visit.desk.fleet.sources), most=MOST,
    )  # fmt: skip


def finding(visit: Visit) -> Response:
    """One exception with both amounts, the rows that were paid for its order, and what people said of it."""
    one = _finding(visit)
    if one is None:
        return visit.refuse(404, _GONE)
    with visit.desk.context.ledger.read() as session:
        lines = ledger.settlements.lines_of_order(session, one.source, one.key) if one.about == "order" else []
        history = ledger.actions.listed(session, f"s{one.id}", DEEDS_SHOWN)
    order = order_page((one.source, one.key)) if one.about == "order" and one.reason != "order_unknown" else ""
    return visit.show(
        "settlement_finding.html", w=retail, at=visit.desk.clock(), one=one, lines=lines, history=history, order=order
    )


def explain_one(visit: Visit) -> Response:
    """Close an open exception with a reason."""
    if reason_of(visit) is None:
        return no_reason(visit)
    with visit.desk.context.ledger.write() as session:
        done = explain(session, visit.request.path_params["finding_id"], visit.actor, visit.desk.clock())
    if done is None:
        return visit.refuse(409, _GONE)
    return visit.go("/settlements", f"s{done.id} is explained. It opens again if the difference becomes another.")


def _finding(visit: Visit) -> FindingView | None:
    with visit.desk.context.ledger.read() as session:
        return ledger.findings.find(session, visit.request.path_params["finding_id"])


PAGES = (
    Page("/settlements", settlements, name="settlements", menu="Settlements"),
    Page("/settlements/{finding_id:int}", finding, name="settlement"),
    Page(
        "/settlements/{finding_id:int}/explain", explain_one, needs=Permission.OPERATE, method="POST", name="settlement_explain"
    ),
)
