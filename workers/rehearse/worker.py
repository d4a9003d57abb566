"""Runs one worker of a rehearsal: production's fetcher on the rehearsal's broker, with a pool whose work only takes its time."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from adapters.throttle.base import Limit
from routing import names
from routing.letters import DELIVER_TASK, prepare_task
from workers.fetch.delivered import Part
from workers.fetch.fetcher import Fetcher, Hands
from workers.fetch.intake import Intake
from workers.fetch.parts import Parts, Rules
from workers.fetch.permits import PermitBook
from workers.fetch.plan import FetchPlan
from workers.rehearse.agenda import Agenda
from workers.rehearse.broker import Broker

_log = logging.getLogger(__name__)

Work = Callable[["Worker", Part], Iterator[float]]


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker is: its pool, what it serves, how much at once, on threads (one interpreter) or on processes."""

    pool: str
    queues: tuple[str, ...]
    slots: int
    threads: bool


@dataclass(slots=True)
class Load:
    """How much a pool did: slot and CPU seconds by whole seconds since the begin."""

    busy: dict[int, float] = field(default_factory=dict)
    cpu: dict[int, float] = field(default_factory=dict)


def spread(by_second: dict[int, float], first: float, last: float) -> None:
    """Add a stretch of time to the seconds that it lies in."""
    for second in range(int(first), int(last) + 1):
        by_second[second] = by_second.get(second, 0.0) + min(last, second + 1) - max(first, second)


class Worker:
    """One worker process. ``work`` goes through a part and yields the seconds that each piece takes."""

    def __init__(
        self, post: Post, agenda: Agenda, broker: Broker, permits: PermitBook, rules: Mapping[str, Rules], work: Work, load: Load,
        begins_s: float,
    ) -> None:  # fmt: skip
        self.post = post
        self.permits = permits
        self._agenda = agenda
        self._work = work
        self._load = load
        self._begins_s = begins_s
        self._running = 0
        self._cpu_free_s = 0.0
        self._picks = False
        self._later = 0
        hands = Hands(
            limit=lambda: post.slots,
            reserved=lambda: self._running,
            soon=self._soon,
            later=self._wake_later,
            in_process=post.threads,
            clock=agenda.clock,
            wall=agenda.clock,
        )
        self.fetcher = Fetcher(post.queues, permits, Parts(rules, on_threads=post.threads), hands)
        tasks = {DELIVER_TASK, *(prepare_task(names.domain_of(names.family_of(queue))) for queue in post.queues)}
        self._intake = Intake(broker, tasks, clock=agenda.clock, arrived=self._soon)

    def begin(self, plan: FetchPlan) -> None:
        """Consume, by this plan."""
        self.fetcher.follow(plan)
        self.fetcher.begin(self._intake, self._take)

    def follow(self, plan: FetchPlan, changed: Mapping[str, Limit]) -> None:
        """Another plan; ``changed`` are limits that are others than before."""
        for target, limit in changed.items():
            self.permits.adjust(target, limit)
        self.fetcher.follow(plan)

    def compute(self, cpu_s: float) -> float:
        """Seconds until so much computing is done: on threads one after another, on processes side by side."""
        now_s = self._agenda.now_s
        second = int(now_s - self._begins_s)
        self._load.cpu[second] = self._load.cpu.get(second, 0.0) + cpu_s
        if not self.post.threads:
            return cpu_s
        self._cpu_free_s = max(now_s, self._cpu_free_s) + cpu_s
        return self._cpu_free_s - now_s

    def _take(self, part: Part) -> None:
        self._running += 1
        self._agenda.play(self._through(part))

    def _through(self, part: Part) -> Iterator[float]:
        began_s = self._agenda.now_s
        yield from self._work(self, part)
        self._running -= 1
        spread(self._load.busy, began_s - self._begins_s, self._agenda.now_s - self._begins_s)
        part.ack_log_error(_log, ())

    def _soon(self) -> None:
        if not self._picks:
            self._picks = True
            self._agenda.after(0.0, self._pick)

    def _pick(self) -> None:
        self._picks = False
        self.fetcher.pick()

    def _wake_later(self, wait_s: float) -> None:
        self._later += 1
        asked = self._later
        self._agenda.after(wait_s, lambda: self.fetcher.pick() if asked == self._later else None)
