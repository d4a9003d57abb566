"""The contract of the ERP port, on every adapter that has a bench: each effect once, whatever is repeated or lost.

An adapter joins by a fixture that gives its Bench and its name in BENCHES.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from canonical.operation import Operation
from canonical.order import Order
from canonical.outcome import Absent, AlreadyDone, Done, Rejected, Uncertain
from tests.adapters.erps.bench import Bench, Document
from tests.documents import a_position, a_reservation

BENCHES = ["netsuite", "business_central", "dataverse"]
OPERATIONS: list[Operation] = [
    "order.create",
    "order.update",
    "order.cancel",
    "shipment.create",
    "shipment.update",
    "return.create",
]


@dataclass(frozen=True)
class Case:
    """A document ready for its operation: all that comes before it is posted."""

    operation: Operation
    document: Document
    version: int
    order: Order


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest) -> Bench:
    found: Bench = request.getfixturevalue(f"{request.param}_bench")
    return found


def ready(bench: Bench, operation: Operation) -> Case:
    if operation in bench.cannot:
        pytest.skip(f"the ERP has no way to express {operation}; its own tests say what becomes of one")
    order = bench.order()
    if operation == "order.create":
        return Case(operation, order, 1, order)
    done(bench, Case("order.create", order, 1, order))
    if operation == "order.update":
        changed = bench.changed(order)
        return Case(operation, changed, 2, changed)
    if operation == "order.cancel":
        cancelled = bench.cancelled(order)
        return Case(operation, cancelled, 2, cancelled)
    shipment = bench.shipment(order)
    if operation == "shipment.create":
        return Case(operation, shipment, 1, order)
    done(bench, Case("shipment.create", shipment, 1, order))
    if operation == "shipment.update":
        return Case(operation, bench.tracked(shipment), 2, order)
    return Case(operation, bench.refund(order, shipment), 1, order)


def done(bench: Bench, case: Case) -> None:
    outcome = bench.post(case.operation, case.document, case.version, order=case.order)
    assert isinstance(outcome, Done), outcome


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_effect_is_done_once_however_often_it_is_posted(bench: Bench, operation: Operation) -> None:
    case = ready(bench, operation)

    first = bench.post(operation, case.document, case.version, order=case.order)
    had = bench.effects(case.document)
    second = bench.post(operation, case.document, case.version, order=case.order)

    assert isinstance(first, Done)
    assert isinstance(second, Done | AlreadyDone)
    assert second.remote_id == first.remote_id
    assert bench.effects(case.document) == had


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_look_up_finds_the_effect_after_it_and_not_before(bench: Bench, operation: Operation) -> None:
    case = ready(bench, operation)

    before = bench.find(operation, case.document, case.version, order=case.order)
    outcome = bench.post(operation, case.document, case.version, order=case.order)
    after = bench.find(operation, case.document, case.version, order=case.order)

    assert before == Absent()
    assert isinstance(outcome, Done)
    assert after == AlreadyDone(outcome.remote_id)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_posting_takes_the_requests_it_says(bench: Bench, operation: Operation) -> None:
    case = ready(bench, operation)

    bench.post(operation, case.document, case.version, order=case.order)

    assert bench.spent == bench.erp.calls(operation)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whichever_answer_is_lost_the_look_up_and_the_next_posting_leave_one_effect(bench: Bench, operation: Operation) -> None:
    expected = ready(bench, operation)
    done(bench, expected)
    wanted = bench.effects(expected.document)

    for number in range(1, 20):
        case = ready(bench, operation)
        bench.lose_answer(number)
        outcome = bench.post(operation, case.document, case.version, order=case.order)
        if not bench.lost():
            break
        assert isinstance(outcome, Uncertain), (number, outcome)
        settle(bench, case)
        assert bench.effects(case.document) == wanted, number
    assert number > 1


def settle(bench: Bench, case: Case) -> None:
    finding = bench.find(case.operation, case.document, case.version, order=case.order)
    if isinstance(finding, Absent):
        outcome = bench.post(case.operation, case.document, case.version, order=case.order)
        assert isinstance(outcome, Done | AlreadyDone), outcome
        finding = bench.find(case.operation, case.document, case.version, order=case.order)
    assert isinstance(finding, AlreadyDone), finding


@pytest.mark.parametrize("build", [lambda b, o: b.shipment(o), lambda b, o: b.refund(o, b.shipment(o))])
def test_what_follows_an_order_that_is_not_there_is_refused_with_a_remedy(
    bench: Bench, build: Callable[[Bench, Order], Document]
) -> None:
    order = bench.order()
    document = build(bench, order)
    operation: Operation = "shipment.create" if document.kind == "shipment" else "return.create"

    outcome = bench.post(operation, document, order=order)

    assert isinstance(outcome, Rejected)
    assert outcome.remedy
    assert bench.effects(document) == 0


def test_needs_are_stable_and_each_told_once(bench: Bench) -> None:
    order = bench.order()
    shipment = bench.shipment(order)

    for document in (order, shipment, bench.refund(order, shipment)):
        needs = bench.erp.needs(document)
        assert needs == bench.erp.needs(document)
        assert len(set(needs)) == len(needs)


def test_no_personal_data_is_told_in_a_refusal(bench: Bench) -> None:
    order = bench.order()
    customer = order.customer.model_copy(update={"name": "Ada Canary", "email": "canary@example.com", "key": None})
    unsellable = order.model_copy(
        update={"customer": customer, "lines": tuple(line.model_copy(update={"sku": "NO-SUCH"}) for line in order.lines)}
    )

    outcome = bench.post("order.create", unsellable, order=unsellable)

    assert isinstance(outcome, Rejected)
    assert "anary" not in repr(outcome)


@pytest.mark.parametrize(("operation", "document"), [("stock.publish", a_position()), ("reservation.create", a_reservation())])
def test_what_an_erp_cannot_express_is_refused_with_a_remedy_and_without_a_request(
    bench: Bench, operation: Operation, document: Document
) -> None:
    outcome = bench.post(operation, document)

    assert isinstance(outcome, Rejected)
    assert outcome.code.endswith(".not_supported")
    assert "route" in outcome.remedy
    assert bench.spent == 0
    assert bench.find(operation, document) == Absent()
    assert (bench.erp.needs(document), bench.erp.calls(operation)) == ((), 1)
