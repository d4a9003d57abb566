"""Runs a rehearsal: arrivals come in, are prepared, picked, posted and tried again, until all of them have their end."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import adapters.erps.base
from adapters.throttle.base import Limit
from adapters.throttle.local import LocalThrottle
from canonical.document import DOMAIN_OF
from config.fleet import Fleet
from config.topology import TopologyTable
from routing import fate as fates
from routing import names
from routing.backoff import SOON_S, rung_for
from routing.letters import Parcel, deliver_letters, parts, prepare_letters
from tasks import in_force as preparing
from tasks.step import Message
from workers.fetch.delivered import Part
from workers.fetch.parts import SLOT_FREE_S
from workers.fetch.parts import Rules as PartRules
from workers.fetch.permits import PermitBook
from workers.fetch.plan import POLL_S, FetchPlan
from workers.plan import Rules
from workers.rehearse.agenda import Agenda
from workers.rehearse.arrivals import Arrival
from workers.rehearse.attempts import Attempts
from workers.rehearse.broker import Broker
from workers.rehearse.effects import Effects
from workers.rehearse.erp import Erp, Outage
from workers.rehearse.rules import in_force, queues_of
from workers.rehearse.service import Service
from workers.rehearse.worker import Load, Post, Worker, spread
from workers.rehearse.works import Book, Delivery, Event

_TOLD_EVERY = 2_000


@dataclass(frozen=True, slots=True)
class Scene:
    """What is rehearsed: the ``fleet`` with the profile's lanes in it, its ``rules`` (controls and windows) and what
    ``preparing`` goes by, from ``begins_s`` (epoch seconds) on, for the ``lanes`` named. ``workers`` by pool; ``longest_s``
    after its begin it is broken off.
    """

    fleet: Fleet
    rules: Rules
    preparing: preparing.Rules
    topology: TopologyTable
    erps: Mapping[str, adapters.erps.base.Erp]
    service: Service
    lanes: frozenset[str]
    workers: Mapping[str, int]
    begins_s: float
    longest_s: float
    outages: Sequence[Outage] = ()
    seed: int = 1


@dataclass(slots=True)
class Played:
    """What came of it. ``loads`` by pool, ``erps`` by target; ``limits`` those in force at its begin."""

    scene: Scene
    book: Book
    ended_s: float
    loads: Mapping[str, Load]
    erps: Mapping[str, Erp]
    limits: Mapping[str, Limit]


def rehearse(scene: Scene, arrivals: Sequence[Arrival], tell: Callable[[int, float], None] = lambda _d, _s: None) -> Played:
    """Play it to its end. ``tell`` hears now and then how many are done with and how many seconds have been played."""
    return Stage(scene).play(arrivals, tell)


@dataclass(slots=True)
class _Doing:
    """What the fetchers of all workers go by, and what has been accepted by lane."""

    plan: FetchPlan
    accepted: dict[str, int] = field(default_factory=dict)


class Stage:
    """One rehearsal; used once. ``throttles`` are the limiters that all its workers share, by target."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._random = random.Random(scene.seed)  # noqa: S311  it plays chance, it guards nothing
        self.agenda = Agenda(scene.begins_s)
        self._rules = in_force(scene.fleet, scene.rules)
        self._doing = _Doing(self._rules.plan(scene.begins_s, {}))
        self._effects = Effects(scene.fleet, scene.preparing, scene.erps, scene.lanes)
        targets = [name for name in scene.fleet.targets if names.lane(name) in scene.lanes]
        self.throttles = {name: LocalThrottle(self._doing.plan.limits[name], clock=self.agenda.clock) for name in targets}
        self._erps = {
            name: Erp(self.agenda, scene.begins_s, scene.service.of(name), self._outages(name), self._random) for name in targets
        }
        self.book = Book()
        self._loads = {pool: Load() for pool in scene.fleet.pools}
        domains = tuple(scene.topology.domains)
        lanes = (*domains, *(names.lane(name) for name in targets))
        self.broker = Broker(self.agenda, [queue for lane in lanes for queue in queues_of(lane, domains)])
        self._workers = [self._worker(pool) for pool in scene.fleet.pools for _ in range(scene.workers[pool])]
        self._ticking = False

    def play(self, arrivals: Sequence[Arrival], tell: Callable[[int, float], None]) -> Played:
        """Play arrivals, in their order, to the end of all."""
        scene, agenda = self._scene, self.agenda
        for worker in self._workers:
            worker.begin(self._doing.plan)
        self._arrive(iter(arrivals))
        until_s, steps = scene.begins_s + scene.longest_s, 0
        self._coming = True
        while (self.book.open or self._coming) and agenda.step(until_s):
            steps += 1
            if steps % _TOLD_EVERY == 0:
                tell(len(self.book.events) - self.book.open, agenda.now_s - scene.begins_s)
        return Played(scene, self.book, agenda.now_s, self._loads, self._erps, dict(self._doing.plan.limits))

    # What comes in.

    def _arrive(self, arrivals: Iterator[Arrival]) -> None:
        arrival = next(arrivals, None)
        self._coming = arrival is not None
        if arrival is not None:
            self.agenda.at(self._scene.begins_s + arrival.at_s, partial(self._accept, arrival, arrivals))

    def _accept(self, arrival: Arrival, arrivals: Iterator[Arrival]) -> None:
        event = self.book.accept(arrival, self.agenda.now_s, self._effects.class_of_event(arrival))
        self.broker.publish(prepare_letters(DOMAIN_OF[arrival.kind], event.cls, [event.id], since=int(event.at_s)))
        if not self._ticking:
            self._ticking = True
            self._tick()
        self._arrive(arrivals)

    def _tick(self) -> None:
        """What happens once a second: the plan is read, and every fetcher tends to what it holds."""
        self._ticking = self.book.open > 0
        if not self._ticking:
            return
        if not self._rules.still:
            self._follow(self._rules.plan(self.agenda.now_s, self._doing.accepted))
        for worker in self._workers:
            worker.fetcher.tend()
        self.agenda.after(POLL_S, self._tick)

    def _follow(self, plan: FetchPlan) -> None:
        before, self._doing.plan = self._doing.plan, plan
        if plan == before:
            return
        changed = {target: limit for target, limit in plan.limits.items() if before.limits.get(target) != limit}
        for worker in self._workers:
            worker.follow(plan, changed)

    # What is done.

    def _prepare(self, worker: Worker, part: Part) -> Iterator[float]:
        service, events = self._scene.service.prepare, [self.book.events[row - 1] for row in part.rows]
        yield service.part_ms.draw_s(self._random)
        yield worker.compute(sum(service.row_ms.draw_s(self._random) for _ in events))
        ready = [one for event in events for one in self._prepared(event)]
        self._send(ready)

    def _prepared(self, event: Event) -> list[Delivery]:
        effects = self._effects.of(event.arrival, event.key, event.at_s, self.agenda.now_s)
        made = self.book.prepared(event, effects, self.agenda.now_s)
        now = []
        for one in made:
            if one.effect.rests_until is not None and one.effect.rests_until > self.agenda.now_s:
                if one.state == "queued":
                    one.state = "deferred"
                    self.agenda.at(one.effect.rests_until, partial(self._rested, one))
            elif one.state == "queued":
                now.append(one)
        return now

    def _rested(self, one: Delivery) -> None:
        one.state = "queued"
        self._send([one])

    def _send(self, ready: Sequence[Delivery]) -> None:
        self.broker.publish(deliver_letters([_parcel(one) for one in ready]))

    def _deliver(self, worker: Worker, part: Part) -> Iterator[float]:
        target = names.target_of(names.family_of(part.queue)) or ""
        service, permit = self._scene.service.of(target), worker.permits.hand_over(part.task_id)
        if permit is None:
            raise ValueError(f"part {part.task_id} of {part.queue} was picked without a permit")
        yield service.part_ms.draw_s(self._random) / 2
        rows = [self.book.deliveries[row] for row in part.rows]
        due_by_s = self.agenda.now_s + SOON_S
        claimed = [row for row in rows if row.state in ("queued", "retrying") and row.due_s <= due_by_s]
        left = [row for row in rows if row.state == "retrying" and row.due_s > due_by_s]
        for row in claimed:
            row.state = "running"
        batch = self._effects.batch(target, part.message.operation)
        attempts = Attempts(self._erps[target], self.throttles[target], permit, self._fate_rules(target), batch)
        yield worker.compute(service.cpu_ms / 1000 * len(claimed))
        began_s = self.agenda.now_s
        yield from attempts.run(claimed)
        spread(self._erps[target].held, began_s - self._scene.begins_s, self.agenda.now_s - self._scene.begins_s)
        yield service.part_ms.draw_s(self._random) / 2
        self._settle(part, attempts.fates, left)

    def _settle(self, part: Part, told: Sequence[tuple[Delivery, fates.Fate]], left: Sequence[Delivery]) -> None:
        now_s, ready, again = self.agenda.now_s, [], list(left)
        for row, fate in told:
            row.attempts, row.uncertain = fate.attempts, fate.uncertain
            if fate.state == "retrying":
                row.state, row.due_s = "retrying", now_s + fate.wait_s
                again.append(row)
                continue
            behind = self.book.end(row, fate.state, now_s)
            if fate.state == "done":
                self._doing.accepted[row.lane] = self._doing.accepted.get(row.lane, 0) + 1
            if behind is not None:
                ready.append(behind)
        self._send_again(part, again)
        self._send(ready)

    def _send_again(self, part: Part, rows: Sequence[Delivery]) -> None:
        message = Message(part.queue, tuple(part.rows), part.message.operation, part.message.since)
        by_rung: dict[int | None, list[Delivery]] = {}
        for row in rows:
            rung_s = rung_for(row.due_s - self.agenda.now_s, self._scene.topology.ladder_s)
            by_rung.setdefault(rung_s, []).append(row)
        for rung_s, some in by_rung.items():
            for bundle in parts(tuple(some), max(1, len(part.rows))):
                calls = sum(row.effect.calls for row in bundle)
                self.broker.publish([message.again(tuple(row.id for row in bundle), calls, rung_s)])

    # What it is made of.

    def _worker(self, pool_name: str) -> Worker:
        scene, pool = self._scene, self._scene.fleet.pools[pool_name]
        domains = tuple(scene.topology.domains)
        served = [lane for lane in pool.families if lane in scene.lanes or names.target_of(lane) is None]
        queues = tuple(queue for lane in served for queue in queues_of(lane, domains))
        post = Post(pool_name, queues, pool.concurrency, pool.kind == "threads")
        rules = {names.lane(name): self._part_rules(name) for name in self.throttles}
        load = self._loads[pool_name]
        return Worker(post, self.agenda, self.broker, PermitBook(self.throttles), rules, self._work, load, scene.begins_s)

    def _work(self, worker: Worker, part: Part) -> Iterator[float]:
        family = names.family_of(part.queue)
        return self._prepare(worker, part) if names.target_of(family) is None else self._deliver(worker, part)

    def _part_rules(self, target: str) -> PartRules:
        told = self._scene.fleet.targets[target]
        batch_of = partial(self._effects.batch, target)
        return PartRules(told.bundle, SLOT_FREE_S, self._doing.plan.limits[target], batch_of)

    def _fate_rules(self, target: str) -> fates.Rules:
        told, waits = self._scene.fleet.targets[target], self._scene.fleet.waits
        return fates.Rules(told.max_attempts, waits.first_retry_s, waits.longest_retry_s, told.max_execution_s)

    def _outages(self, target: str) -> list[Outage]:
        return [one for one in self._scene.outages if one.target == target]


def _parcel(one: Delivery) -> Parcel:
    effect = one.effect
    return Parcel(
        one.id, effect.target, effect.domain, effect.cls, effect.operation, effect.calls, one.event.key, int(one.since_s)
    )
