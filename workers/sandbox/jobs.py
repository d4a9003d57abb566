"""Asynchronous requests for many records: accepted at once, worked on afterwards item by item, asked for by job and task."""

import re
import uuid
from dataclasses import dataclass, field

from workers.sandbox.fields import Json, as_object
from workers.sandbox.problems import Answer, Refusal, invalid_request, nonexistent, problem
from workers.sandbox.routes import PREFIX, Query, Route

MOST_ITEMS = 100
COLLECTION = re.compile(rb"application/vnd\.oracle\.resource\+json\s*;\s*type=collection", re.IGNORECASE)
_NO_QUERY = Query(frozenset(), expand=False)


@dataclass(slots=True)
class Job:
    """One accepted request. ``results`` grow by one answer an item, in the items' order."""

    id: str
    record: str
    items: tuple[Json, ...]
    strict_names: bool
    origin: str
    began: bool = False
    results: list[Answer] = field(default_factory=list)

    @property
    def completed(self) -> bool:
        """Whether every item has its result."""
        return len(self.results) == len(self.items)

    @property
    def progress(self) -> str:
        """In the documentation's words: pending, processing, succeeded, failed (if any item failed)."""
        if self.completed:
            return "failed" if any(answer.status >= 400 for answer in self.results) else "succeeded"
        return "processing" if self.began else "pending"


class Jobs:
    """All jobs of the account, by number and by the idempotency key they came with."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._by_key: dict[str, Job] = {}

    def accept(self, route: Route, body: Json, headers: dict[bytes, bytes], origin: str, *, strict: bool) -> tuple[Job, bool]:
        """The job of a request, and whether it is a new one. Raises Refusal for a request that is none for many records."""
        if b"respond-async" not in headers.get(b"prefer", b"").lower():
            raise invalid_request("Requests for several records are executed asynchronously: send Prefer: respond-async.")
        items = body.get("items")
        if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
            raise invalid_request(f"A request takes from 1 to {MOST_ITEMS} records in items.")
        key = _key(headers.get(b"x-netsuite-idempotency-key"))
        if key is not None and key in self._by_key:
            return self._by_key[key], False
        job = Job(str(len(self._jobs) + 1), route.record, tuple(as_object(item) for item in items), strict, origin)
        self._jobs[job.id] = job
        if key is not None:
            self._by_key[key] = job
        return job, True

    def show(self, route: Route) -> object | Answer:
        """What a job, its tasks, a task or a task's result look like. Raises Refusal (404)."""
        number, *rest = (route.key or "").split("/")
        job = self._jobs.get(number)
        if job is None:
            raise nonexistent()
        here = f"{job.origin}{PREFIX}async/v1/job/{job.id}"
        match rest:
            case []:
                links = [{"rel": "self", "href": here}]
                task = {"links": [{"rel": "self", "href": f"{here}/task"}]}
                return {"links": links, "completed": job.completed, "id": job.id, "progress": job.progress, "task": task}
            case ["task"]:
                tasks = [{"links": [{"rel": "self", "href": f"{here}/task/{n + 1}"}]} for n in range(len(job.items))]
                return {"links": [], "count": len(tasks), "hasMore": False, "items": tasks, "totalResults": len(tasks)}
            case ["task", task_id, "result"] if task_id.isdecimal() and 1 <= int(task_id) <= len(job.results):
                return job.results[int(task_id) - 1]
            case _:
                raise nonexistent()


def accepted(job: Job, *, new: bool) -> Answer:
    """The answer to a request for a job: 202, or for a key that came before the refusal that names its job."""
    location = (b"location", f"{PREFIX}async/v1/job/{job.id}".encode())
    if new:
        return Answer(202, ((b"preference-applied", b"respond-async"), location))
    detail = "This request was submitted before with the same idempotency key."
    return problem(400, "IDEMPOTENCY_ERROR", detail, None, (location,))


def item_route(job: Job) -> tuple[Route, Query]:
    """What is done with each item of a job."""
    return Route("create", job.record), _NO_QUERY


def _key(told: bytes | None) -> str | None:
    if told is None:
        return None
    try:
        return str(uuid.UUID(told.decode("latin-1")))
    except ValueError:
        raise Refusal(400, "INVALID_REQUEST", "The idempotency key must be a UUID.") from None
