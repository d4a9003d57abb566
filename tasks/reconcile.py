"""Does the reconciling: what payouts say is compared with what the ledger knows, and compared again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from canonical.order import Order
from canonical.returns import Return
from canonical.settlement import Settlement
from ledger import actions, findings, reckoning, settlements
from ledger.actions import Actor
from ledger.findings import FindingView
from ledger.reckoning import Due, Named, NewFinding, Reckoned
from ledger.session import LedgerUnavailable, Session
from routing.reconcile import Finding, Known, Nobodys, Paid, Part, Returned, judge_order, judge_payout
from tasks.context import Context
from telemetry.bus import emit
from telemetry.events import Name

MOST_AT_ONCE = 200
"""Orders and payouts of one transaction."""
DIFFERS_FIRST, DIFFERS_SOON, DIFFERS_LATE = timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=6)
SOON_TRIES = 100
"""About a day of quarters of an hour. What nobody looks after for longer must not keep the ledger busy, however much it is."""
MATCHED = (timedelta(days=1), timedelta(days=7), timedelta(days=30))
"""When what fits is looked at again: an order may be cancelled, edited or returned after it was paid out."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did: how many orders and payouts it compared, and how many findings that opened and closed."""

    compared: int
    opened: int
    closed: int


def reconcile(context: Context, most: int = MOST_AT_ONCE) -> Round:
    """Compare what is due, the longest due first; safe to run many times over and in several processes.

    What our own code fails on is told, put off, and takes no other along.

    Raises one of LedgerUnavailable; nothing is changed then.
    """
    with context.ledger.read() as session:
        if not reckoning.any_due(session, context.now()):
            return Round(0, 0, 0)
    try:
        return _round(context, most)
    except LedgerUnavailable:
        raise
    except Exception:  # noqa: BLE001  which of them it was is found out one by one
        return _one_by_one(context, most)


def _round(context: Context, most: int, only: int | None = None) -> Round:
    now = context.now()
    with context.ledger.write() as session:
        due = reckoning.take_due(session, now, most, only)
        compared = [*_orders(context, session, due), *_payouts(session, due)]
        changed, states = reckoning.write(session, [one for one, _ in compared], now)
        lines = {one.id: count for one, count in compared}
        reckoning.note(session, [_noted(one, states[one.id], lines[one.id], now) for one in due], now)
    return Round(len(due), changed.opened, changed.closed)


def _one_by_one(context: Context, most: int) -> Round:
    with context.ledger.write() as session:
        due = reckoning.take_due(session, context.now(), most)
    done = []
    for one in due:
        try:
            done.append(_round(context, 1, one.id))
        except LedgerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  a fault of ours at one order must not keep the others from being compared
            emit(Name.STEP_RUN_FAILED, stage="reconcile", source=one.source, error=error)
            with context.ledger.write() as session:
                reckoning.put_off(session, one.id, context.now() + DIFFERS_SOON)
    return Round(len(due), sum(each.opened for each in done), sum(each.closed for each in done))


def again_at(state: str, tries: int, now: datetime) -> datetime | None:
    """When it is compared again by itself: soon while it differs, seldom while it fits, never after a while."""
    if state == "differs":
        return now + (min(DIFFERS_SOON, DIFFERS_FIRST * (1 << min(tries, 10))) if tries < SOON_TRIES else DIFFERS_LATE)
    return now + MATCHED[tries] if tries < len(MATCHED) else None


def explain(session: Session, finding_id: int, actor: Actor, now: datetime) -> FindingView | None:
    """Take an open exception for explained: it is kept with who says so and why. None if it is not open."""
    finding = findings.find(session, finding_id)
    if finding is None or not findings.explain(session, finding_id, actor.by, actor.why, now):
        return None
    subject = f"s{finding_id}"
    about = {"reason": finding.reason, finding.about: f"{finding.source}/{finding.key}", "line": finding.line}
    money = {"difference": _text(finding.difference), "currency": finding.currency}
    actions.record(session, actor, "settlement.explain", [subject], now, before={subject: {"state": "open"}}, **about, **money)
    return finding


def _orders(context: Context, session: Session, due: Sequence[Due]) -> Iterable[tuple[Reckoned, int]]:
    mine = {(one.source, one.key): one for one in due if one.kind == "order"}
    paid = reckoning.paid_for(session, list(mine))
    orders = reckoning.known_orders(session, list(mine))
    refunded = [name for name in orders if any(one.refund is not None for one in paid.get(name, []))]
    returns = reckoning.known_returns(session, refunded)
    for name, one in mine.items():
        lines = paid.get(name, [])
        known = _known(orders[name], returns.get(name, [])) if name in orders else None
        named = sorted({key for part in lines for key in part.returns})
        wrong = judge_order([Paid(p.currency, p.sale, p.refund) for p in lines], known, named, tolerance_of(context, name))
        yield Reckoned(one.id, [_new(one, finding) for finding in wrong]), sum(part.lines for part in lines)


def _payouts(session: Session, due: Sequence[Due]) -> Iterable[tuple[Reckoned, int]]:
    mine = {(one.source, one.key): one for one in due if one.kind == "payout"}
    told = settlements.parts_of(session, list(mine))
    nobodys = reckoning.nobodys_lines(session, [part.document_id for parts in told.values() for part in parts]) if told else {}
    for name, one in mine.items():
        parts = told.get(name, [])
        lines = [
            Nobodys(f"{Settlement.key_of(one.key, part.number)}/{line.key}", line.currency, line.amount)
            for part in parts
            for line in nobodys.get(part.document_id, [])
        ]
        sums = [Part(part.number, part.parts, part.currency, part.total, part.lines_total) for part in parts]
        wrong = judge_payout(sums, lines) if sums else []
        yield Reckoned(one.id, [_new(one, finding) for finding in wrong]), len(lines)


def tolerance_of(context: Context, order: Named) -> Decimal:
    """By how much the payouts for a source's orders may differ."""
    source = context.fleet.sources.get(order[0])
    return source.settlement_tolerance if source else Decimal(0)


def _known(order: Order, returns: Sequence[Return]) -> Known:
    told = [Returned(one.key, one.currency, one.total) for one in returns]
    return Known(order.status == "cancelled", order.currency, order.total, told)


def _new(one: Due, finding: Finding) -> NewFinding:
    amounts = (finding.expected, finding.told, finding.difference)
    return NewFinding(one.id, one.source, finding.reason, finding.line, finding.currency, *amounts)


def _noted(one: Due, state: str, lines: int, now: datetime) -> dict[str, object]:
    tries = one.tries if state == one.state else 0
    return {"id": one.id, "state": state, "lines": lines, "tries": tries + 1, "due_at": again_at(state, tries, now)}


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
