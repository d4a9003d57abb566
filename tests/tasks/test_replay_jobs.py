"""Replay jobs on both databases: a ramp, halted and resumed, held by one process, and each failure taken once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import ledger.jobs
from canonical.outcome import Rejected
from ledger.desk import Filter
from ledger.jobs import Job, Progress
from routing.patch import PatchError
from routing.ramp import Pace
from tasks.desk import archive, start_job, steer_job
from tasks.jobs import LEASE, work
from tasks.replay import retry
from tests.tasks.desk import ANNA, cases, of_unknown_item, refused, run_jobs
from tests.tasks.world import World, a_world

FAST = Pace((1, 3, 100), 100.0, 0.2, 60.0)


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def test_a_group_edited_and_replayed_at_a_ramp_ends_done_once_each(world: World) -> None:
    of_unknown_item(world, *(str(n) for n in range(12)))
    [group] = {case.group for case in cases(world)}
    job_id = start_job(world.context, Filter(group=group), ["lines[sku=GONE-1].sku=SKU-0001"], FAST, ANNA)
    sent: list[int] = []
    for _ in range(20):
        sent.append(work(world.context, "relay"))
        world.work()
        world.clock.move(1)

    assert [n for n in sent if n] == [1, 3, 8]
    assert (_job(world, job_id).state, _progress(world, job_id)) == ("done", Progress(done=12))
    assert sorted(e.key for e in world.erp.effects) == sorted(f"order/shopify/{n}" for n in range(12))
    assert world.rows("select count(*) from edits") == [(12,)]
    assert world.rows("select distinct class from deliveries") == [("low",)]


def test_a_rung_is_waited_for_before_the_next(world: World) -> None:
    refused(world, "1", "2", "3")
    start_job(world.context, Filter(), [], FAST, ANNA)

    first = work(world.context, "relay")
    world.clock.move(1)
    waits = work(world.context, "relay")
    world.work()
    climbs, then = work(world.context, "relay"), work(world.context, "relay")

    assert (first, waits, climbs, then) == (1, 0, 0, 2)


def test_a_job_halts_when_its_rung_fails_and_goes_on_when_told(world: World) -> None:
    refused(world, *(str(n) for n in range(6)))
    job_id = start_job(world.context, Filter(), [], FAST, ANNA)
    world.erp.script.append(Rejected("INVALID", "not yet", "wait"))
    run_jobs(world, rounds=5)
    halted, at = _job(world, job_id), _progress(world, job_id)

    assert (halted.state, halted.told) == ("halted", "1 of the 1 sent in this rung failed, more than 20%")
    assert at == Progress(waiting=5, failed=1)
    assert steer_job(world.context, job_id, "resume", ANNA)
    run_jobs(world)
    assert (_job(world, job_id).state, _progress(world, job_id)) == ("done", Progress(done=5, failed=1))


def test_a_job_is_paused_resumed_and_stopped(world: World) -> None:
    refused(world, *(str(n) for n in range(6)))
    job_id = start_job(world.context, Filter(), [], FAST, ANNA)
    work(world.context, "relay")
    assert steer_job(world.context, job_id, "pause", ANNA)
    assert not steer_job(world.context, job_id, "pause", ANNA)
    run_jobs(world, rounds=3)
    assert _progress(world, job_id) == Progress(waiting=5, done=1)

    assert steer_job(world.context, job_id, "resume", ANNA)
    assert steer_job(world.context, job_id, "stop", ANNA)
    assert not steer_job(world.context, job_id, "resume", ANNA)
    run_jobs(world, rounds=3)
    assert _progress(world, job_id).waiting == 5
    assert len(cases(world)) == 5


def test_two_jobs_and_a_single_retry_at_once_take_each_failure_once(world: World) -> None:
    keys = refused(world, *(str(n) for n in range(8)))
    wide = Pace((100,), 1_000.0, 1.0, 60.0)
    for _ in range(2):
        start_job(world.context, Filter(), [], wide, ANNA)
    gate = threading.Barrier(3)

    def relay(token: str) -> int:
        gate.wait(20)
        return sum(work(world.context, token) for _ in range(4))

    def single(_: str) -> int:
        gate.wait(20)
        return len(retry(world.context, [*keys, *keys], ANNA).retried)

    with ThreadPoolExecutor(3) as crowd:
        taken = [crowd.submit(relay, "one"), crowd.submit(relay, "two"), crowd.submit(single, "")]
        sent = sum(future.result() for future in taken)
    run_jobs(world, rounds=10)

    assert sent <= 8
    assert sorted(e.key for e in world.erp.effects) == sorted(f"order/shopify/{n}" for n in range(8))
    assert not world.erp.doubled
    assert world.rows("select distinct attempts from deliveries") == [(1,)]
    assert world.rows("select count(*) from attempts where outcome = 'Done'") == [(8,)]


def test_a_failure_that_came_back_is_not_what_the_second_job_was_given(world: World) -> None:
    [key] = refused(world, "1")
    second = start_job(world.context, Filter(), [], FAST, ANNA)
    world.erp.script.append(Rejected("INVALID", "again", "add it"))
    retry(world.context, [key], ANNA)
    world.work()
    run_jobs(world, rounds=3)

    assert _progress(world, second) == Progress(left=1)
    assert world.rows("select count(*) from attempts") == [(2,)]
    with world.ledger.read() as session:
        assert ledger.jobs.left(session, second, 5) == [(key, "left", "it was retried and failed again since it was chosen")]


def test_a_job_whose_process_died_is_taken_over_by_the_next(world: World) -> None:
    refused(world, *(str(n) for n in range(3)))
    job_id = start_job(world.context, Filter(), [], FAST, ANNA)
    assert work(world.context, "dead") == 1
    world.work()

    world.clock.move(2)
    assert [work(world.context, "next") for _ in range(3)] == [0, 0, 0]
    world.clock.move(LEASE.total_seconds())
    run_jobs(world, token="next")

    assert _job(world, job_id).state == "done"
    assert len(world.erp.effects) == 3


def test_what_a_rule_does_not_fit_is_left_alone_with_the_reason(world: World) -> None:
    of_unknown_item(world, "1", "2")
    of_unknown_item(world, "3", sku="GONE-2")
    job_id = start_job(world.context, Filter(code="crossref.missing"), ["lines[sku=GONE-1].sku=SKU-0001"], FAST, ANNA)
    run_jobs(world)

    assert _progress(world, job_id) == Progress(done=2, left=1)
    [case] = cases(world)
    with world.ledger.read() as session:
        [(key, _, told)] = ledger.jobs.left(session, job_id, 5)
    assert (key, told) == (case.key, "lines[sku=GONE-1].sku: nothing in the document is there")
    with pytest.raises(PatchError):
        start_job(world.context, Filter(), ["nonsense"], FAST, ANNA)


def test_a_job_takes_events_too_and_leaves_archived_ones_alone(world: World) -> None:
    [one, _] = refused(world, "1", "2")
    world.prepare(world.tell_bytes(b"not json"))
    archive(world.context, [one], ANNA)
    job_id = start_job(world.context, Filter(), [], Pace((10,), 100.0, 1.0, 60.0), ANNA)
    run_jobs(world)

    assert _progress(world, job_id) == Progress(done=1, failed=1)
    assert [e.key for e in world.erp.effects] == ["order/shopify/2"]


def _job(world: World, job_id: int) -> Job:
    with world.ledger.read() as session:
        found = ledger.jobs.find(session, job_id)
    assert found
    return found


def _progress(world: World, job_id: int) -> Progress:
    with world.ledger.read() as session:
        return ledger.jobs.progress(session, job_id)
