"""Deliveries in batches: fewer requests, the same promises: once each, and only the row to blame is parked."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from adapters.erps.base import Posting, Undone
from adapters.erps.memory import Crash, MemoryBatchErp
from adapters.http.caller import Caller
from adapters.throttle.base import Granted, Limit, Report
from adapters.throttle.local import LocalThrottle
from canonical.outcome import Done, Outcome, Rejected, Throttled, Unavailable
from ledger.deliveries import Claimed
from routing.letters import Letter
from tasks.attempts import batches
from tasks.step import Message, run
from tests.documents import MORNING, an_order
from tests.tasks.world import TARGET, World, a_world

POISON = Rejected("INVALID", "the item is not sold any more", "map another item, then retry")


class Killed(BaseException):
    """The process is gone, in the middle of whatever it did."""


class Seen(LocalThrottle):
    """A throttle that keeps what it was told."""

    def __init__(self) -> None:
        super().__init__(Limit())
        self.reports: list[Report] = []
        self.pauses: list[float] = []

    def report(self, seen: Report) -> None:
        self.reports.append(seen)

    def pause(self, wait_s: float, reason: str) -> None:
        self.pauses.append(wait_s)


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url, erp=MemoryBatchErp(most=8)) as made:
        yield made


def bulk(world: World) -> MemoryBatchErp:
    assert isinstance(world.erp, MemoryBatchErp)
    return world.erp


def told(world: World, orders: int) -> Letter:
    """Orders 0, 1, ... in one message that is about to be worked on."""
    world.prepare(*world.tell(*(an_order(str(n)) for n in range(orders))))
    rows: list[int] = []
    while (letter := world.tray.take()) is not None:
        rows += letter.rows
    return replace(letter_of(world, rows), rows=tuple(sorted(rows)))


def letter_of(world: World, rows: list[int]) -> Letter:
    return Letter(f"deliver.{TARGET}.orders.normal", "deliver", tuple(rows), "a part", len(rows), operation="order.create")


def deliver_part(world: World, letter: Letter, *, probe: bool = False) -> None:
    run(world.context, Message(letter.queue, letter.rows, letter.operation), Granted("lease", 1, probe))


def states(world: World) -> dict[str, int]:
    counted = world.rows("select state, count(*) from deliveries group by state")
    return {str(state): int(str(n)) for state, n in counted}


def test_the_rows_of_a_part_go_out_in_batches_no_larger_than_the_erp_takes(world: World) -> None:
    deliver_part(world, told(world, 20))

    assert world.erp.requests == [8, 8, 4]
    assert states(world) == {"done": 20}
    assert not world.erp.doubled


def test_an_erp_without_batches_gets_its_rows_one_by_one(world: World) -> None:
    bulk(world).most = 1

    deliver_part(world, told(world, 3))

    assert world.erp.requests == [1, 1, 1]


@pytest.mark.parametrize("poisoned", range(8))
def test_a_poisoned_batch_is_halved_until_only_its_poison_is_parked(world: World, poisoned: int) -> None:
    letter = told(world, 8)
    world.erp.refused[f"order/shopify/{poisoned}"] = POISON

    deliver_part(world, letter)

    assert states(world) == {"done": 7, "parked": 1}
    assert world.rows("select business_key, failure_code from deliveries where state = 'parked'") == [
        (f"order/shopify/{poisoned}", "INVALID")
    ]
    assert len(world.erp.effects) == 7
    assert not world.erp.doubled
    # Two halves at each of log2(8) levels at most; a half that must hold the poison is not sent to learn it.
    assert 5 <= len(world.erp.requests) <= 7


def test_a_batch_of_nothing_but_poison_parks_every_row_and_makes_no_effect(world: World) -> None:
    letter = told(world, 8)
    for n in range(8):
        world.erp.refused[f"order/shopify/{n}"] = POISON

    deliver_part(world, letter)

    assert states(world) == {"parked": 8}
    assert world.erp.effects == []


def test_each_posting_of_a_batch_has_its_own_outcome_where_the_erp_says_so(world: World) -> None:
    bulk(world).atomic = False
    letter = told(world, 8)
    world.erp.refused["order/shopify/3"] = POISON

    deliver_part(world, letter)

    assert world.erp.requests == [8]
    assert states(world) == {"done": 7, "parked": 1}


@pytest.mark.parametrize("loss", ["lost before", "lost after"])
def test_a_lost_answer_to_a_batch_puts_each_row_in_doubt_and_each_is_looked_up_alone(world: World, loss: str) -> None:
    letter = told(world, 6)
    if loss == "lost before":
        world.erp.script.append("lost before")
    else:
        world.erp.script.append("lost after")

    deliver_part(world, letter)
    assert world.rows("select distinct state, uncertain, attempts from deliveries") == [("retrying", 1, 1)]
    world.work()

    # A look-up for each; a posting for each that is not there.
    assert world.erp.requests == [6, *([0, 1] if loss == "lost before" else [0]) * 6]
    assert states(world) == {"done": 6}
    assert len(world.erp.effects) == 6


def test_a_throttled_batch_hands_all_its_rows_back_without_spending_an_attempt(world: World) -> None:
    letter = told(world, 12)
    throttle = Seen()
    context = replace(world.context, throttles={TARGET: throttle})
    world.erp.script.append(Throttled("too many", 3.0))

    run(context, Message(letter.queue, letter.rows), Granted("lease", 1))

    assert world.rows("select distinct state, uncertain, attempts from deliveries") == [("retrying", 0, 0)]
    assert world.erp.requests == [8]
    assert throttle.pauses == [3.0]
    assert [(r.operation, r.verdict, r.retry_after_s) for r in throttle.reports] == [("order.create", "throttled", 3.0)]


def test_a_throttle_answer_without_a_wait_leaves_the_pause_to_the_limiter(world: World) -> None:
    letter = told(world, 2)
    throttle = Seen()
    world.erp.script.append(Throttled("too many"))

    run(replace(world.context, throttles={TARGET: throttle}), Message(letter.queue, letter.rows), Granted("lease", 1))

    assert throttle.pauses == []
    assert [r.verdict for r in throttle.reports] == ["throttled"]


def test_no_call_left_by_our_own_limiter_is_not_reported_as_the_targets_refusal(world: World) -> None:
    letter = told(world, 2)
    throttle = Seen()
    world.erp.script.append(Throttled("no call free", 4.0, own=True))

    run(replace(world.context, throttles={TARGET: throttle}), Message(letter.queue, letter.rows), Granted("lease", 1))

    assert (throttle.pauses, throttle.reports) == ([], [])
    assert world.rows("select distinct state, attempts from deliveries") == [("retrying", 0)]


def test_an_outage_met_by_a_batch_spends_an_attempt_of_its_rows_and_none_of_the_rest(world: World) -> None:
    letter = told(world, 12)
    world.erp.script.append(Unavailable("down"))

    deliver_part(world, letter)

    assert world.rows("select attempts, count(*) from deliveries group by attempts order by attempts") == [(0, 4), (1, 8)]


def test_a_probe_sends_one_row_and_its_failure_spends_no_attempt(world: World) -> None:
    letter = told(world, 5)
    world.erp.script.append(Unavailable("still down"))

    deliver_part(world, letter, probe=True)

    assert world.erp.requests == [1]
    assert world.rows("select distinct state, attempts from deliveries") == [("retrying", 0)]


def test_a_worker_that_dies_over_a_batch_leaves_each_row_to_be_looked_up_alone(world: World) -> None:
    letter = told(world, 5)
    world.erp.script.append(Crash(Killed(), after_effect=True))
    with pytest.raises(Killed):
        deliver_part(world, letter)

    deliver_part(world, letter)
    world.work()

    assert states(world) == {"done": 5}
    assert len(world.erp.effects) == 5
    assert world.rows("select distinct lost_claims from deliveries") == [(1,)]


def test_a_row_that_kills_workers_is_parked_as_poison_and_its_batch_goes_on(world: World) -> None:
    letter = told(world, 4)
    world.erp.deadly["order/shopify/2"] = Killed()
    with pytest.raises(Killed):
        deliver_part(world, letter)
    deliver_part(world, letter)

    while (again := world.tray.take()) is not None:
        try:
            world.work_letter(again)
        except Killed:
            world.work_letter(again)

    assert states(world) == {"done": 3, "parked": 1}
    assert world.rows("select failure_class from deliveries where state = 'parked'") == [("poison",)]


def test_an_adapter_that_raises_over_a_batch_parks_only_the_row_it_raises_over(world: World) -> None:
    letter = told(world, 4)
    world.erp.deadly["order/shopify/2"] = ZeroDivisionError("a fault of our own")

    deliver_part(world, letter)
    world.work()

    assert states(world) == {"done": 3, "parked": 1}
    assert world.rows("select business_key, failure_class from deliveries where state = 'parked'") == [
        ("order/shopify/2", "defect")
    ]
    assert not world.erp.doubled


def test_an_adapter_that_forgets_an_outcome_leaves_no_row_settled_by_guess(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = told(world, 3)
    monkeypatch.setattr(MemoryBatchErp, "post_batch", lambda self, postings, caller: [Done("M1")])

    deliver_part(world, letter)

    assert world.rows("select distinct state, uncertain from deliveries") == [("retrying", 1)]


def test_a_long_part_keeps_its_claims_while_it_works(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = told(world, 24)
    posting = MemoryBatchErp.post_batch

    def slowly(self: MemoryBatchErp, postings: Sequence[Posting], caller: Caller) -> Sequence[Outcome | Undone]:
        world.clock.move(world.context.fleet.targets[TARGET].posting_time_s)
        return posting(self, postings, caller)

    monkeypatch.setattr(MemoryBatchErp, "post_batch", slowly)

    deliver_part(world, letter)

    assert world.erp.requests == [8, 8, 8]
    assert states(world) == {"done": 24}


def test_rows_in_doubt_and_rows_of_other_operations_are_kept_apart() -> None:
    rows = [a_row(1), a_row(2, uncertain=True), a_row(3, operation="order.update"), a_row(4), a_row(5), a_row(6)]

    found = batches(rows, {"order.create": 3, "order.update": 1}.__getitem__)

    assert [[row.id for row in batch] for batch in found] == [[1, 4, 5], [2], [3], [6]]


def a_row(row_id: int, *, operation: str = "order.create", uncertain: bool = False) -> Claimed:
    return Claimed(
        id=row_id,
        claim="claim",
        target=TARGET,
        operation=operation,
        version=1,
        business_key=f"order/shopify/{row_id}",
        entity=f"shopify/{row_id}",
        domain="orders",
        cls="normal",
        references={},
        correlation_id="trace",
        uncertain=uncertain,
        attempts=0,
        lost_claims=0,
        body="",
        order_body=None,
        order_remote_id=None,
        accepted_at=MORNING,
        calls=1,
    )


def test_rows_whose_claims_were_lost_meanwhile_are_left_to_who_holds_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = told(world, 24)
    posting = MemoryBatchErp.post_batch

    def overtaken(self: MemoryBatchErp, postings: Sequence[Posting], caller: Caller) -> Sequence[Outcome | Undone]:
        world.clock.move(2 * world.context.fleet.targets[TARGET].posting_time_s)
        with world.ledger.write() as session:
            session.exec_driver_sql("update deliveries set claim = 'another worker'")
        return posting(self, postings, caller)

    monkeypatch.setattr(MemoryBatchErp, "post_batch", overtaken)

    deliver_part(world, letter)

    assert world.erp.requests == [8]
    assert states(world) == {"claimed": 24}


def test_a_refusal_that_the_caller_has_reported_is_not_counted_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = told(world, 2)
    throttle = Seen()
    world.erp.script.append(Throttled("too many", 3.0))
    monkeypatch.setattr(Caller, "throttled", True)

    run(replace(world.context, throttles={TARGET: throttle}), Message(letter.queue, letter.rows), Granted("lease", 1))

    assert throttle.reports == []
    assert throttle.pauses == [3.0]
