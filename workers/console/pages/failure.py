"""Runs the page of one failure and what a person does to it: note, assign, archive, restore, retry, redirect, drop."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

from starlette.responses import Response

import ledger.actions
import ledger.desk
import ledger.edits
from config.nearest import hint
from ledger.actions import Actor
from ledger.desk import Case, Filter
from ledger.failures import FailureKey
from ledger.search import order_of_event
from tasks import desk as deeds
from tasks.context import Context
from tasks.edit import EditRefusedError, read_body
from tasks.redirect import RedirectRefusedError, redirect
from tasks.replay import drop, retry
from workers.console.page import Page, Permission, Visit
from workers.console.pages import retail
from workers.console.pages.acting import Plan, ask, no_reason, reason_of, sure
from workers.console.pages.documents import pretty

DUE_IN_S = {"": None, "1h": 3_600, "4h": 14_400, "1d": 86_400, "3d": 259_200}
DEEDS_SHOWN = 50
_GONE = "It is not on the desk any more: it was given back to work, given up, or somebody was quicker. Look at the order."


def failure(visit: Visit) -> Response:
    """One failure with its reason, remedy, document, history, and what can be done."""
    key = key_of(visit)
    case = key and _case(visit, key)
    if not key or not case:
        return _gone(visit, key)
    with visit.desk.context.ledger.read() as session:
        history = ledger.actions.listed(session, str(key), DEEDS_SHOWN)
        edits = ledger.edits.of_row(session, key.stage, key.id)
    return visit.show(
        "failure.html", w=retail, at=visit.desk.clock(), case=case, key=str(key), history=history, edits=edits,
        order=order_of(visit, key), document=_document(visit, key), targets=_others(visit, case),
    )  # fmt: skip


def key_of(visit: Visit) -> FailureKey | None:
    """The failure that the path names; None if it is no key."""
    try:
        return FailureKey.read(visit.request.path_params["key"])
    except ValueError:
        return None


def order_of(visit: Visit, key: FailureKey) -> tuple[str, str] | None:
    """Source and key of the order that a failure belongs to, as far as it is known."""
    with visit.desk.context.ledger.read() as session:
        if key.stage == "event":
            return order_of_event(session, key.id)
        base = ledger.edits.delivery_base(session, key.id, lock=False) if key.stage == "delivery" else None
    if base is None:
        return None
    source, _, order_key = base.entity.partition("/")
    return source, order_key


def order_page(order: tuple[str, str] | None) -> str:
    """The page of an order, source and key; the desk where none is known."""
    return f"/orders/{quote(order[0], safe='')}/{quote(order[1], safe='')}" if order else "/failures"


def note(visit: Visit) -> Response:
    """Keep a note; the reason is the note."""
    return _simple(visit, "The note is kept.", deeds.note)


def assign(visit: Visit) -> Response:
    """Give it to an owner until a time; without a name back to the rules."""
    owner = visit.form.get("owner", "").strip()[:80] or None
    due_s = DUE_IN_S.get(visit.form.get("due", ""))
    due_at = visit.desk.clock() + timedelta(seconds=due_s) if due_s else None
    return _simple(visit, "It has a new owner.", lambda context, key, who: bool(deeds.assign(context, [key], owner, due_at, who)))


def archive(visit: Visit) -> Response:
    """Take it off the lists."""
    return _simple(
        visit,
        "It is off the lists. Its row stays where it is; restore brings it back.",
        lambda context, key, who: bool(deeds.archive(context, [key], who)),
    )


def restore(visit: Visit) -> Response:
    """Put it back on the lists."""
    return _simple(visit, "It is back on the lists.", lambda context, key, who: bool(deeds.restore(context, [key], who)))


def retry_one(visit: Visit) -> Response:
    """Give it back to work at once, in its own class."""
    key, reason = key_of(visit), reason_of(visit)
    if not key:
        return _gone(visit, key)
    if reason is None:
        return no_reason(visit)
    order = order_of(visit, key)
    replayed = retry(visit.desk.context, [key], visit.actor)
    if replayed.left:
        return visit.refuse(409, f"It stays where it is: {replayed.left[0][1]}")
    return visit.go(order_page(order), f"{key} is given back to work.")


def drop_one(visit: Visit) -> Response:
    """Give it up for good."""
    key, reason = key_of(visit), reason_of(visit)
    if not key:
        return _gone(visit, key)
    if reason is None:
        return no_reason(visit)
    if not sure(visit):
        says = "Its effect will not be made by Millrace any more. Do this when it was done by hand or is not wanted."
        return ask(
            visit, Plan(f"Give {key} up", "Give it up for good", f"/failures/{key}/drop", f"/failures/{key}", reason, says)
        )
    if not drop(visit.desk.context, key, visit.actor):
        return _gone(visit, key)
    return visit.go("/failures", f"{key} is given up. What waited behind it goes on.")


def redirect_one(visit: Visit) -> Response:
    """Send it to another target."""
    key, reason, target = key_of(visit), reason_of(visit), visit.form.get("target", "")
    if not key:
        return _gone(visit, key)
    if reason is None:
        return no_reason(visit)
    known = visit.desk.fleet.targets
    if target not in known:
        return visit.refuse(422, f"There is no target {target!r}; {hint(target, known)}.")
    if not sure(visit):
        says = "What waits behind it goes along, with the other target's own cross-references."
        return ask(visit, Plan(f"Send {key} to {target}", "Redirect it", f"/failures/{key}/redirect", f"/failures/{key}",
                               reason, says, fields={"target": target}))  # fmt: skip
    try:
        redirect(visit.desk.context, key, target, visit.actor)
    except RedirectRefusedError as error:
        return visit.refuse(409, f"It stays where it is: {error}")
    return visit.go("/failures", f"{key} goes to {target}, with what waited behind it.")


def _simple(visit: Visit, words: str, act: Callable[[Context, FailureKey, Actor], bool]) -> Response:
    key, reason = key_of(visit), reason_of(visit)
    if not key:
        return _gone(visit, key)
    if reason is None:
        return no_reason(visit)
    if not act(visit.desk.context, key, visit.actor):
        return _gone(visit, key)
    return visit.go(f"/failures/{key}", words)


def _gone(visit: Visit, key: FailureKey | None) -> Response:
    if key is None:
        return visit.refuse(404, "That names no failure: e12 is an event, d34 a delivery, m5 a dead message.")
    return visit.refuse(404, f"{key}: {_GONE}")


def _case(visit: Visit, key: FailureKey) -> Case | None:
    desk = visit.desk
    with desk.context.ledger.read() as session:
        wanted = Filter(keys=(str(key),))
        found = ledger.desk.listed(session, desk.fleet.desk, wanted, desk.clock(), 1, any_state=True)
    return found[0] if found else None


def _document(visit: Visit, key: FailureKey) -> str:
    """The document or body for those who may work on it; it holds personal data."""
    if not visit.user.may(Permission.OPERATE):
        return ""
    try:
        return pretty(read_body(visit.desk.context, key))
    except EditRefusedError:
        return ""


def _others(visit: Visit, case: Case) -> list[str]:
    return [name for name in sorted(visit.desk.fleet.targets) if name != case.where and case.key.stage == "delivery"]


# What is given up is given up for good; all else can be taken back.
_DEEDS = (
    ("note", note, Permission.OPERATE), ("assign", assign, Permission.OPERATE), ("archive", archive, Permission.OPERATE),
    ("restore", restore, Permission.OPERATE), ("retry", retry_one, Permission.OPERATE),
    ("redirect", redirect_one, Permission.OPERATE), ("drop", drop_one, Permission.ADMIN),
)  # fmt: skip
PAGES = (
    Page("/failures/{key}", failure, name="failure"),
    *(Page(f"/failures/{{key}}/{verb}", act, needs, "POST", name=f"failure_{verb}") for verb, act, needs in _DEEDS),
)
