"""Remembers an order's whole story, moment by moment: told, written, decided, tried, parked, done, and what people did."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import select

from ledger.desk_schema import edits
from ledger.schema import actions
from ledger.session import Session
from ledger.views import AttemptView, DeliveryView, EventView, Story, tell_story

What = Literal["step", "paid", "told", "deed", "read", "written", "decided", "tried", "parked", "done", "ended"]
Tone = Literal["plain", "good", "warn", "bad"]
MOST_DEEDS = 500

_RANK: dict[What, int] = {what: rank for rank, what in enumerate(get_args(What))}
"""What comes first of that which one transaction wrote."""

_STEP_TONES: dict[str, Tone] = {"delivered": "good", "delivery_failed": "bad"}
_TONES: dict[str, Tone] = {"Done": "good", "AlreadyDone": "good", "Rejected": "bad", "HandedBack": "plain"}


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person did to one of the order's rows."""

    at: datetime
    by: str
    action: str
    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class EditedVersion:
    """A version that a person wrote: the version before it and the places that were changed."""

    document_id: int
    base_version: int
    version: int
    by: str
    paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened at ``at``. ``key`` names the row (``e12``, ``d34``) or the document; ``took_s`` how long it took.

    ``times`` like moments that followed each other are one: the first of them, and the last one's time in ``until``.
    """

    at: datetime
    what: What
    key: str
    title: str
    detail: str = ""
    tone: Tone = "plain"
    took_s: float | None = None
    times: int = 1
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class WholeStory:
    """The rows of an order and its moments in the order of time. Empty ``story.documents``: nobody told of such an order."""

    story: Story
    edited: tuple[EditedVersion, ...]
    deeds: tuple[Deed, ...]
    moments: tuple[Moment, ...]


def whole_story(session: Session, source: str, order_key: str) -> WholeStory:
    """Everything that the ledger knows of one order."""
    story = tell_story(session, source, order_key)
    deeds = _deeds(session, [*(f"e{e.id}" for e in story.events), *(f"d{d.id}" for d in story.deliveries)])
    edited = _edited(session, [d.id for d in story.documents])
    found = [
        *_told(story.events),
        *_written(story, edited),
        *_decided(story.deliveries),
        *_tried(story),
        *_acted(deeds),
        *_stepped(story),
        *_paid(story),
    ]
    found.sort(key=lambda moment: (moment.at, _RANK[moment.what]))
    return WholeStory(story, tuple(edited), tuple(deeds), tuple(_folded(found)))


def _stepped(story: Story) -> Iterator[Moment]:
    names = {d.id: f"{d.kind}/{d.source}/{d.key}" for d in story.documents}
    for one in story.steps:
        of = f" of return {one.return_key}" if one.return_key else ""
        tone = _STEP_TONES.get(one.step, "plain")
        yield Moment(one.at, "step", names[one.document_id], f"{one.step.replace('_', ' ')}{of}", f"as {one.source} says", tone)


def _paid(story: Story) -> Iterator[Moment]:
    for line in story.paid:
        yield Moment(
            line.paid_at, "paid", line.payout, f"{line.type} {line.amount} {line.currency}", f"as {line.source} paid out"
        )


def _told(told: Iterable[EventView]) -> Iterator[Moment]:
    for e in told:
        size = f"event {e.event_key}, {e.size_bytes:,} bytes"
        yield Moment(e.received_at, "told", f"e{e.id}", f"{e.source} told {e.topic}", size)
        if e.failure_reason and e.state in ("parked", "dropped"):
            yield _failure(f"e{e.id}", e.failed_at or e.received_at, e)
        elif e.settled_at:
            took_s = (e.settled_at - e.received_at).total_seconds()
            waits = e.state == "waiting"
            title = f"waits for {e.waits_for}" if waits else f"read, and {e.state}"
            yield Moment(e.settled_at, "read", f"e{e.id}", title, "", "warn" if waits else "plain", took_s)


def _written(story: Story, edited: Sequence[EditedVersion]) -> Iterator[Moment]:
    names = {d.id: f"{d.kind}/{d.source}/{d.key}" for d in story.documents}
    hands = {(one.document_id, one.version): one for one in edited}
    unsent = _unsent(story)
    for v in story.versions:
        hand = hands.get((v.document_id, v.version))
        by = f"edited by {hand.by}: {', '.join(hand.paths)}" if hand else f"as told by event e{v.event_id}"
        if (v.document_id, v.version) in unsent:
            by += "; before it was sent a newer one took its place"
        yield Moment(v.written_at, "written", names[v.document_id], f"{names[v.document_id]} version {v.version}", by)


def _unsent(story: Story) -> set[tuple[int, int]]:
    """Versions of stock positions that no delivery carries although a later one is carried: see `ledger.places`."""
    sent: dict[str, list[int]] = {}
    for d in story.deliveries:
        sent.setdefault(d.business_key, []).append(d.version)
    names = {d.id: f"{d.kind}/{d.source}/{d.key}" for d in story.documents if d.kind == "stock"}
    mine = [(v, sent.get(names[v.document_id], [])) for v in story.versions if v.document_id in names]
    return {(v.document_id, v.version) for v, carried in mine if v.version not in carried and v.version < max(carried, default=0)}


def _decided(sent: Iterable[DeliveryView]) -> Iterator[Moment]:
    for d in sent:
        key = f"d{d.id}"
        yield Moment(d.created_at, "decided", key, f"{d.operation} to {d.target}", f"version {d.version}, class {d.cls}")
        if d.failure_reason and d.state in ("parked", "dropped", "redirected"):
            yield _failure(key, d.failed_at or d.created_at, d)
        if d.state == "done" and d.settled_at:
            took_s = (d.settled_at - d.accepted_at).total_seconds()
            yield Moment(d.settled_at, "done", key, f"at {d.target} as {d.remote_id}", d.operation, "good", took_s)
        if d.state in ("dropped", "redirected") and d.settled_at:
            yield Moment(d.settled_at, "ended", key, f"{d.operation} {d.state}", d.failure_remedy or "")


def _tried(story: Story) -> Iterator[Moment]:
    known = {d.id: d for d in story.deliveries}
    numbers: dict[int, int] = {}
    for a in story.attempts:
        numbers[a.delivery_id] = numbers.get(a.delivery_id, 0) + 1
        yield _attempt(a, known[a.delivery_id])


def _attempt(a: AttemptView, d: DeliveryView) -> Moment:
    took_s = (a.ended_at - a.started_at).total_seconds()
    if a.outcome == "HandedBack":
        return Moment(a.ended_at, "tried", f"d{d.id}", f"{d.target} could take no more; its turn comes again", "", "warn")
    title = f"{d.operation} to {d.target}: {a.outcome}"
    return Moment(a.ended_at, "tried", f"d{d.id}", title, a.detail, _TONES.get(a.outcome, "warn"), took_s)


def _failure(key: str, at: datetime, row: EventView | DeliveryView) -> Moment:
    detail = f"{row.failure_reason}. Remedy: {row.failure_remedy}"
    return Moment(at, "parked", key, f"parked: {row.failure_class} {row.failure_code}", detail, "bad")


def _acted(deeds: Iterable[Deed]) -> Iterator[Moment]:
    for done in deeds:
        yield Moment(done.at, "deed", done.subject, f"{done.action} by {done.by}", done.reason)


def _folded(found: Sequence[Moment]) -> Iterator[Moment]:
    """Attempts of one row that ended alike, one after the other, as one moment."""
    kept: Moment | None = None
    for moment in found:
        if kept and moment.what == "tried" and _alike(kept, moment):
            kept = replace(kept, times=kept.times + 1, until=moment.at)
            continue
        if kept:
            yield kept
        kept = moment
    if kept:
        yield kept


def _alike(one: Moment, other: Moment) -> bool:
    return (one.what, one.key, one.title, one.detail) == (other.what, other.key, other.title, other.detail)


def _deeds(session: Session, subjects: Sequence[str]) -> list[Deed]:
    c = actions.c
    query = select(c.at, c.by, c.action, c.subject, c.reason).where(c.subject.in_(subjects)).order_by(c.id).limit(MOST_DEEDS)
    return [Deed(*row) for row in session.execute(query)]


def _edited(session: Session, document_ids: Sequence[int]) -> list[EditedVersion]:
    c = edits.c
    query = select(c.document_id, c.base_version, c.version, c.by_whom, c.paths)
    return [EditedVersion(*row) for row in session.execute(query.where(c.document_id.in_(document_ids)).order_by(c.id))]
