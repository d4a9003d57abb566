"""Whatever the order, the duplicates and the weather: every order once, in its own order, in its newest state."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters.erps.memory import Lost
from canonical.order import Order
from canonical.outcome import Conflict, Outcome, Throttled, Unavailable
from canonical.returns import Return
from canonical.shipment import Shipment
from tests.documents import a_return, a_shipment, an_order
from tests.tasks.world import World, a_world

Story = list[Order | Shipment | Return]
Weather = Outcome | Lost

weather: st.SearchStrategy[Weather] = st.sampled_from(
    ["lost before", "lost after", Throttled("429", 1.0), Throttled("429"), Unavailable("503"), Conflict("changed")]
)
numbers = itertools.count(1)


def the_story_of(order: str) -> Story:
    """One order's life, told in four states and three further documents."""
    return [
        an_order(order, told_at=0, note="placed"),
        an_order(order, told_at=1, note="paid"),
        an_order(order, told_at=2, note="address changed"),
        a_shipment(f"{order}-f1", order_key=order),
        a_shipment(f"{order}-f2", order_key=order),
        a_return(f"{order}-r1", order_key=order),
        an_order(order, told_at=3, note="closed"),
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all examples: each tells of orders of its own."""
    with a_world(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}") as made:
        yield made


@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=st.data())
def test_every_story_ends_the_same_however_it_is_told(world: World, data: st.DataObject) -> None:
    orders = [f"{name}{next(numbers)}" for name in ("A", "B")]
    whole = [document for order in orders for document in the_story_of(order)]
    doubled = whole + data.draw(st.lists(st.sampled_from(whole), max_size=6))
    told = data.draw(st.permutations(doubled))
    cuts = data.draw(st.lists(st.integers(min_value=1, max_value=len(told)), max_size=4))
    world.erp.script.clear()
    world.erp.effects.clear()
    world.erp.script.extend(data.draw(st.lists(weather, max_size=6)))

    tell_in_parts(world, told, cuts)
    world.work()

    assert not world.erp.doubled
    for order in orders:
        check_one(world, order)
    assert world.rows("select count(*) from deliveries where state <> 'done'") == [(0,)]


def tell_in_parts(world: World, told: Story, cuts: list[int]) -> None:
    """Accept the events in bundles cut at the given places, working a little in between."""
    start = 0
    for cut in sorted({*cuts, len(told)}):
        if cut > start:
            world.prepare(*world.tell(*told[start:cut]))
            if (letter := world.tray.take()) is not None:
                world.work_letter(letter)
            start = cut


def check_one(world: World, order: str) -> None:
    """One order: made once and first, versions rising, its newest state posted, every other document once."""
    mine = [e for e in world.erp.effects if e.key.split("/")[2].split("-")[0] == order]
    states = [e for e in mine if e.key == f"order/shopify/{order}"]
    assert states[0].operation == "order.create"
    assert mine[0] == states[0]
    assert [e.version for e in states] == sorted(e.version for e in states)
    assert {e.key for e in mine} == {
        f"order/shopify/{order}",
        f"shipment/shopify/{order}-f1",
        f"shipment/shopify/{order}-f2",
        f"return/shopify/{order}-r1",
    }
    newest = world.rows(
        "select v.body from documents d join document_versions v on v.document_id = d.id and v.version = d.version "
        f"where d.key = '{order}'"
    )
    assert '"note":"closed"' in str(newest[0][0])
