"""Does the attempts of one part: its claimed rows under one permit, in batches where the ERP takes them."""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from msgspec import structs

import ledger.deliveries
from adapters.erps.base import BatchErp, Posting, Undone, batch_of
from adapters.http.caller import Caller
from adapters.http.turns import side_by_side
from adapters.throttle.base import Report
from canonical.failure import Failure, FailureClass
from canonical.outcome import Outcome, Rejected, Throttled, Uncertain
from config.fleet import Target
from ledger.deliveries import Claimed, Settlement
from routing.fate import Fate, Rules, fate_of
from tasks.context import Context
from tasks.deliver import deliver, posting_of
from tasks.story import tell_attempt, tell_defect, tell_pause, tell_start
from telemetry.bus import bind
from telemetry.trace import of_order

SECOND = timedelta(seconds=1)


class Attempts:
    """One part's attempts. Used once, by one thread; up to ``at_once`` requests are under way side by side.

    Rows whose effect is in doubt go alone; the others together, as many as the ERP takes in one call. The first answer that
    says the target is full or down spares it the rest of the part. ``probe``: one row at a time, and failing costs it nothing.
    """

    def __init__(self, context: Context, target_name: str, caller: Caller, *, probe: bool = False, at_once: int = 1) -> None:
        self._context = context
        self._name = target_name
        self._erp = context.erps[target_name]
        self._caller = caller
        self._probe = probe
        self._at_once = at_once
        target = context.fleet.targets[target_name]
        self._target: Target = target
        waits = context.fleet.waits
        self._rules = Rules(target.max_attempts, waits.first_retry_s, waits.longest_retry_s, target.max_execution_s)
        self._stopped: Fate | None = None
        self._open: dict[int, Claimed] = {}
        self._settled: list[Settlement] = []
        self._sent_until = context.now() + 2 * target.posting_time_s * SECOND

    def run(self, claimed: Sequence[Claimed]) -> list[Settlement]:
        """Attempt each row once; a row whose claim was lost meanwhile has no settlement."""
        self._open = {row.id: row for row in claimed}
        works = [partial(self._begin, together) for together in batches(claimed, self._most)]
        side_by_side(works, self._at_once)
        return self._settled

    def _most(self, operation: str) -> int:
        return 1 if self._probe else batch_of(self._erp, operation)

    def _begin(self, rows: Sequence[Claimed]) -> None:
        self._post(rows)

    def _post(self, rows: Sequence[Claimed], *, refused: bool = False) -> bool:
        """Post rows together; False if any of them was refused. ``refused``: sent together they would be, so they are not."""
        started_at = self._context.now()
        if self._stopped is None:
            self._hold(started_at)
        rows = [row for row in rows if row.id in self._open]
        if self._stopped is not None:
            return self._hand_back(rows, self._stopped, started_at)
        if not rows:
            return True
        if len(rows) == 1:
            return self._post_one(rows[0], started_at)
        undone = rows if refused else self._post_batch(rows, started_at)
        if not undone:
            return True
        half = max(1, len(undone) // 2)
        # If all of one half was taken, what the batch was refused for is in the other one: it need not be sent to know that.
        taken = self._post(undone[:half])
        self._post(undone[half:], refused=taken)
        return False

    def _post_one(self, row: Claimed, started_at: datetime) -> bool:
        if row.lost_claims >= self._context.topology.delivery_limit:
            self._settle(_poisoned(row, started_at))
            return True
        with bind(correlation_id=row.correlation_id), of_order(row.entity):
            tell_start(row)
            try:
                outcome = deliver(self._erp, row, self._caller)
            except Exception as error:  # noqa: BLE001  the outermost step parks what it cannot name, and keeps the part going
                tell_defect(row, error)
                outcome = _defect(self._name, error)
            self._conclude(row, outcome, started_at)
        return not isinstance(outcome, Rejected)

    def _post_batch(self, rows: Sequence[Claimed], started_at: datetime) -> list[Claimed]:
        """Post rows in one batch; returns those it left undone."""
        undone: list[Claimed] = []
        for row in rows:
            with bind(correlation_id=row.correlation_id), of_order(row.entity):
                tell_start(row)
        for row, outcome in zip(rows, self._outcomes(rows), strict=True):
            if isinstance(outcome, Undone):
                undone.append(row)
                continue
            with bind(correlation_id=row.correlation_id), of_order(row.entity):
                self._conclude(row, outcome, started_at)
        return undone

    def _outcomes(self, rows: Sequence[Claimed]) -> Sequence[Outcome | Undone]:
        assert isinstance(self._erp, BatchErp)  # noqa: S101  only such an ERP says that it takes more than one
        at_fault = rows[0]
        try:
            postings: list[Posting] = []
            for at_fault in rows:
                postings.append(posting_of(at_fault))
            return _one_each(self._erp.post_batch(postings, self._caller), len(rows))
        except Exception as error:  # noqa: BLE001  whatever it is, each row is looked up alone: the one at fault then shows
            tell_defect(at_fault, error)
            return [Uncertain(f"{type(error).__name__} in a batch of the {self._name} adapter")] * len(rows)

    def _conclude(self, row: Claimed, outcome: Outcome, started_at: datetime) -> None:
        context = self._context
        fate = fate_of(outcome, row.attempts, row.uncertain, self._rules, context.draw, probe=self._probe)
        now = context.now()
        if fate.stop and self._stopped is None:
            self._stop(row, outcome, fate, (now - started_at) / SECOND)
        tell_attempt(row, outcome, fate, started_at, now)
        self._settle(_settlement(row, fate, type(outcome).__name__, getattr(outcome, "reason", ""), started_at, now))

    def _stop(self, row: Claimed, outcome: Outcome, fate: Fate, took_s: float) -> None:
        """Spare the target the rest of the part, and tell the limiter why."""
        self._stopped = structs.replace(fate, failure=None, state="retrying", wait_s=max(fate.wait_s, 1.0))
        throttle = self._context.throttles[self._name]
        # A refusal told by the status has been reported already: only the adapter can read one out of a body.
        if isinstance(outcome, Throttled) and not outcome.own and not self._caller.throttled:
            throttle.report(Report(row.operation, took_s, "throttled", outcome.retry_after_s))
        if fate.pause_s is not None:
            throttle.pause(fate.pause_s, type(outcome).__name__)
            tell_pause(self._name, fate.pause_s, type(outcome).__name__)

    def _hand_back(self, rows: Sequence[Claimed], stopped: Fate, now: datetime) -> bool:
        for row in rows:
            fate = structs.replace(stopped, attempts=row.attempts, uncertain=row.uncertain)
            self._settle(_settlement(row, fate, "HandedBack", "", now, now))
        return True

    def _settle(self, settlement: Settlement) -> None:
        self._settled.append(settlement)
        self._open.pop(settlement.id, None)

    def _hold(self, now: datetime) -> None:
        """Keep the claims of what is not settled for one more posting; rows that are no longer ours are let go."""
        target = self._target
        if not self._open or self._sent_until - now >= target.posting_time_s * SECOND:
            return
        self._sent_until = now + 2 * target.posting_time_s * SECOND
        until = self._sent_until + target.max_execution_s * SECOND
        rows = list(self._open.values())
        with self._context.ledger.write() as session:
            ours = ledger.deliveries.extend(session, [row.id for row in rows], rows[0].claim, until)
        self._open = {row.id: row for row in rows if row.id in ours}


def batches(claimed: Sequence[Claimed], most: Callable[[str], int]) -> list[list[Claimed]]:
    """The rows as they go out: alone if in doubt, else with others of their operation, at most ``most(operation)`` together."""
    found: list[list[Claimed]] = []
    growing: dict[str, tuple[list[Claimed], int]] = {}
    for row in claimed:
        if row.uncertain:
            found.append([row])
            continue
        batch, room = growing.get(row.operation) or ([], most(row.operation))
        if not batch or len(batch) >= room:
            batch = []
            found.append(batch)
            growing[row.operation] = batch, room
        batch.append(row)
    return found


def _one_each(outcomes: Sequence[Outcome | Undone], rows: int) -> Sequence[Outcome | Undone]:
    if len(outcomes) != rows:
        raise ValueError(f"{len(outcomes)} outcomes for {rows} postings")
    return outcomes


def _defect(target_name: str, error: Exception) -> Rejected:
    remedy = "report it with the delivery's id; retry after the fix"
    return Rejected("defect", f"{type(error).__name__} in the {target_name} adapter", remedy)


def _poisoned(row: Claimed, started_at: datetime) -> Settlement:
    failure = Failure(
        FailureClass.POISON,
        "worker.lost",
        f"{row.lost_claims} workers died while they worked on it",
        "find out why with the delivery's id in the workers' logs; retry after the fix",
    )
    return Settlement(
        row.id,
        row.claim,
        "parked",
        "Poison",
        failure.reason,
        started_at,
        attempts=row.attempts,
        uncertain=True,
        failure=failure,
    )


def _settlement(row: Claimed, fate: Fate, outcome: str, detail: str, started_at: datetime, now: datetime) -> Settlement:
    failure = fate.failure
    if failure is not None and failure.code == "defect":
        failure = dataclasses.replace(failure, cls=FailureClass.DEFECT)
    return Settlement(
        id=row.id,
        claim=row.claim,
        state=fate.state,
        outcome=outcome,
        detail=detail,
        started_at=started_at,
        remote_id=fate.remote_id,
        attempts=fate.attempts,
        uncertain=fate.uncertain or (failure is not None and failure.cls is FailureClass.DEFECT),
        due_at=now + fate.wait_s * SECOND if fate.state == "retrying" else None,
        failure=failure,
    )
