"""The tasks as Celery runs them: the permit is handed over, and a part that found nothing to be done is told."""

from collections.abc import Iterator

import pytest
from celery import Celery

from adapters.throttle.base import ONE_CALL, Limit
from adapters.throttle.local import LocalThrottle
from routing.letters import DELIVER_TASK
from tasks.celery_tasks import register
from tests.documents import an_order
from tests.tasks.world import TARGET, World, a_world
from workers.fetch.permits import Hold, PermitBook


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def test_a_part_whose_rows_another_message_brought_is_told_and_posts_nothing(world: World) -> None:
    world.prepare(*world.tell(an_order()))
    letter = world.tray.take()
    assert letter is not None
    book = PermitBook({TARGET: LocalThrottle(Limit())})
    app = Celery(set_as_current=False)
    register(app, world.context.topology.domains, lambda: world.context, book)

    holds = []
    for task_id in ("first", "again"):
        hold = book.take(task_id, TARGET, ONE_CALL)
        assert isinstance(hold, Hold)
        holds.append(hold)
        app.tasks[DELIVER_TASK].apply((list(letter.rows),), task_id=task_id, routing_key=letter.queue, throw=True)

    assert [hold.idle for hold in holds] == [False, True]
    assert len(world.erp.effects) == 1
