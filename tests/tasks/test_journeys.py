"""What happens to orders outside: who may tell it, how it is kept, and where people see it."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import select

from canonical.kinds import AnyDocument
from config.fleet import Source
from ledger import views
from ledger.journey_schema import journeys
from ledger.story import whole_story
from telemetry import bus
from telemetry.spans import Spans
from telemetry.trace import follow_orders, trace_id_of_order
from tests.documents import a_milestone, an_order, at
from tests.tasks.world import TARGET, World, a_fleet, a_world


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    fleet = a_fleet()
    wms = Source(channel="open", secrets=("WMS",), witness_for=("shopify",))
    fleet = fleet.model_copy(
        update={"sources": {**fleet.sources, "wms": wms, "stranger": wms.model_copy(update={"witness_for": ()})}}
    )
    with a_world(ledger_url, fleet=fleet) as made:
        yield made


def tell(world: World, *documents: AnyDocument) -> None:
    for document in documents:
        world.prepare(*world.tell(document))


def journey(world: World) -> dict[str, object]:
    """The one journey, without what is not known."""
    with world.ledger.read() as session:
        (row,) = session.execute(select(journeys)).mappings()
    return {name: value for name, value in row.items() if value is not None and name != "order_id"}


def test_a_warehouse_tells_steps_of_another_sources_order_and_its_story_has_them(world: World) -> None:
    tell(world, an_order())
    confirmed = a_milestone("warehouse_confirmed", source="wms", order_source="shopify", told_at=60)
    tell(world, confirmed)

    with world.ledger.read() as session:
        whole = whole_story(session, "shopify", "1001")
        (told,) = [d for d in whole.story.documents if d.kind == "milestone"]
        same = views.story_of_document(session, told)
        by_event = views.story_of_event(session, whole.story.versions[-1].event_id)
    (step,) = [moment for moment in whole.moments if moment.what == "step"]
    assert (step.at, step.title, step.detail) == (confirmed.at, "warehouse confirmed", "as wms says")
    assert same == whole.story == by_event
    assert {event.source for event in whole.story.events} == {"shopify", "wms"}


def test_one_trace_leads_from_the_channel_to_the_erp_and_to_the_warehouse(world: World) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    bus.attach("otel", Spans(provider).hear)
    try:
        tell(world, an_order())
        world.work()
        tell(world, a_milestone("warehouse_confirmed", source="wms", order_source="shopify", told_at=60))
    finally:
        bus.detach("otel")
        follow_orders(False)

    whole = int(trace_id_of_order("shopify/1001"), 16)
    names = [span.name for span in exporter.get_finished_spans() if span.context.trace_id == whole]
    assert names == [
        "told shopify", "process orders", f"deliver {TARGET}", "warehouse_confirmed wms", "process shipments",
    ]  # fmt: skip


def test_a_sender_that_may_not_speak_of_those_orders_is_told_what_to_change(world: World) -> None:
    tell(world, an_order(), a_milestone(source="stranger", order_source="shopify"))

    with world.ledger.read() as session:
        (parked,) = views.list_events(session, state="parked", source="stranger", most=5)
    assert parked.failure_code == "milestone.alien"
    assert "witness_for of sources.stranger" in str(parked.failure_remedy)
    with world.ledger.read() as session:
        assert session.execute(select(journeys)).all() == []


def test_the_first_confirmation_and_the_last_delivery_count_and_a_correction_moves_them(world: World) -> None:
    tell(world, an_order())
    tell(world, a_milestone("delivered", key="p1", told_at=300), a_milestone("delivered", key="p2", told_at=500))
    tell(
        world, a_milestone("warehouse_confirmed", key="c2", told_at=90), a_milestone("warehouse_confirmed", key="c1", told_at=40)
    )
    placed_at = an_order().placed_at
    assert journey(world) == {"placed_at": placed_at, "confirmed_at": at(40), "delivered_at": at(500)}

    tell(world, a_milestone("delivered", key="p2", told_at=900, at=at(200)))

    assert journey(world) == {"placed_at": placed_at, "confirmed_at": at(40), "delivered_at": at(300)}


def test_a_promise_moves_with_its_order_and_ends_when_it_is_cancelled(world: World) -> None:
    placed_at = an_order().placed_at
    tell(world, an_order(promised_by=at(600)))
    assert journey(world) == {"placed_at": placed_at, "promised_by": at(600)}

    tell(world, an_order(told_at=1, promised_by=at(700)))
    assert journey(world) == {"placed_at": placed_at, "promised_by": at(700)}

    tell(world, an_order(told_at=2, status="cancelled", promised_by=at(700)))
    assert journey(world) == {"placed_at": placed_at}


def test_orders_without_promise_and_milestone_write_nothing(world: World) -> None:
    tell(world, an_order(), an_order("1002", test=True, promised_by=at(9)))
    tell(world, an_order(told_at=5, note="changed"))

    with world.ledger.read() as session:
        assert session.execute(select(journeys)).all() == []


def test_steps_told_before_the_order_are_kept_and_the_promise_joins_them(world: World) -> None:
    tell(world, a_milestone("delivered", told_at=300))
    assert journey(world) == {"delivered_at": at(300)}

    tell(world, an_order(promised_by=at(600)))

    assert journey(world) == {"placed_at": an_order().placed_at, "promised_by": at(600), "delivered_at": at(300)}
