"""Runs edit and replay on the pages: the document in a field, its differences, then the edited version given back to work."""

from starlette.responses import Response

from ledger.failures import FailureKey
from tasks.edit import Change, EditRefusedError, edit, propose, read_body
from workers.console.page import Page, Permission, Visit
from workers.console.pages import retail
from workers.console.pages.acting import no_reason, reason_of, sure
from workers.console.pages.documents import pretty, shown
from workers.console.pages.failure import key_of, order_of, order_page


def show_editor(visit: Visit) -> Response:
    """The document in a field."""
    key = key_of(visit)
    if key is None:
        return visit.refuse(404, "That names no failure: e12 is an event, d34 a delivery.")
    try:
        text = pretty(read_body(visit.desk.context, key))
    except EditRefusedError as error:
        return visit.refuse(409, f"{key} cannot be edited: {error}")
    return _editor(visit, key, text, "")


def change(visit: Visit) -> Response:
    """Show what the edit changes; after the yes make it and give the row back to work."""
    key, reason = key_of(visit), reason_of(visit)
    if key is None:
        return visit.refuse(404, "That names no failure: e12 is an event, d34 a delivery.")
    # A browser sends a field's lines with CR LF.
    text = visit.form.get("document", "").replace("\r\n", "\n")
    if visit.form.get("again") == "yes":
        return _editor(visit, key, text, visit.form.get("why", ""))
    if reason is None:
        return no_reason(visit)
    wanted = Change(whole=text.encode())
    try:
        if sure(visit):
            return _make(visit, key, wanted)
        proposal = propose(visit.desk.context, key, wanted)
    except EditRefusedError as error:
        return _editor(visit, key, text, reason, wrong=str(error))
    return visit.show(
        "edit_plan.html",
        w=retail,
        key=str(key),
        proposal=proposal,
        shown=shown,
        text=text,
        reason=reason,
        order=order_of(visit, key),
    )


def _make(visit: Visit, key: FailureKey, wanted: Change) -> Response:
    order = order_of(visit, key)
    edit(visit.desk.context, key, wanted, visit.actor, visit.form.get("seen", ""))
    return visit.go(order_page(order), f"{key} is edited and given back to work.")


def _editor(visit: Visit, key: FailureKey, text: str, reason: str, wrong: str = "") -> Response:
    status = 422 if wrong else 200
    return visit.show(
        "edit.html", status, w=retail, key=str(key), text=text, reason=reason, wrong=wrong, order=order_of(visit, key)
    )


PAGES = (
    Page("/failures/{key}/edit", show_editor, Permission.OPERATE, name="edit"),
    Page("/failures/{key}/edit", change, Permission.OPERATE, "POST", name="edit_change"),
)
