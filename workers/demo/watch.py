"""Watches the sale go by: the sender's log, the ERP's counts and the ledger's standing rows, as one snapshot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ledger import views
from ledger.session import Ledger
from workers.demo.sandbox_client import SandboxClient
from workers.demo.sent_log import SentLog
from workers.demo.webhook import Webhook

_MOVING = frozenset({"ready", "queued", "claimed", "retrying"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How the sale stands. ``waiting`` by class; ``moving`` rows will go on by themselves, ``held`` wait for another one."""

    accepted: int
    sent_again: int
    posted: int
    waiting: Mapping[str, int]
    moving: int
    held: int
    retrying: int
    parked: int
    erp_per_s: int
    throttled: int

    @property
    def standing(self) -> tuple[int, int, int, int]:
        """Changes as long as anything goes on."""
        return self.posted, self.moving, self.held, self.parked


class Watch:
    """Takes snapshots. Raises one of LedgerUnavailable or OSError when something is away."""

    def __init__(self, webhooks: Sequence[Webhook], log: SentLog, sandbox: SandboxClient, ledger: Ledger) -> None:
        self._webhooks = webhooks
        self._orphans = len({hook.known_as for hook in webhooks if hook.fact.told == "orphan"})
        self._log = log
        self._sandbox = sandbox
        self._ledger = ledger

    def look(self) -> Snapshot:
        """How it stands now."""
        attempts = self._log.so_far()
        erp = self._sandbox.counts()
        with self._ledger.read() as session:
            standing = views.standings(session)
        waiting: Counter[str] = Counter()
        states: Counter[str] = Counter()
        for row in standing:
            is_event = not row.family.startswith("deliver.")
            states["event " + row.state if is_event else row.state] += row.count
            if row.state not in ("parked", "claimed"):
                waiting[row.cls] += row.count
        early = max(0, states["event waiting"] - self._orphans)
        return Snapshot(
            accepted=len({self._webhooks[attempt.n].known_as for attempt in attempts if attempt.accepted}),
            sent_again=sum(attempt.attempt > 1 for attempt in attempts),
            posted=erp.commits,
            waiting=waiting,
            moving=sum(states[name] for name in _MOVING) + states["event accepted"] + early,
            held=states["waiting"],
            retrying=states["retrying"],
            parked=states["parked"] + states["event parked"],
            erp_per_s=erp.last_second,
            throttled=erp.throttled,
        )
