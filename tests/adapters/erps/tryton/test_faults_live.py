"""What the real Tryton and the real proxy in front of it answer when they cannot or will not, and the outcome it means."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import pytest

from canonical.outcome import Absent, AlreadyDone, Done, Rejected, Throttled, Unavailable, Uncertain
from tests.adapters.erps.tryton.conftest import Line
from tests.adapters.erps.tryton.documents import Desk
from tests.live import wait_until
from tests.proxy import Proxy
from tests.tryton_erp import TrytonErp

Answer = TypeVar("Answer")

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("tryton"), pytest.mark.timeout(600)]


def test_maintenance_is_unavailable_with_the_wait_it_tells(tryton: TrytonErp, desk: Desk) -> None:
    behind = Line(tryton.account(tryton.throttled_url))
    tryton.maintenance.touch()
    try:
        outcome = behind.post(desk.posting("order.create", desk.order()))
    finally:
        tryton.maintenance.unlink()

    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after_s == 5


def test_too_many_requests_are_throttled_with_the_wait_they_tell(tryton: TrytonErp, desk: Desk) -> None:
    behind = Line(tryton.account(tryton.throttled_url))
    posting = desk.posting("order.create", desk.order())

    outcomes = [behind.find(posting) for _ in range(60)]

    throttled = [o for o in outcomes if isinstance(o, Throttled)]
    assert throttled
    assert throttled[0].retry_after_s == 2


def test_a_gateway_timeout_is_uncertain_and_an_early_look_up_may_still_find_nothing(tryton: TrytonErp, desk: Desk) -> None:
    behind = Line(tryton.account(tryton.throttled_url))
    posting = desk.posting("order.create", desk.order())
    lock = "begin; lock table sale_sale in exclusive mode; select pg_sleep(120); commit"
    locked = "from pg_locks where mode = 'ExclusiveLock' and relation = 'sale_sale'::regclass"
    holder = tryton.psql(lock)
    wait_until(lambda: tryton.sql(f"select 1 {locked}"))

    outcome = once_let_in(lambda: behind.post(posting))
    early = once_let_in(lambda: behind.find(posting))
    tryton.sql(f"select pg_terminate_backend(pid) {locked}")
    holder.wait(60)

    assert isinstance(outcome, Uncertain)
    assert early == Absent()
    wait_until(lambda: bool(desk.sales()), 60, "the sale of the request that timed out")
    assert isinstance(once_let_in(lambda: behind.post(posting)), Done)
    assert len(desk.sales()) == 1


def test_a_refused_key_is_unavailable_so_that_documents_wait_for_a_new_one(tryton: TrytonErp, desk: Desk) -> None:
    erp = Line(tryton.account(key="wrong"))

    outcome = erp.post(desk.posting("order.create", desk.order()))

    assert isinstance(outcome, Unavailable)
    assert "401" in outcome.reason


def test_a_database_that_is_not_there_is_no_success(tryton: TrytonErp, desk: Desk) -> None:
    erp = Line(tryton.account(tryton.url.replace("/erp/", "/nowhere/")))

    assert isinstance(erp.post(desk.posting("order.create", desk.order())), Rejected | Unavailable | Uncertain)


def test_an_answer_500_to_a_change_is_uncertain(tryton: TrytonErp, desk: Desk) -> None:
    # An id beyond PostgreSQL's integers fails inside Tryton, as an unknown field does.
    account = tryton.account()
    erp = Line(dataclasses.replace(account, options={**account.options, "unit": 10**12}))

    outcome = erp.post(desk.posting("order.create", desk.order()))

    assert isinstance(outcome, Uncertain)
    assert "500" in outcome.reason
    assert isinstance(erp.find(desk.posting("order.create", desk.order())), Absent)


def test_a_server_that_is_not_there_is_unavailable(tryton: TrytonErp, desk: Desk) -> None:
    erp = Line(tryton.account("http://127.0.0.1:9/erp/rest"))

    assert isinstance(erp.post(desk.posting("order.create", desk.order())), Unavailable)


def test_an_answer_that_comes_too_late_is_uncertain_and_found_afterwards(tryton: TrytonErp, desk: Desk, proxy: Proxy) -> None:
    erp = Line(tryton.account(f"{proxy.url}{urlsplit(tryton.url).path}", answer_timeout_s=2.0))
    proxy.delay_s = 4.0
    posting = desk.posting("order.create", desk.order())
    proxy.begin({3: "delay"})

    assert isinstance(erp.post(posting), Uncertain)

    assert isinstance(wait_until(lambda: _found(erp, desk), 30), AlreadyDone)


def once_let_in(attempt: Callable[[], Answer], most_s: float = 60.0) -> Answer:
    """What comes of it when the proxy lets it in: its allowance may still be spent from the test before."""
    outcomes: list[Answer] = []

    def let_in() -> bool:
        outcomes.append(attempt())
        return not isinstance(outcomes[-1], Throttled)

    wait_until(let_in, most_s, "a request that the proxy lets in")
    return outcomes[-1]


def _found(erp: Line, desk: Desk) -> AlreadyDone | None:
    finding = erp.find(desk.posting("order.create", desk.order()))
    return finding if isinstance(finding, AlreadyDone) else None
