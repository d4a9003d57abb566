"""The way of a witness through the ledger and the tasks: kept as it was told last, posted nowhere, holding up nobody."""

from collections.abc import Iterator

import pytest

from ledger import views
from ledger.story import whole_story
from tests.documents import a_milestone, an_order
from tests.tasks.world import World, a_world


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def test_a_step_that_is_told_before_its_order_waits_for_nothing_and_the_order_is_posted_alone(world: World) -> None:
    world.prepare(*world.tell(a_milestone(told_at=5)))
    world.prepare(*world.tell(an_order()))
    world.work()

    assert [effect.operation for effect in world.erp.effects] == ["order.create"]
    with world.ledger.read() as session:
        kept = {document.kind: document.version for document in whole_story(session, "shopify", "1001").story.documents}
    assert kept == {"order": 1, "milestone": 1}


def test_a_step_told_again_changes_nothing_an_older_word_neither_and_a_correction_is_a_version(world: World) -> None:
    world.prepare(*world.tell(an_order(), a_milestone(told_at=5)))
    world.prepare(*world.tell(a_milestone(told_at=5)))
    world.prepare(*world.tell(a_milestone(told_at=1)))
    world.prepare(*world.tell(a_milestone(told_at=9, at="2026-11-27T08:00:00Z")))
    world.work()

    with world.ledger.read() as session:
        (milestone,) = [d for d in whole_story(session, "shopify", "1001").story.documents if d.kind == "milestone"]
        body = views.document_body(session, milestone.id, milestone.version)
    assert milestone.version == 2
    assert body is not None
    assert '"at":"2026-11-27T08:00:00Z"' in body
    assert [effect.operation for effect in world.erp.effects] == ["order.create"]


def test_a_step_of_an_order_that_nobody_tells_leaves_it_untold(world: World) -> None:
    world.prepare(*world.tell(a_milestone()))
    world.work()

    with world.ledger.read() as session:
        kept = {document.kind: document.version for document in whole_story(session, "shopify", "1001").story.documents}
    assert kept == {"order": 0, "milestone": 1}
    assert world.erp.effects == []
