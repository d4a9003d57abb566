"""Runs the page of one order or stock position, its whole story as it goes on, and the search by any id."""

from starlette.responses import Response

import ledger.findings
import ledger.search
import ledger.story
from ledger import views
from ledger.search import Found
from ledger.story import WholeStory
from ledger.views import DocumentView
from workers.console.page import Page, Permission, Visit
from workers.console.pages import retail
from workers.console.pages.documents import pretty
from workers.console.pages.failure import order_page

_UNDER_WAY = {"ready", "queued", "claimed", "waiting"}


def order(visit: Visit) -> Response:
    """Everything that is known of one order."""
    return _told(visit, "order.html")


def order_part(visit: Visit) -> Response:
    """The same as it is now, for the page to swap in."""
    return _told(visit, "order_body.html")


def search(visit: Visit) -> Response:
    """What a word names; straight to the order if that is all one."""
    word = visit.request.query_params.get("q", "").strip()
    with visit.desk.context.ledger.read() as session:
        found = ledger.search.find(session, word, sorted(visit.desk.fleet.sources))
    places = {_place(one) for one in found}
    if len(places) == 1:
        return visit.go(places.pop())
    return visit.show("search.html", w=retail, at=visit.desk.clock(), word=word, found=[(one, _place(one)) for one in found])


def _place(found: Found) -> str:
    if found.kind == "job":
        return f"/jobs/{found.id}"
    if not found.order_key:
        return f"/failures/{found.id}"
    return order_page((found.source, found.order_key))


def _told(visit: Visit, template: str) -> Response:
    source, order_key = visit.request.path_params["source"], visit.request.path_params["order_key"]
    with visit.desk.context.ledger.read() as session:
        whole = ledger.story.whole_story(session, source, order_key)
        findings = ledger.findings.of(session, "order", source, order_key)
        body = _document(visit, whole) if template == "order.html" else ""
    if not whole.story.documents and not whole.story.events:
        return visit.refuse(404, f"No channel {source} told of an order {order_key}. Search by any other id of it.")
    here = order_page((source, order_key))
    head = _head(whole)
    return visit.show(
        template, w=retail, at=visit.desk.clock(), whole=whole, head=head, source=source, order_key=order_key, here=here,
        title=_title(head, order_key), standing=standing_of(whole), body=body, lines=whole.story.paid, findings=findings,
    )  # fmt: skip


def _head(whole: WholeStory) -> DocumentView | None:
    """The document that the page is of: the order, or a stock position, count or settlement, which belong to none."""
    return next((d for d in whole.story.documents if d.kind in ("order", "stock", "count", "settlement")), None)


def _title(head: DocumentView | None, order_key: str) -> str:
    if head is not None and head.kind == "stock":
        return f"Stock of {order_key}"
    if head is not None and head.kind == "count":
        return f"Stock counted of {order_key}"
    if head is not None and head.kind == "settlement":
        return f"Settlement of payout {head.number}"
    return f"Order {head.number or order_key if head else order_key}"


def standing_of(whole: WholeStory) -> tuple[str, str]:
    """Where the order stands, as a tone and a sentence: the worst of its deliveries, else of its events."""
    told = whole.story
    states = {d.state for d in told.deliveries}
    events = {e.state for e in told.events}
    doubtful = any(d.uncertain and d.state != "done" for d in told.deliveries)
    ways = (
        (doubtful, "warn", "An answer of the ERP was lost. It is looked up there before anything is sent again."),
        ("parked" in states | events, "bad", "Something of it needs a person."),
        ("retrying" in states, "warn", "The ERP could not take it for the moment. It goes again by itself."),
        ("deferred" in states, "warn", "Part of it is put off to the quiet hours of the peak profile."),
        (bool(states & _UNDER_WAY), "warn", "It is on its way."),
        ("accepted" in events, "warn", "It was told and is read next."),
        ("done" in states, "good", "Everything that was told is done."),
    )
    return next(((tone, says) for holds, tone, says in ways if holds), ("muted", "Nothing of it is to be done outside."))


def _document(visit: Visit, whole: WholeStory) -> str:
    """The order's newest version for those who may work on it; it holds personal data."""
    head = _head(whole)
    if head is None or not visit.user.may(Permission.OPERATE):
        return ""
    with visit.desk.context.ledger.read() as session:
        stored = views.document_body(session, head.id, head.version)
    return pretty(stored.encode()) if stored else ""


PAGES = (
    Page("/search", search, name="search"),
    Page("/orders/{source}/{order_key:path}/now", order_part, name="order_now", polled=True),
    Page("/orders/{source}/{order_key:path}", order, name="order"),
)
