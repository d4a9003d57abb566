"""New orders of a NetSuite account by one asynchronous request: once each, whatever is lost, late, refused or there before."""

from collections import Counter

import pytest

from adapters.erps.base import Undone, batch_of
from adapters.erps.netsuite.bulk import FEWEST, MOST_AT_ONCE
from adapters.erps.netsuite.keys import order_key
from canonical.order import Order
from canonical.outcome import AlreadyDone, Done, Rejected, Throttled, Unavailable, Uncertain
from config.nearest import ConfigError
from tests.adapters.erps.netsuite.account import NetSuiteBench
from tests.live import wait_until


@pytest.fixture
def bench(netsuite_bench: NetSuiteBench) -> NetSuiteBench:
    return netsuite_bench.with_options(batch="async", batch_wait_s=5)


def orders(bench: NetSuiteBench, number: int = 8) -> list[Order]:
    return [bench.order() for _ in range(number)]


def eid(order: Order) -> str:
    return order_key(order.source, order.key)


def asked(bench: NetSuiteBench, since: int) -> Counter[str]:
    """Requests that reached the account since a line of its log, by operation; items of jobs are not requests."""
    return Counter(e.operation for e in bench.log()[since:] if "/async/v1/job/" not in e.path or e.method == "GET")


def test_new_orders_are_created_once_each_by_one_request_and_one_query(bench: NetSuiteBench) -> None:
    since, many = len(bench.log()), orders(bench, 20)

    outcomes = bench.post_batch(*many)

    assert all(isinstance(outcome, Done) for outcome in outcomes), outcomes
    assert [bench.effects(order) for order in many] == [1] * 20
    requests = asked(bench, since)
    assert (requests["salesOrder.batch"], requests["suiteql.query"], requests["salesOrder.upsert"]) == (1, 1, 0)
    assert bench.spent == requests.total() < FEWEST + 2
    assert [bench.find("order.create", order) for order in many] == [
        AlreadyDone(o.remote_id) for o in outcomes if isinstance(o, Done)
    ]


def test_only_new_orders_go_out_together_and_only_where_the_option_says_so(
    bench: NetSuiteBench, netsuite_bench: NetSuiteBench
) -> None:
    assert batch_of(bench.erp, "order.create") == MOST_AT_ONCE
    assert batch_of(bench.erp, "order.update") == 1
    assert batch_of(netsuite_bench.erp, "order.create") == 1
    with pytest.raises(ConfigError, match="did you mean 'async'"):
        bench.with_options(batch="asinc")


def test_few_orders_are_left_to_be_posted_alone_because_that_takes_no_more_requests(bench: NetSuiteBench) -> None:
    outcomes = bench.post_batch(*orders(bench, FEWEST - 1))

    assert all(isinstance(outcome, Undone) for outcome in outcomes)
    assert bench.spent == 0


def test_an_item_the_account_refuses_is_left_undone_and_told_why_when_it_is_posted_alone(bench: NetSuiteBench) -> None:
    many = orders(bench)
    bench.arm({"kind": "poison", "external_id": eid(many[3])})

    outcomes = bench.post_batch(*many)
    alone = bench.post("order.create", many[3])

    assert [type(outcome) for outcome in outcomes] == [Done, Done, Done, Undone, Done, Done, Done, Done]
    assert isinstance(alone, Rejected)
    assert alone.code == "netsuite.invalid_content"
    assert [bench.effects(order) for order in many] == [1, 1, 1, 0, 1, 1, 1, 1]


def test_a_request_the_account_refuses_as_a_whole_leaves_every_order_to_be_posted_alone(bench: NetSuiteBench) -> None:
    many = orders(bench)
    bench.arm({"kind": "poison", "operation": "salesOrder.batch"})

    outcomes = bench.post_batch(*many)

    assert all(isinstance(outcome, Undone) for outcome in outcomes)
    assert bench.spent == 1


def test_an_order_that_lacks_an_item_is_refused_before_anything_is_sent_for_it(bench: NetSuiteBench) -> None:
    many = orders(bench)
    unknown = tuple(line.model_copy(update={"sku": "NO-SUCH"}) for line in many[0].lines)
    many[0] = many[0].model_copy(update={"lines": unknown})

    outcomes = bench.post_batch(*many)

    assert isinstance(outcomes[0], Rejected)
    assert sum(isinstance(outcome, Done) for outcome in outcomes) == 7


def test_an_order_that_is_there_already_is_not_changed_and_found(bench: NetSuiteBench) -> None:
    many = orders(bench)
    first = bench.post("order.create", many[2])

    outcomes = bench.post_batch(*many)

    assert isinstance(first, Done)
    assert outcomes[2] == Done(first.remote_id)
    assert [len(bench.commits(order)) for order in many] == [1] * 8


@pytest.mark.parametrize("kind", ["lost_answer", "reset", "truncated"])
def test_a_request_whose_answer_is_lost_is_sent_again_under_its_key_and_worked_on_once(bench: NetSuiteBench, kind: str) -> None:
    many = orders(bench)
    bench.arm({"kind": kind, "operation": "salesOrder.batch", "next": 1, "commits": True})

    outcomes = bench.post_batch(*many)

    assert all(isinstance(outcome, Done) for outcome in outcomes), outcomes
    assert [len(bench.commits(order)) for order in many] == [1] * 8
    # Had the request been worked on twice, each order would have been refused once as a duplicate.
    assert [e.answer for e in bench.log() if e.external_id == eid(many[0]) and e.operation == "salesOrder.create"] == [204]


def test_a_request_whose_answers_are_lost_leaves_every_order_in_doubt_to_be_found_later(bench: NetSuiteBench) -> None:
    many = orders(bench)
    bench.arm({"kind": "lost_answer", "operation": "salesOrder.batch", "next": 2})

    outcomes = bench.post_batch(*many)

    assert all(isinstance(outcome, Uncertain) for outcome in outcomes)
    wait_until(lambda: all(bench.effects(order) for order in many), 10, "the job to be over")
    assert all(isinstance(bench.find("order.create", order), AlreadyDone) for order in many)
    assert [len(bench.commits(order)) for order in many] == [1] * 8


def test_a_job_that_is_late_leaves_its_orders_in_doubt_and_a_posting_meanwhile_makes_no_second_one(bench: NetSuiteBench) -> None:
    hasty = bench.with_options(batch_wait_s=0.5)
    many = orders(hasty)
    hasty.arm({"kind": "late_job", "operation": "salesOrder.batch", "wait_s": 3, "next": 1})

    outcomes = hasty.post_batch(*many)

    assert all(isinstance(outcome, Uncertain) for outcome in outcomes), outcomes
    assert isinstance(hasty.post("order.create", many[0]), Done)
    wait_until(lambda: all(hasty.effects(order) for order in many), 15, "the late job")
    assert [len(hasty.commits(order)) for order in many] == [1] * 8


def test_a_throttled_request_makes_nothing_and_says_so_for_each(bench: NetSuiteBench) -> None:
    bench.sandbox.control("PATCH", "limits", {"concurrency": None, "rate_per_s": 0.001, "burst": 1})
    many = orders(bench)
    bench.find("order.create", many[0])

    outcomes = bench.post_batch(*many)

    assert all(isinstance(outcome, Throttled) for outcome in outcomes), outcomes
    assert [bench.effects(order) for order in many] == [0] * 8


def test_an_account_that_is_down_has_made_nothing(bench: NetSuiteBench) -> None:
    many = orders(bench)
    bench.arm({"kind": "outage", "retry_after_s": 7})

    outcomes = bench.post_batch(*many)

    assert all(isinstance(outcome, Unavailable) and outcome.retry_after_s == 7 for outcome in outcomes), outcomes


def test_an_answer_to_the_query_that_cannot_be_read_leaves_the_orders_in_doubt(bench: NetSuiteBench) -> None:
    many = orders(bench)
    bench.arm({"kind": "html_200", "operation": "suiteql.query"})

    outcomes = bench.post_batch(*many)

    assert all(isinstance(outcome, Uncertain) for outcome in outcomes), outcomes
    assert [bench.effects(order) for order in many] == [1] * 8


def test_a_look_at_the_job_that_fails_is_repeated(bench: NetSuiteBench) -> None:
    many = orders(bench)
    bench.arm({"kind": "error_500", "operation": "async.job", "next": 1})

    assert all(isinstance(outcome, Done) for outcome in bench.post_batch(*many))
