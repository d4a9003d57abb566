"""Says from the sandbox's log alone what was lost, doubled, out of order or wrong in amount."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from workers.sandbox.journal import Entry, entries

_FOLLOW_UPS = {"itemFulfillment": "salesOrder", "itemReceipt": "returnAuthorization"}


@dataclass(frozen=True, slots=True)
class ExpectedEffect:
    """What the ERP should hold: one committed write of this version of this record.

    ``version`` None takes any. ``total`` and ``quantity`` are compared with what the committed record came to.
    ``optional`` marks a version that a newer one may have overtaken: at most once, but no loss if never.
    """

    record: str
    external_id: str
    version: str | None = None
    total: Decimal | None = None
    quantity: Decimal | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: which effect and why."""

    record: str
    external_id: str | None
    version: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the log proves. ``backwards`` are versions that went back, ``wrong`` are amounts that differ from the expected."""

    lost: tuple[Finding, ...] = ()
    doubled: tuple[Finding, ...] = ()
    unexpected: tuple[Finding, ...] = ()
    backwards: tuple[Finding, ...] = ()
    wrong: tuple[Finding, ...] = ()
    committed: int = 0
    replayed: int = 0

    @property
    def clean(self) -> bool:
        """Nothing lost, doubled, unexpected, backwards or wrong."""
        return not (self.lost or self.doubled or self.unexpected or self.backwards or self.wrong)


def judge(log_path: Path, expected: Iterable[ExpectedEffect]) -> Verdict:
    """Compare the log with what should have happened. Raises OSError if the log cannot be read."""
    return judge_entries(tuple(entries(log_path)), tuple(expected))


def judge_entries(log: Sequence[Entry], expected: Sequence[ExpectedEffect]) -> Verdict:
    """The same over lines already read: a pure function."""
    commits = [entry for entry in log if entry.committed]
    wrong, swollen = _amounts(commits, expected)
    doubled = (*_repeated(commits), *_two_records(commits), *_two_references(commits), *_over_parent(commits), *swollen)
    return Verdict(
        lost=tuple(_lost(commits, expected)),
        doubled=doubled,
        unexpected=tuple(_unexpected(commits, expected)),
        backwards=tuple(_backwards(commits)),
        wrong=wrong,
        committed=len(commits),
        replayed=sum(entry.replayed for entry in log),
    )


def _lost(commits: Sequence[Entry], expected: Sequence[ExpectedEffect]) -> Iterator[Finding]:
    exact = {(e.record, e.external_id, e.version) for e in commits}
    named = {(e.record, e.external_id) for e in commits}
    for effect in expected:
        name = (effect.record, effect.external_id)
        there = name in named if effect.version is None else (*name, effect.version) in exact
        if not there and not effect.optional:
            yield Finding(effect.record, effect.external_id, effect.version, "never committed")


def _unexpected(commits: Sequence[Entry], expected: Sequence[ExpectedEffect]) -> Iterator[Finding]:
    exact = {(e.record, e.external_id, e.version) for e in expected}
    any_version = {(e.record, e.external_id) for e in expected if e.version is None}
    for entry in commits:
        name = (str(entry.record), str(entry.external_id))
        if name not in any_version and (*name, entry.version) not in exact:
            yield _finding(entry, "committed but not expected")


def _repeated(commits: Sequence[Entry]) -> Iterator[Finding]:
    """The same version of the same record committed more than once; a write without a version counts by record."""
    seen = Counter((e.record, e.external_id, e.version, e.internal_id) for e in commits if e.external_id is not None)
    for entry in _first_of(commits):
        if entry.external_id is None:
            continue
        times = seen[entry.record, entry.external_id, entry.version, entry.internal_id]
        if times > 1:
            yield _finding(entry, f"committed {times} times")


def _first_of(commits: Sequence[Entry]) -> Iterator[Entry]:
    seen: set[tuple[str | None, str | None, str | None, str | None]] = set()
    for entry in commits:
        name = (entry.record, entry.external_id, entry.version, entry.internal_id)
        if name not in seen:
            seen.add(name)
            yield entry


def _two_records(commits: Sequence[Entry]) -> Iterator[Finding]:
    yield from _shared(commits, "external id", lambda entry: entry.external_id)


def _two_references(commits: Sequence[Entry]) -> Iterator[Finding]:
    orders = [entry for entry in commits if entry.record == "salesOrder"]
    keys = defaultdict(set)
    for entry in orders:
        keys[entry.external_id].add(entry.internal_id)
    alone = [entry for entry in orders if len(keys[entry.external_id]) == 1 or entry.external_id is None]
    yield from _shared(alone, "business reference", lambda entry: entry.reference)


def _shared(commits: Sequence[Entry], what: str, key: Callable[[Entry], str | None]) -> Iterator[Finding]:
    holders: dict[tuple[str | None, str], dict[str | None, Entry]] = defaultdict(dict)
    for entry in commits:
        if (value := key(entry)) is not None:
            holders[entry.record, value].setdefault(entry.internal_id, entry)
    for (_, value), found in holders.items():
        if len(found) > 1:
            ids = ", ".join(str(identifier) for identifier in found)
            yield _finding(list(found.values())[-1], f"{len(found)} records share the {what} {value!r}: {ids}")


def _over_parent(commits: Sequence[Entry]) -> Iterator[Finding]:
    """More fulfilled or received than was ordered or returned."""
    held: dict[tuple[str, str | None], Decimal] = {}
    used: dict[tuple[str, str | None], dict[str | None, Entry]] = defaultdict(dict)
    for entry in commits:
        if entry.record in _FOLLOW_UPS.values():
            name = (str(entry.record), entry.internal_id)
            held[name] = max(held.get(name, Decimal(0)), Decimal(entry.quantity or 0))
        if entry.record in _FOLLOW_UPS and entry.parent_id is not None:
            used[_FOLLOW_UPS[entry.record], entry.parent_id][entry.internal_id] = entry
    for name, follow_ups in used.items():
        total = sum((Decimal(entry.quantity or 0) for entry in follow_ups.values()), Decimal(0))
        if name in held and total > held[name]:
            yield _finding(list(follow_ups.values())[-1], f"{total} processed of {held[name]} in {name[0]} {name[1]}")


def _backwards(commits: Sequence[Entry]) -> Iterator[Finding]:
    newest: dict[tuple[str | None, str | None], int] = {}
    for entry in commits:
        if entry.version is None or not entry.version.isdigit():
            continue
        name = (entry.record, entry.external_id)
        version = int(entry.version)
        if version < newest.get(name, version):
            yield _finding(entry, f"committed after version {newest[name]}")
        newest[name] = max(version, newest.get(name, version))


def _amounts(commits: Sequence[Entry], expected: Sequence[ExpectedEffect]) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    wrong: list[Finding] = []
    swollen: list[Finding] = []
    last = {(e.record, e.external_id, e.version): e for e in commits} | {(e.record, e.external_id, None): e for e in commits}
    for effect in expected:
        entry = last.get((effect.record, effect.external_id, effect.version))
        if entry is None:
            continue
        for what, want, had in (("total", effect.total, entry.total), ("quantity", effect.quantity, entry.quantity)):
            got = Decimal(had or 0)
            if want is not None and got != want:
                found = _finding(entry, f"{what} {got} instead of {want}")
                (swollen if want and got and got % want == 0 and got > want else wrong).append(found)
    return tuple(wrong), tuple(swollen)


def _finding(entry: Entry, reason: str) -> Finding:
    return Finding(str(entry.record), entry.external_id, entry.version, reason)
