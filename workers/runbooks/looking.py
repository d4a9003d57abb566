"""Runs looks that several runbooks share: is a lane open, does its target answer, do workers consume it."""

from datetime import timedelta

import ledger.desk
import ledger.outcomes
from ledger.desk import Filter
from routing import names
from workers.lanes import LaneView
from workers.runbooks.base import Check, Desk, RunbookRefusedError

LATELY = timedelta(seconds=60)
WELL = frozenset({"Done", "AlreadyDone"})
NEWEST = 5
FAILED = frozenset({"Unavailable", "Uncertain"})


def target_of(desk: Desk, lane: str) -> str:
    """Target of a lane. Raises RunbookRefusedError for a lane that posts to none."""
    target = names.target_of(lane)
    if target is None:
        raise RunbookRefusedError(f"{lane} posts to no target: name a lane such as deliver.netsuite")
    desk.lane(lane)
    return target


def is_open(view: LaneView) -> Check:
    """Nobody holds the lane."""
    return Check(f"{view.lane} is open", view.state.scale > 0, f"{view.state.word} {view.state.why}".strip())


def limiter_told(view: LaneView) -> Check:
    """Its limiter can be read."""
    return Check(f"the limiter of {view.lane} can be read", view.status is not None, "yes" if view.status else "Redis is away")


def breaker_closed(view: LaneView) -> Check:
    """The account's breaker is closed, and those of all operations."""
    status = view.status
    if status is None:
        return Check(f"the breaker of {view.lane} is closed", False, "the limiter cannot be read")
    not_closed = [f"{name} {state}" for name, state in status.breakers.items() if state != "closed"]
    not_closed += [status.breaker] if status.breaker != "closed" else []
    return Check(f"the breaker of {view.lane} is closed", not not_closed, ", ".join(not_closed) or "closed")


def may_be_asked(view: LaneView) -> Check:
    """No breaker is open; one that waits for its probe gets it by the next request."""
    status = view.status
    seen = "the limiter cannot be read"
    if status is not None:
        seen = ", ".join(f"{name} {state}" for name, state in {"account": status.breaker, **status.breakers}.items())
    return Check(f"{view.lane} may be asked", status is not None and " open" not in seen, seen)


def consumed(desk: Desk, *lanes: str) -> Check:
    """Workers consume the lanes' queues."""
    count = desk.broker.consumers(lanes)
    seen = "the broker does not answer" if count is None else f"{count} consumers"
    return Check(f"workers serve {', '.join(lanes)}", bool(count), seen)


def attempts_lately(desk: Desk, target: str, span: timedelta) -> tuple[int, int]:
    """How many attempts at a target went well lately, and how many failed for want of an answer."""
    with desk.context.ledger.read() as session:
        told = ledger.outcomes.lately(session, target, desk.now() - span)
    return sum(told.get(word, 0) for word in WELL), sum(told.get(word, 0) for word in FAILED)


def newest_attempts(desk: Desk, target: str, span: timedelta) -> tuple[int, int]:
    """How many of the five newest attempts at a target within ``span`` there are, and how many of them found no answer: what went
    well before an outage says nothing of it.
    """
    with desk.context.ledger.read() as session:
        told = ledger.outcomes.newest(session, target, desk.now() - span, NEWEST)
    return len(told), sum(outcome in FAILED for outcome in told)


def parked(desk: Desk, lane: str) -> str:
    """What of a target's lane waits for a person and for no turn, in words for behind a count; nothing if nothing does."""
    target = names.target_of(lane)
    if target is None:
        return ""
    with desk.context.ledger.read() as session:
        total = ledger.desk.totals(session, desk.context.fleet.desk, Filter(target=target), desk.now())
    return f"; {total.count} are parked, see millrace failures groups" if total and total.count else ""


def waiting(view: LaneView, cls: str | None = None) -> int:
    """Rows that wait in a lane, of one class or of all."""
    return sum(place.rows for place in view.waiting if cls in (None, place.cls))
