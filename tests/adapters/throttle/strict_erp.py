"""A simulation on a virtual clock: workers behind a limiter, and an ERP that polices its own account strictly."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.throttle.base import Ask, Granted, Report, Throttle
from tests.adapters.throttle.clock import Clock


@dataclass
class Erp:
    """Polices rate with burst and calls at once when a request arrives; answers after ``service_s``, which grows when
    more than ``parallel`` are inside. ``share`` is what another user of the account leaves of all three at a time.
    """

    rate_per_s: float | None
    burst: int
    at_once: int | None
    service_s: float
    parallel: int | None = None
    share: Callable[[float], float] = lambda _: 1.0
    tokens: float = 0.0
    filled_at: float = 0.0
    ends: list[float] = field(default_factory=list)
    """When each of those inside is answered."""
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    took: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tokens = float(self.burst)

    def enter(self, now: float) -> bool:
        share = self.share(now)
        if self.rate_per_s is not None:
            most = max(1.0, self.burst * share)
            self.tokens = min(most, self.tokens + (now - self.filled_at) * self.rate_per_s * share)
        self.filled_at = now
        while self.ends and self.ends[0] <= now:
            heapq.heappop(self.ends)
        room = self.at_once is None or len(self.ends) < int(self.at_once * share)
        if not room or (self.rate_per_s is not None and self.tokens < 1):
            self.refused.append(now)
            return False
        self.tokens -= 1
        self.accepted.append(now)
        return True

    def service(self, now: float, draw: float) -> float:
        """Serve who has just entered: how long it takes."""
        queue = 1.0 if self.parallel is None else max(1.0, (len(self.ends) + 1) / self.parallel)
        took_s = self.service_s * queue * (0.9 + 0.2 * draw)
        heapq.heappush(self.ends, now + took_s)
        return took_s


@dataclass
class Workers:
    """``count`` workers with ``slots`` each; a request leaves ``leave_s`` to twice that, sometimes ten times, after its
    permit. A worker that is refused asks again when told, or when one of its own calls ends.

    ``held_up`` says when what a worker would do at a moment is really done: later while its database stands still. Permits are
    taken meanwhile, and the target goes on.
    """

    throttle: Throttle
    clock: Clock
    erp: Erp
    count: int = 2
    slots: int = 16
    leave_s: float = 0.004
    seed: int = 7
    held_up: Callable[[int, float], float] = lambda _, at: at

    def run(self, seconds: float) -> None:
        draw = random.Random(self.seed)
        order = itertools.count()
        begin = self.clock.now_s
        events: list[tuple[float, int, str, int, Granted | None]] = []
        busy, asleep = [0] * self.count, [0.0] * self.count

        def later(wait_s: float, what: str, worker: int, permit: Granted | None = None) -> None:
            at = self.clock.now_s - begin + wait_s
            heapq.heappush(events, (at if what == "ask" else self.held_up(worker, at), next(order), what, worker, permit))

        for worker in range(self.count):
            later(draw.random() * 0.01, "ask", worker)
        while events and events[0][0] < seconds:
            at, _, what, worker, permit = heapq.heappop(events)
            self.clock.now_s = max(self.clock.now_s, begin + at)
            if what == "ask":
                if busy[worker] >= self.slots or asleep[worker] > at + 1e-5:
                    continue
                answer = self.throttle.acquire(Ask())
                if isinstance(answer, Granted):
                    busy[worker] += 1
                    stall = 10 if draw.random() < 0.02 else 1
                    later(self.leave_s * stall * (1 + draw.random()), "arrive", worker, answer)
                    later(0.0, "ask", worker)
                else:
                    wait_s = max(answer.wait_s, 0.002) + draw.random() * 0.002
                    asleep[worker] = at + wait_s
                    later(wait_s, "ask", worker)
            elif what == "arrive":
                assert permit is not None
                self.throttle.sent(permit)
                if self.erp.enter(at):
                    took_s = self.erp.service(at, draw.random())
                    self.erp.took.append((at, took_s))
                    later(took_s, f"ok {took_s}", worker, permit)
                else:
                    later(0.003, "refused", worker, permit)
            else:
                assert permit is not None
                if what == "refused":
                    self.throttle.report(Report("", 0.003, "throttled"))
                else:
                    self.throttle.report(Report("", float(what[3:]), "ok"))
                self.throttle.release(permit)
                busy[worker] -= 1
                later(0.001, "ask", worker)
