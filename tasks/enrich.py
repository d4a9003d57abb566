"""Does the enriching: what our keys are called at each target, from the ledger's cross-references."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

import ledger.crossrefs
from adapters.erps.base import Need
from canonical.failure import Failure, FailureClass
from ledger.session import Session


class Wish(Struct, frozen=True):
    """Cross-references one delivery takes: for which target, of which source's keys."""

    target: str
    source: str
    needs: tuple[Need, ...]


Found = Mapping[tuple[str, str, str, str], str]


def look_up(session: Session, wishes: Sequence[Wish]) -> Found:
    """All references of a bundle in one query, by (target, kind, source, key)."""
    return ledger.crossrefs.look_up(session, ((w.target, n.kind, w.source, n.key) for w in wishes for n in w.needs))


def references_of(wish: Wish, found: Found) -> dict[str, dict[str, str]]:
    """The delivery's references by kind and key, as its row keeps them."""
    references: dict[str, dict[str, str]] = {}
    for need in wish.needs:
        remote_id = found.get((wish.target, need.kind, wish.source, need.key))
        if remote_id is not None:
            references.setdefault(need.kind, {})[need.key] = remote_id
    return references


def missing(wish: Wish, found: Found) -> Failure | None:
    """The business exception of a delivery that lacks a required reference, None if it has all."""
    lacking = [n for n in wish.needs if n.required and (wish.target, n.kind, wish.source, n.key) not in found]
    if not lacking:
        return None
    first = lacking[0]
    others = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    return Failure(
        FailureClass.REJECTED,
        "crossref.missing",
        f"{wish.target} has no {first.kind} for {first.key!r}{others}",
        f"millrace crossrefs set {wish.target} {first.kind} {first.key} <its id there>, then retry",
    )
