"""Runs the runbook after an outage: what gave up meanwhile is replayed in a ramp, behind live traffic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import ledger.desk
import ledger.jobs
from ledger.desk import Filter
from workers.runbooks import looking
from workers.runbooks.base import Check, Desk, Parameter, RunbookRefusedError, Step, Words, number
from workers.runbooks.row_steps import Replay

NOW = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class ReplayAfterOutage:
    """A target is up again; deliveries that ran out of attempts are parked as exhausted."""

    name: ClassVar[str] = "replay-after-outage"
    title: ClassVar[str] = "A target is up again: replay what gave up"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("target", "the target that was down"),
        Parameter("rate", "rows a second at most", "5"),
        Parameter("ramp", "rows of each rung, each waited for", "1,10,100,1000"),
    )

    def check(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """Its lane is open, it does not fail now, something is parked, and no job replays it already."""
        lane = f"deliver.{given['target']}"
        view = desk.lane(lane)
        tried, failed = looking.newest_attempts(desk, given["target"], NOW)
        seen = f"{failed} of the {tried} newest attempts of the last 30 s found no answer"
        parked, jobs = _parked(desk, given["target"]), _jobs(desk, given["target"])
        return [
            looking.is_open(view),
            looking.may_be_asked(view),
            Check(f"{given['target']} does not fail now", failed == 0, seen),
            Check("something is parked as exhausted", parked > 0, f"{parked} rows"),
            Check("no job replays it already", not jobs, ", ".join(f"job {job}" for job in jobs) or "none"),
        ]

    def plan(self, desk: Desk, given: Mapping[str, str]) -> Sequence[Step]:
        """One job."""
        rungs = given["ramp"].split(",")
        if not all(rung.strip().isdecimal() and 0 < int(rung) <= 100_000 for rung in rungs):
            raise RunbookRefusedError(f"ramp={given['ramp']!r}: write whole numbers such as 1,10,100")
        wanted = Filter(cls="exhausted", target=given["target"]).words()
        ramp = tuple(int(rung) for rung in rungs)
        return [Replay(wanted, _parked(desk, given["target"]), number(given, "rate", 0.01), ramp)]

    def verify(self, desk: Desk, given: Mapping[str, str], done: Sequence[Words], since: datetime) -> list[Check]:
        """The job is through, and nothing of it failed again."""
        job_id = int(done[0]["memo"]["job"])
        with desk.context.ledger.read() as session:
            job, at = ledger.jobs.find(session, job_id), ledger.jobs.progress(session, job_id)
        state = job.state if job else "gone"
        seen = f"{at.done} done, {at.out} out, {at.waiting} waiting, {at.failed} failed again"
        return [
            Check(f"job {job_id} is through", state == "done", f"{state}: {seen}"),
            Check("nothing failed again", at.failed == 0, f"{at.failed} rows; millrace jobs show {job_id}"),
        ]

    def may_undo(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """At any time: the job is stopped, what is not out stays parked."""
        return []


def _parked(desk: Desk, target: str) -> int:
    with desk.context.ledger.read() as session:
        wanted = Filter(cls="exhausted", target=target)
        total = ledger.desk.totals(session, desk.context.fleet.desk, wanted, desk.now())
    return total.count if total else 0


def _jobs(desk: Desk, target: str) -> list[int]:
    """Live jobs that meet the same rows."""
    with desk.context.ledger.read() as session:
        live = [ledger.jobs.find(session, job_id) for job_id in ledger.jobs.live(session)]
    return [job.id for job in live if job and job.filter.get("target", target) == target]
