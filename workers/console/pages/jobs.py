"""Runs the pages of jobs: how far each is, live; pause, resume and stop with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

import ledger.actions
import ledger.jobs
from ledger.jobs import Job, Progress
from ledger.session import Session
from tasks.desk import steer_job
from workers.console.desk import Desk
from workers.console.live import Live
from workers.console.page import Page, Permission, Visit
from workers.console.pages import retail
from workers.console.pages.acting import Plan, ask, no_reason, reason_of, sure

MOST_JOBS, MOST_LEFT, MOST_DEEDS = 50, 100, 20
_SAYS = {
    "pause": "Nothing more goes out. What is out runs to its end.",
    "resume": "It goes on where it stood; a halted one with the next rung.",
    "stop": "It ends for good. What it has not sent stays parked.",
}
_DONE = {
    "pause": "The job is paused.",
    "resume": "The job goes on.",
    "stop": "The job is stopped. What it had not sent stays parked.",
}


@dataclass(frozen=True, slots=True)
class JobPicture:
    """A job with its progress; the parts are lengths of a bar of 100."""

    job: Job
    progress: Progress
    done: float
    failed: float
    out: float

    @property
    def live(self) -> bool:
        """Whether it can still change."""
        return self.job.state in ("running", "paused", "halted")


def jobs(visit: Visit) -> Response:
    """All jobs, the newest first."""
    return visit.show("jobs.html", **_values(visit.desk))


def live(desk: Desk) -> str:
    """The same list as it is now."""
    return desk.render("jobs_body.html", **_values(desk))


def job(visit: Visit) -> Response:
    """One job: what it replays, how far it is, what failed again."""
    return _one(visit, "job.html")


def job_part(visit: Visit) -> Response:
    """Its progress as it is now."""
    return _one(visit, "job_body.html")


def steer(visit: Visit) -> Response:
    """Pause, resume or stop it."""
    job_id, verb = _number(visit), visit.form.get("verb", "")
    if verb not in _SAYS:
        return visit.refuse(422, "A job can be paused, resumed or stopped.")
    reason = reason_of(visit)
    if reason is None:
        return no_reason(visit)
    if verb == "stop" and not sure(visit):
        return ask(visit, Plan(f"Stop job {job_id}", "Stop it", f"/jobs/{job_id}/steer", f"/jobs/{job_id}", reason, _SAYS[verb],
                               fields={"verb": verb}))  # fmt: skip
    if not steer_job(visit.desk.context, job_id, verb, visit.actor):
        return visit.refuse(409, f"Job {job_id} cannot be told to {verb} as it stands. It ended, or somebody was quicker.")
    return visit.go(f"/jobs/{job_id}", _DONE[verb])


def pictured(session: Session, found: Sequence[Job]) -> list[JobPicture]:
    """Jobs with how far each is."""
    progress = ledger.jobs.progress_of(session, [one.id for one in found])
    return [_picture(one, progress[one.id]) for one in found]


def _picture(found: Job, progress: Progress) -> JobPicture:
    parts = (retail.part(value, found.total) for value in (progress.done, progress.failed + progress.left, progress.out))
    return JobPicture(found, progress, *parts)


def _values(desk: Desk) -> dict[str, Any]:
    with desk.context.ledger.read() as session:
        rows = pictured(session, ledger.jobs.listed(session, MOST_JOBS))
    return {"w": retail, "at": desk.clock(), "jobs": rows}


def _one(visit: Visit, template: str) -> Response:
    job_id = _number(visit)
    with visit.desk.context.ledger.read() as session:
        found = ledger.jobs.find(session, job_id)
        if found is None:
            return visit.refuse(404, f"There is no job {job_id}.")
        [picture] = pictured(session, [found])
        left = ledger.jobs.left(session, job_id, MOST_LEFT)
        deeds = ledger.actions.listed(session, f"job {job_id}", MOST_DEEDS)
    return visit.show(template, w=retail, at=visit.desk.clock(), picture=picture, left=left, deeds_done=deeds, says=_SAYS)


def _number(visit: Visit) -> int:
    return int(visit.request.path_params["job_id"])


PAGES = (
    Page("/jobs", jobs, name="jobs", menu="Jobs"),
    Page("/jobs/{job_id:int}", job, name="job"),
    Page("/jobs/{job_id:int}/now", job_part, name="job_now", polled=True),
    Page("/jobs/{job_id:int}/steer", steer, Permission.OPERATE, "POST", name="job_steer"),
)
LIVE = (Live("jobs", live, 1.0),)
