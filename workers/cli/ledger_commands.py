"""Runs `millrace events|documents|deliveries`: list, show, and trace the whole story of an order."""

import dataclasses
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workers.cli.exits import EPILOG, Exit
from workers.cli.output import Json, Most, RowId, age, fail, say, show_fields, show_json, show_rows, show_table
from workers.cli.wiring import reading

if TYPE_CHECKING:
    from ledger.views import DocumentView, EventView, Story

events = typer.Typer(help="What outside systems told us.", epilog=EPILOG, no_args_is_help=True)
documents = typer.Typer(help="Orders, shipments, returns and stock in their newest state.", epilog=EPILOG, no_args_is_help=True)
deliveries = typer.Typer(help="Intended effects on outside systems.", epilog=EPILOG, no_args_is_help=True)

EventState = Literal["accepted", "waiting", "done", "stale", "kept", "parked", "dropped"]
DeliveryState = Literal[
    "ready", "queued", "claimed", "retrying", "deferred", "waiting", "done", "parked", "dropped", "redirected"
]
Kind = Literal["order", "shipment", "return", "stock", "reservation", "milestone", "count", "settlement"]
Body = Annotated[bool, typer.Option("--body", help="Print the stored body as well; it holds personal data.")]


@events.command("list", epilog="Example: millrace events list --state parked")
def list_events(
    state: Annotated[EventState | None, typer.Option(help="Only this state.")] = None,
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """Show events, newest first."""
    from ledger import views

    with reading() as session:
        rows = views.list_events(session, state=state, source=source, most=most)
    columns = {"id": "id", "received_at": "received", "source": "source", "topic": "topic", "cls": "class"}
    columns |= {"state": "state", "failure_code": "failure", "event_key": "sender's id"}
    show_rows(rows, columns, as_json=as_json, none="no events")


@events.command("show", epilog="Example: millrace events show 12 --body")
def show_event(event_id: RowId, body: Body = False, as_json: Json = False) -> None:
    """Show one event."""
    from ledger import views

    with reading() as session:
        event = views.find_event(session, event_id)
        if event is None:
            fail(f"no event {event_id}; see millrace events list", Exit.NOT_FOUND)
        stored = views.event_body(session, event_id).decode("utf-8", "backslashreplace") if body else None
    _show(event, stored, as_json)


@events.command("trace", epilog="Example: millrace events trace 12")
def trace_event(event_id: RowId, as_json: Json = False) -> None:
    """Follow one event: the documents it changed and what was delivered for them."""
    from ledger import views

    with reading() as session:
        event = views.find_event(session, event_id)
        if event is None:
            fail(f"no event {event_id}; see millrace events list", Exit.NOT_FOUND)
        story = views.story_of_event(session, event_id)
    if story is None:
        say(f"event {event_id} is {event.state} and changed no document")
        story = views.Story((event,), (), (), (), ())
    _tell(story, as_json)


@documents.command("list", epilog="Example: millrace documents list --kind order --source shopify")
def list_documents(
    kind: Annotated[Kind | None, typer.Option(help="Only this kind.")] = None,
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """Show documents, newest change first."""
    from ledger import views

    with reading() as session:
        rows = views.list_documents(session, kind=kind, source=source, most=most)
    columns = {"id": "id", "kind": "kind", "source": "source", "key": "key", "number": "number", "version": "version"}
    columns |= {"status": "status", "updated_at": "changed"}
    show_rows(rows, columns, as_json=as_json, none="no documents")


@documents.command("show", epilog="Examples: millrace documents show 1001   millrace documents show order/shopify/450789469")
def show_document(document: str, body: Body = False, as_json: Json = False) -> None:
    """Show a document by id, key, number or kind/source/key."""
    from ledger import views

    with reading() as session:
        found = _one(views.find_documents(session, document), document)
        stored = views.document_body(session, found.id, found.version) if body else None
    _show(found, stored, as_json)


@documents.command("trace", epilog="Example: millrace documents trace 1001")
def trace_document(document: str, as_json: Json = False) -> None:
    """Tell the whole story of the order a document belongs to: events, versions, deliveries, attempts."""
    from ledger import views

    with reading() as session:
        found = _one(views.find_documents(session, document), document)
        story = views.story_of_document(session, found)
    _tell(story, as_json)


@deliveries.command("list", epilog="Example: millrace deliveries list --target sandbox --state retrying")
def list_deliveries(
    state: Annotated[DeliveryState | None, typer.Option(help="Only this state.")] = None,
    target: Annotated[str | None, typer.Option(help="Only this target.")] = None,
    most: Most = 50,
    as_json: Json = False,
) -> None:
    """Show deliveries, newest first."""
    from ledger import views

    with reading() as session:
        rows = views.list_deliveries(session, state=state, target=target, most=most)
    columns = {"id": "id", "target": "target", "operation": "operation", "business_key": "document", "version": "version"}
    columns |= {"cls": "class", "state": "state", "attempts": "attempts", "remote_id": "number there"}
    columns |= {"due_at": "due", "failure_code": "failure"}
    show_rows(rows, columns, as_json=as_json, none="no deliveries")


@deliveries.command("show", epilog="Example: millrace deliveries show 34")
def show_delivery(delivery_id: RowId, as_json: Json = False) -> None:
    """Show one delivery."""
    from ledger import views

    with reading() as session:
        row = views.find_delivery(session, delivery_id)
    if row is None:
        fail(f"no delivery {delivery_id}; see millrace deliveries list", Exit.NOT_FOUND)
    show_fields(row, as_json=as_json)


@deliveries.command("trace", epilog="Example: millrace deliveries trace 34")
def trace_delivery(delivery_id: RowId, as_json: Json = False) -> None:
    """Tell the story of the order a delivery belongs to."""
    from ledger import views

    with reading() as session:
        row = views.find_delivery(session, delivery_id)
        if row is None:
            fail(f"no delivery {delivery_id}; see millrace deliveries list", Exit.NOT_FOUND)
        found = _one(views.find_documents(session, row.business_key), row.business_key)
        story = views.story_of_document(session, found)
    _tell(story, as_json)


def _show(row: "EventView | DocumentView", body: str | None, as_json: bool) -> None:
    show_fields(row, as_json=as_json, **({} if body is None else {"body": body}))
    if body is not None and not as_json:
        sys.stdout.write(f"{body}\n")


def _one(found: "list[DocumentView]", wanted: str) -> "DocumentView":
    if not found:
        fail(f"no document {wanted!r}; see millrace documents list", Exit.NOT_FOUND)
    if len(found) > 1:
        names = ", ".join(f"{d.kind}/{d.source}/{d.key}" for d in found[:5])
        fail(f"{wanted!r} names {len(found)} documents: {names}; give kind/source/key", Exit.USAGE)
    return found[0]


def _tell(story: "Story", as_json: bool) -> None:
    from telemetry.trace import trace_id_of_order

    order = next((f"{d.source}/{d.key}" for d in story.documents if d.kind == "order"), None)
    trace_id = trace_id_of_order(order) if order else None
    if as_json:
        return show_json(dataclasses.asdict(story) | {"trace_id": trace_id})
    keys = {d.id: f"{d.kind}/{d.source}/{d.key}" for d in story.documents}
    lines: list[tuple[object, str, str]] = []
    lines += [(e.received_at, "told", f"event {e.id} {e.topic} ({e.state})") for e in story.events]
    lines += [
        (v.written_at, "written", f"{keys[v.document_id]} version {v.version}, by event {v.event_id}") for v in story.versions
    ]
    lines += [(d.created_at, "decided", f"delivery {d.id} {d.operation} to {d.target} ({d.state})") for d in story.deliveries]
    lines += [(a.ended_at, "tried", f"delivery {a.delivery_id}: {a.outcome} {a.detail}".rstrip()) for a in story.attempts]
    lines += [(s.at, "step", f"{s.step}, as {s.source} says".replace("_", " ")) for s in story.steps]
    lines += [(p.paid_at, "paid", f"{p.type} {p.amount} {p.currency} by payout {p.payout} of {p.source}") for p in story.paid]
    lines.sort(key=lambda line: str(line[0]))
    show_table(["when", "", "what"], ([str(at)[:23], verb, what] for at, verb, what in lines))
    if trace_id:
        say(f"its spans, where a collector keeps them: trace {trace_id}")
    for d in story.deliveries:
        if d.failure_reason:
            since = age(d.settled_at or d.created_at)
            say(f"delivery {d.id} is {d.state} for {since}: {d.failure_reason}. Remedy: {d.failure_remedy}")
    return None
