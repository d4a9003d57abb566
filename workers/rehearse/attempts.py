"""Runs the attempts of one part in a rehearsal: calls under its permit, answers, and each row's fate by production's rules."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from adapters.throttle.base import Granted, Report, Throttle
from canonical.outcome import Done, Outcome, Throttled, Unavailable
from routing.fate import Fate, Rules, fate_of
from workers.rehearse.erp import Erp
from workers.rehearse.works import Delivery

CALL_WAIT_S = 10.0
"""A call that is not free within this time ends the attempt, as in the caller of production."""


@dataclass(slots=True)
class Attempts:
    """The rows of one part; ``fates`` are what became of them. Goes on as its waits are over."""

    erp: Erp
    throttle: Throttle
    permit: Granted
    rules: Rules
    batch: int
    fates: list[tuple[Delivery, Fate]] = field(default_factory=list)
    _unspent: int = 0
    _stopped: Fate | None = None

    def run(self, rows: Sequence[Delivery]) -> Iterator[float]:
        """Try each row once; yields the seconds to wait. Ends with the permit given back."""
        self._unspent = self.permit.calls
        most = 1 if self.permit.probe else self.batch
        for first in range(0, len(rows), most):
            together = rows[first : first + most]
            if self._stopped is not None:
                self._hand_back(together)
                continue
            outcome: Outcome = Done("")
            for _ in range(together[0].effect.calls if most == 1 else 1):
                outcome = yield from self._call()
                if not isinstance(outcome, Done):
                    break
            self._conclude(together, outcome)
        self.throttle.release(self.permit, self._unspent)

    def _call(self) -> Generator[float, None, Outcome]:
        refused = yield from self._spend()
        if refused is not None:
            return refused
        took_s, verdict = self.erp.answer()
        yield took_s
        self.throttle.report(Report(self.permit.operation, took_s, verdict))
        if verdict == "throttled":
            return Throttled("full")
        return Done("") if verdict == "ok" else Unavailable("failed")

    def _spend(self) -> Generator[float, None, Throttled | None]:
        waited_s = 0.0
        while self._unspent < 1:
            answer = self.throttle.extend(self.permit, 1)
            if isinstance(answer, Granted):
                self._unspent += answer.calls - self.permit.calls
                self.permit = answer
                continue
            waited_s += answer.wait_s
            if waited_s > CALL_WAIT_S:
                return Throttled(answer.reason, answer.wait_s, own=True)
            yield answer.wait_s
        self._unspent -= 1
        self.throttle.sent(self.permit)
        return None

    def _conclude(self, rows: Sequence[Delivery], outcome: Outcome) -> None:
        for row in rows:
            fate = fate_of(outcome, row.attempts, row.uncertain, self.rules, self.erp.random.random, probe=self.permit.probe)
            if fate.stop and self._stopped is None:
                self._stopped = replace(fate, failure=None, state="retrying", wait_s=max(fate.wait_s, 1.0))
                if fate.pause_s is not None:
                    self.throttle.pause(fate.pause_s, type(outcome).__name__)
            self.fates.append((row, fate))

    def _hand_back(self, rows: Sequence[Delivery]) -> None:
        assert self._stopped is not None  # noqa: S101  it is what was asked before
        self.fates += [(row, replace(self._stopped, attempts=row.attempts, uncertain=row.uncertain)) for row in rows]
