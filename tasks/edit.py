"""Does edit and replay: a delivery's document in a new version, or an event's body, checked before anything is written."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import ValidationError

import ledger.actions
import ledger.cases
import ledger.documents
import ledger.edits
from adapters.channels.base import Told, Unreadable
from canonical.kinds import read_document
from ledger.actions import Actor
from ledger.documents import NewVersion
from ledger.edits import Base, EventBase
from ledger.failures import FailureKey
from ledger.session import Session
from routing.patch import Difference, PatchError, Setting, apply, differences, merged
from tasks.context import Context
from tasks.enrich import Wish, look_up, missing
from tasks.replay import GONE, give_back

_DECODER = msgspec.json.Decoder(float_hook=str)
"""Numbers with a fraction stay as they are written."""
_FIXED = ("schema_version", "kind", "source", "key", "order_key", "as_of", "status")
"""What an edit may not change: which document it is, and what only its source can say."""


class EditRefusedError(ValueError):
    """The edit cannot be made; the message says why and what to do. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a person wants changed: settings of paths, a JSON merge patch, or the whole text anew."""

    settings: tuple[Setting, ...] = ()
    merge: Any = None
    whole: bytes | None = None

    def of(self, body: bytes) -> bytes:
        """The body with the change made. Raises EditRefusedError."""
        if self.whole is not None:
            return self.whole
        try:
            document = _DECODER.decode(body)
            changed = apply(document, self.settings)
        except msgspec.DecodeError:
            raise EditRefusedError("its body is not JSON: give the whole of it anew") from None
        except PatchError as error:
            raise EditRefusedError(str(error)) from None
        return msgspec.json.encode(changed if self.merge is None else merged(changed, self.merge))


@dataclass(frozen=True, slots=True)
class Proposal:
    """An edit that could be made: ``seen`` is the state it was made from; apply it with that, and nothing came between."""

    key: FailureKey
    seen: str
    before: bytes
    after: bytes
    differences: Sequence[Difference]


def read_body(context: Context, key: FailureKey) -> bytes:
    """What an edit of this row starts from: the newest version of its document, or the event's body; personal data."""
    with context.ledger.read() as session:
        return _loaded(session, key, lock=False)[1]


def propose(context: Context, key: FailureKey, change: Change) -> Proposal:
    """Check an edit and show what it changes; writes nothing. Raises EditRefusedError."""
    with context.ledger.read() as session:
        return _proposed(context, session, key, change, lock=False)[0]


def edit(context: Context, key: FailureKey, change: Change, actor: Actor, seen: str | None = None) -> Proposal:
    """Make an edit and give the row back to work. ``seen``: refused if the row or document changed since it was proposed."""
    with context.ledger.write() as session:
        proposal = edit_within(context, session, key, change, actor, seen)
        given = give_back(context, session, [key])
        if given.left:
            raise EditRefusedError(given.left[0][1])
    given.publish(context)
    return proposal


def edit_within(
    context: Context, session: Session, key: FailureKey, change: Change, actor: Actor, seen: str | None = None
) -> Proposal:
    """Make an edit within a transaction; the row stays parked, the caller gives it back. Raises EditRefusedError."""
    proposal, base = _proposed(context, session, key, change, lock=True)
    if seen is not None and seen != proposal.seen:
        raise EditRefusedError("it was told or changed anew since you looked; look at the difference again")
    if isinstance(base, EventBase):
        _write_event(context, session, base, proposal, actor)
    else:
        _write_version(context, session, base, proposal, actor)
    return proposal


def _proposed(
    context: Context, session: Session, key: FailureKey, change: Change, *, lock: bool
) -> tuple[Proposal, Base | EventBase]:
    base, before = _loaded(session, key, lock=lock)
    after = change.of(before)
    if not _differences(before, after):
        raise EditRefusedError("that changes nothing")
    if isinstance(base, EventBase):
        _check_event(context, base, after)
        seen = f"body {hashlib.sha256(before).hexdigest()}"
    else:
        after = _checked_document(context, session, base, before, after)
        seen = f"version {base.head.version}"
    found = _differences(before, after)
    if not found:
        raise EditRefusedError("that changes nothing")
    return Proposal(key, seen, before, after, found), base


def _loaded(session: Session, key: FailureKey, *, lock: bool) -> tuple[Base | EventBase, bytes]:
    if key.stage == "message":
        raise EditRefusedError("a message that names no row cannot be edited")
    state, _ = ledger.cases.occurrences(session, key.stage, [key.id]).get(key.id, ("open", 1))
    if state == "archived":
        raise EditRefusedError("it is archived; restore it first")
    if key.stage == "event":
        event = ledger.edits.event_base(session, key.id, lock=lock)
        if event is None or event.state != "parked":
            raise EditRefusedError(GONE)
        return event, event.body
    base = ledger.edits.delivery_base(session, key.id, lock=lock)
    if base is None or base.state != "parked":
        raise EditRefusedError(GONE)
    _refuse_unsafe(base)
    return base, base.body.encode()


def _refuse_unsafe(base: Base) -> None:
    if base.uncertain:
        raise EditRefusedError("its effect is in doubt: retry it first, it is looked up at the target; edit it if it comes back")
    if base.head.status == "cancelled" and not base.operation.endswith(".cancel"):
        raise EditRefusedError("it was cancelled at its source since; drop it instead")


def _check_event(context: Context, event: EventBase, body: bytes) -> None:
    channel = context.channels.get(event.source)
    if channel is None:
        raise EditRefusedError(f"source {event.source!r} is not configured any more")
    try:
        parsed = channel.parse(Told(event.source, event.topic, event.headers, body, event.received_at))
    except Exception as error:  # noqa: BLE001  whatever our own channel fails on, the edit is not made
        raise EditRefusedError(f"the {event.source} channel still fails on it: {type(error).__name__}") from None
    if isinstance(parsed, Unreadable):
        raise EditRefusedError(f"it still cannot be read: {parsed.reason}{f' at {parsed.path}' if parsed.path else ''}")
    if not parsed.documents:
        raise EditRefusedError("nothing can be read in it")


def _checked_document(context: Context, session: Session, base: Base, before: bytes, after: bytes) -> bytes:
    """The changed document as it will be stored; refused if it is none, is another one, or lacks what the target needs."""
    try:
        document = read_document(after)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors(include_input=False)[:5])
        raise EditRefusedError(f"it is not a right document: {wrong}") from None
    stored = document.model_dump_json().encode()
    old, new = _DECODER.decode(before), _DECODER.decode(stored)
    fixed = next((name for name in _FIXED if old.get(name) != new.get(name)), None)
    if fixed:
        raise EditRefusedError(f"{fixed} cannot be changed: only the source of a document says it")
    wish = Wish(base.target, base.head.key.source, context.erps[base.target].needs(document))
    lacking = missing(wish, look_up(session, [wish]))
    if lacking:
        raise EditRefusedError(f"{lacking.reason}: {lacking.remedy}")
    return stored


def _write_event(context: Context, session: Session, event: EventBase, proposal: Proposal, actor: Actor) -> None:
    now = context.now()
    paths = [d.path for d in proposal.differences]
    ledger.edits.note(session, "event", event.id, paths, actor, now, original=event.body)
    ledger.edits.put_body(session, event.id, proposal.after)
    ledger.actions.record(session, actor, "edit", [str(proposal.key)], now, paths=paths)


def _write_version(context: Context, session: Session, base: Base, proposal: Proposal, actor: Actor) -> None:
    now = context.now()
    version = base.head.version + 1
    document = read_document(proposal.after)
    if base.head.as_of is None or base.head.digest is None:
        raise EditRefusedError("its document was never told")
    # The digest and the moment stay those of the source's last word: told again, it is the same; another word is newer.
    told = NewVersion(
        base.head.id, version, base.event_id, document.number, base.head.status, base.head.as_of, base.head.digest,
        proposal.after.decode(),
    )  # fmt: skip
    ledger.documents.write(session, [told], now)
    superseded = ledger.edits.supersede(session, base, version, now)
    ledger.edits.point_at(session, base.delivery_id, version)
    paths = [d.path for d in proposal.differences]
    ledger.edits.note(
        session, "delivery", base.delivery_id, paths, actor, now,
        document_id=base.head.id, base_version=base.head.version, version=version,
    )  # fmt: skip
    subject, was = str(proposal.key), base.head.version
    ledger.actions.record(
        session, actor, "edit", [subject], now, before={subject: {"version": was}},
        paths=paths, base_version=was, version=version, superseded=superseded,
    )  # fmt: skip


def _differences(before: bytes, after: bytes) -> Sequence[Difference]:
    try:
        return differences(_DECODER.decode(before), _DECODER.decode(after))
    except msgspec.DecodeError:
        text = (before.decode("utf-8", "backslashreplace"), after.decode("utf-8", "backslashreplace"))
        return [] if before == after else [Difference("(whole body)", *text)]
