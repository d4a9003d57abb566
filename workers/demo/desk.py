"""Reads what the fleet itself says of each event and delivery, to compare it with what the model expects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ledger import views
from ledger.session import Ledger
from workers.demo.reception import Event

_ALL = 1_000_000
_ENDED = frozenset({"done", "stale", "kept", "parked", "dropped"})


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked row: of an event or of an order's delivery."""

    cls: str
    code: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Desk:
    """What the ledger holds. ``unended``: events that have not come to an end, ``unfinished``: deliveries, each by state."""

    known: frozenset[Event]
    unended: Mapping[Event, str]
    parked_events: Mapping[Event, Parked]
    parked_orders: Mapping[tuple[str, str], Parked]
    unfinished: Mapping[str, str]
    retried: int
    stale: int


def read_desk(ledger: Ledger) -> Desk:
    """Read it all. Raises one of LedgerUnavailable."""
    with ledger.read() as session:
        events = views.list_events(session, state=None, source=None, most=_ALL)
        deliveries = views.list_deliveries(session, state=None, target=None, most=_ALL)
    return Desk(
        known=frozenset((e.source, e.event_key) for e in events),
        unended={(e.source, e.event_key): e.state for e in events if e.state not in _ENDED},
        parked_events={(e.source, e.event_key): _parked(e) for e in events if e.state == "parked"},
        parked_orders={_order_of(d.business_key): _parked(d) for d in deliveries if d.state == "parked"},
        unfinished={
            f"{d.operation} {d.business_key}": d.state for d in deliveries if d.state not in ("done", "parked", "dropped")
        },
        retried=sum(d.attempts > 1 for d in deliveries),
        stale=sum(e.state == "stale" for e in events),
    )


def story_lines(ledger: Ledger, source: str, order_key: str) -> Iterable[str]:
    """What the ledger tells of one order, one line an event, delivery and attempt."""
    with ledger.read() as session:
        story = views.tell_story(session, source, order_key)
    for event in story.events:
        yield f"event {event.id} {event.topic} [{event.cls}] {event.state} {event.failure_code or ''}".rstrip()
    for sent in story.deliveries:
        what = f"delivery {sent.id} {sent.operation} v{sent.version} [{sent.cls}]"
        yield f"{what} {sent.state} {sent.failure_reason or ''}".rstrip()
        for tried in (a for a in story.attempts if a.delivery_id == sent.id):
            yield f"  {tried.started_at:%H:%M:%S} {tried.outcome} {tried.detail}".rstrip()


def _parked(row: views.EventView | views.DeliveryView) -> Parked:
    return Parked(row.failure_class or "", row.failure_code or "", row.failure_reason or "", row.failure_remedy or "")


def _order_of(business_key: str) -> tuple[str, str]:
    _, _, rest = business_key.partition("/")
    source, _, key = rest.partition("/")
    return source, key
