"""The contract of an ERP that takes batches, on every adapter that has a bench for it: each effect once, one answer each.

An adapter joins by a fixture that gives its Bench with batches switched on, and its name in BENCHES.
"""

from collections.abc import Sequence

import pytest

from adapters.erps.base import BatchErp, Undone, batch_of
from adapters.erps.memory import MemoryBatchErp, MemoryErp
from canonical.operation import OPERATIONS
from canonical.order import Order
from canonical.outcome import Absent, AlreadyDone, Done, Outcome, Uncertain
from tests.adapters.erps.bench import Bench

BENCHES = ["netsuite_batch", "business_central", "dataverse"]
NUMBER = 8


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest) -> Bench:
    found: Bench = request.getfixturevalue(f"{request.param}_bench")
    return found


def orders(bench: Bench) -> list[Order]:
    return [bench.order() for _ in range(NUMBER)]


def remote_ids(outcomes: Sequence[Outcome | Undone]) -> list[str]:
    return [outcome.remote_id for outcome in outcomes if isinstance(outcome, Done | AlreadyDone)]


def test_an_adapter_says_what_one_call_carries_for_every_operation(bench: Bench) -> None:
    assert isinstance(bench.erp, BatchErp)
    assert all(batch_of(bench.erp, operation) >= 1 for operation in OPERATIONS)
    assert batch_of(bench.erp, "order.create") > 1
    assert batch_of(bench.erp, "") == 1


def test_a_batch_makes_each_effect_once_and_answers_in_order(bench: Bench) -> None:
    many = orders(bench)

    outcomes = bench.post_batch(*many)

    assert all(isinstance(outcome, Done) for outcome in outcomes), outcomes
    assert [bench.effects(order) for order in many] == [1] * NUMBER
    for order, outcome in zip(many, outcomes, strict=True):
        assert isinstance(outcome, Done)
        assert bench.find("order.create", order, order=order) == AlreadyDone(outcome.remote_id)


def test_a_batch_takes_fewer_requests_than_its_rows_alone(bench: Bench) -> None:
    many = orders(bench)

    bench.post_batch(*many)

    assert bench.spent < NUMBER * bench.erp.calls("order.create")


def test_a_batch_posted_twice_leaves_one_effect_each(bench: Bench) -> None:
    many = orders(bench)
    first = bench.post_batch(*many)

    again = bench.post_batch(*many)

    assert [bench.effects(order) for order in many] == [1] * NUMBER
    assert all(isinstance(outcome, Done | AlreadyDone) for outcome in again), again
    assert [o.remote_id for o in again if isinstance(o, Done | AlreadyDone)] == [
        o.remote_id for o in first if isinstance(o, Done)
    ]


def test_whichever_answer_is_lost_each_order_is_made_once_in_the_end(bench: Bench) -> None:
    for number in range(1, 20):
        many = orders(bench)
        bench.lose_answer(number)
        outcomes = bench.post_batch(*many)
        if not bench.lost():
            break
        for order, outcome in zip(many, outcomes, strict=True):
            assert isinstance(outcome, Done | Uncertain | Undone), outcome
            if not isinstance(outcome, Done) and isinstance(bench.find("order.create", order, order=order), Absent):
                assert isinstance(bench.post("order.create", order, order=order), Done | AlreadyDone)
        assert [bench.effects(order) for order in many] == [1] * NUMBER, number
    assert number > 1


def test_an_erp_that_knows_no_batches_carries_one() -> None:
    assert batch_of(MemoryErp(), "order.create") == 1
    assert batch_of(MemoryBatchErp(most=7), "order.create") == 7
