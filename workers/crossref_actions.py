"""Runs what operators do to cross-references: set, and written down with how many are new and what the others were."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import ledger.crossrefs
from ledger import actions
from ledger.actions import Action, Actor
from ledger.crossrefs import CrossRef
from ledger.session import Session

_Key = tuple[str, str, str, str]

NAMED = 20
"""So many of a file's references are named in the deed, the changed ones first; the counts tell of all."""
UNNAMED = ("customer",)
"""Kinds whose keys may be somebody's mail address: the deed names the ids at the target alone."""


def put(session: Session, refs: Sequence[CrossRef], who: Actor, now: datetime, action: str) -> int:
    """Set cross-references, replacing older ones, as the deed ``action``; returns how many."""
    last = {(ref.target, ref.kind, ref.source, ref.key): ref.remote_id for ref in refs}
    known = ledger.crossrefs.exact(session, last)
    count = ledger.crossrefs.put(session, refs, now)
    if count:
        before, after = _noted(known, last)
        actions.write(session, Action(now, who.by, action, _subject(last), who.why, before, after, who.role))
    return count


def _noted(known: Mapping[_Key, str], new: Mapping[_Key, str]) -> tuple[dict[str, object], dict[str, object]]:
    changed = [key for key, remote_id in new.items() if key in known and known[key] != remote_id]
    added = [key for key in new if key not in known]
    named = [*changed, *added][:NAMED]
    counts = {"new": len(added), "changed": len(changed), "as before": len(new) - len(added) - len(changed)}
    before = [_told(key, known[key]) for key in named if key in known]
    return {"references": before} if before else {}, counts | {"references": [_told(key, new[key]) for key in named]}


def _told(key: _Key, remote_id: str) -> str:
    target, kind, source, name = key
    named = "(a key)" if kind in UNNAMED else name
    return f"{target} {kind} {named}{'' if source == ledger.crossrefs.ANY_SOURCE else f' of {source}'} is {remote_id}"


def _subject(new: Mapping[_Key, str]) -> str:
    places = {f"{target} {kind}" for target, kind, *_ in new}
    return f"crossrefs {places.pop()}" if len(places) == 1 else "crossrefs"
