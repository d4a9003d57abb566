"""Orders that are new to their bundle: created in their first state, and their heads show the newest version all the same."""

import pytest

from routing.verdict import digest_of
from tasks.decide import first_states, key_of, written
from tests.documents import a_shipment, an_order
from tests.tasks.world import a_world

NOW, LATER, BEFORE = 10.0, 20.0, 0.0


@pytest.mark.parametrize(
    ("moments", "versions"),
    [((NOW,), 1), ((NOW, LATER), 2), ((NOW, BEFORE), 1), ((NOW, LATER, BEFORE), 2), ((BEFORE, NOW, LATER), 3)],
)
def test_a_head_shows_the_newest_of_the_versions_that_one_bundle_told(
    ledger_url: str, moments: tuple[float, ...], versions: int
) -> None:
    told = [an_order(told_at=moment, note=f"told at {moment}", number=f"#{moment}") for moment in moments]
    newest = max(told, key=lambda order: order.as_of)

    with a_world(ledger_url) as world:
        world.prepare(*world.tell(*told))
        heads = world.rows("select version, number, status, digest from documents")
        bodies = world.rows("select body from document_versions order by version")

    assert heads == [(versions, newest.number, "open", digest_of(newest.model_dump_json()))]
    assert len(bodies) == versions
    assert bodies[-1] == (newest.model_dump_json(),)


def test_a_known_order_keeps_its_head_until_its_next_version_is_written(ledger_url: str) -> None:
    first, second = an_order(told_at=NOW), an_order(told_at=LATER, note="changed")

    with a_world(ledger_url) as world:
        world.prepare(*world.tell(first))
        world.prepare(*world.tell(second, an_order(told_at=BEFORE, note="too late")))
        heads = world.rows("select version, digest from documents")

    assert heads == [(2, digest_of(second.model_dump_json()))]


def test_an_order_is_created_in_the_state_told_first_if_its_event_tells_nothing_else() -> None:
    alone, again = written(an_order("1", told_at=NOW)), written(an_order("1", told_at=LATER, note="changed"))
    beside, shipment = written(an_order("2")), written(a_shipment(order_key="2"))
    alone_too_late = written(an_order("2", note="changed"))

    states = first_states([[alone], [again], [beside, shipment], [alone_too_late]])

    assert {key: state.digest for key, state in states.items()} == {key_of(alone.document): alone.digest}
