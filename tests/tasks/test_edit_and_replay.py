"""Edit and replay on both databases: checked before it is written, the original kept, the source's later word not lost."""

from collections.abc import Iterator

import pytest

import ledger.edits
from canonical.outcome import Rejected, Uncertain
from ledger.failures import FailureKey
from routing.patch import Setting
from tasks.edit import Change, EditRefusedError, edit, propose
from tasks.replay import retry
from tests.documents import an_order
from tests.tasks.desk import ANNA, cases, of_unknown_item, refused
from tests.tasks.world import World, a_world

RIGHT = Change((Setting.read("lines[*].sku=SKU-0001"),))


@pytest.fixture
def world(ledger_url: str) -> Iterator[World]:
    with a_world(ledger_url) as made:
        yield made


def test_an_edited_order_goes_out_once_and_its_original_is_kept(world: World) -> None:
    [key] = of_unknown_item(world, "1")
    seen = propose(world.context, key, RIGHT)
    edit(world.context, key, RIGHT, ANNA, seen.seen)
    world.work()

    assert [(d.path, d.before, d.after) for d in seen.differences] == [("lines[0].sku", "GONE-1", "SKU-0001")]
    assert [(e.key, e.version) for e in world.erp.effects] == [("order/shopify/1", 2)]
    bodies = {version: str(body) for version, body in world.rows("select version, body from document_versions")}
    assert "GONE-1" in bodies[1]
    assert "GONE-1" not in bodies[2]
    with world.ledger.read() as session:
        [lineage] = ledger.edits.of_row(session, "delivery", key.id)
    assert (lineage.base_version, lineage.version, lineage.by, lineage.why) == (1, 2, "anna", "a test")
    assert list(lineage.paths) == ["lines[0].sku"]
    assert cases(world) == []


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("lines[0].sku=GONE-2", "sandbox has no item for 'GONE-2'"),
        ("lines[0].quantity=0", "not a right document: lines.0.quantity"),
        ("colour=red", "colour: Extra inputs"),
        ("currency=XXX1", "unknown currency"),
        ("key=other", "key cannot be changed"),
        ("status=cancelled", "status cannot be changed"),
        ("lines[0].sku=GONE-1", "that changes nothing"),
        ("lines[7].sku=SKU-0001", "nothing in the document is there"),
    ],
)
def test_an_edit_that_is_not_right_changes_nothing(world: World, setting: str, said: str) -> None:
    [key] = of_unknown_item(world, "1")

    with pytest.raises(EditRefusedError, match=said):
        edit(world.context, key, Change((Setting.read(setting),)), ANNA)

    assert world.rows("select count(*) from document_versions") == [(1,)]
    assert world.rows("select count(*) from actions") == [(0,)]
    assert [case.key for case in cases(world)] == [key]


def test_an_edit_of_an_effect_in_doubt_is_refused(world: World) -> None:
    world.erp.script.extend([Uncertain("reset")] * world.context.fleet.targets["sandbox"].max_attempts)
    world.prepare(*world.tell(an_order("1")))
    world.work()
    [case] = cases(world)
    assert case.uncertain

    with pytest.raises(EditRefusedError, match="in doubt"):
        edit(world.context, case.key, Change((Setting.read("note=x"),)), ANNA)


def test_the_later_state_of_the_source_is_part_of_the_edit_and_goes_out_once(world: World) -> None:
    [key] = of_unknown_item(world, "1")
    world.prepare(*world.tell(an_order("1", told_at=5, note="leave it at the door", lines=[_line("GONE-1")])))
    edit(world.context, key, RIGHT, ANNA)
    world.work()

    assert [(e.operation, e.version) for e in world.erp.effects] == [("order.create", 3)]
    [(body,)] = world.rows("select body from document_versions where version = 3")
    assert "leave it at the door" in str(body)
    assert "SKU-0001" in str(body)
    assert world.rows("select state, failure_remedy from deliveries order by id") == [
        ("done", None),
        ("dropped", "its state is part of the edited version 3"),
    ]


def test_a_state_told_between_the_look_and_the_edit_is_not_overwritten(world: World) -> None:
    [key] = of_unknown_item(world, "1")
    seen = propose(world.context, key, RIGHT).seen
    world.prepare(*world.tell(an_order("1", told_at=5, note="new", lines=[_line("GONE-1")])))

    with pytest.raises(EditRefusedError, match="told or changed anew"):
        edit(world.context, key, RIGHT, ANNA, seen)


def test_the_same_state_told_again_does_not_undo_the_edit(world: World) -> None:
    [key] = of_unknown_item(world, "1")
    edit(world.context, key, RIGHT, ANNA)
    world.prepare(*world.tell(an_order("1", told_at=9, lines=[_line("GONE-1")])))
    world.work()

    assert [(e.operation, e.version) for e in world.erp.effects] == [("order.create", 2)]
    assert world.rows("select version from documents") == [(2,)]


def test_another_state_told_after_the_edit_goes_out_behind_it(world: World) -> None:
    [key] = of_unknown_item(world, "1")
    edit(world.context, key, RIGHT, ANNA)
    world.prepare(*world.tell(an_order("1", told_at=9, note="two bells")))
    world.work()

    assert [(e.operation, e.version) for e in world.erp.effects] == [("order.create", 2), ("order.update", 3)]


def test_an_order_cancelled_since_cannot_be_edited_into_the_target(world: World) -> None:
    [key] = of_unknown_item(world, "1")
    world.prepare(*world.tell(an_order("1", told_at=9, status="cancelled", lines=[_line("GONE-1")])))

    with pytest.raises(EditRefusedError, match="cancelled at its source"):
        edit(world.context, key, RIGHT, ANNA)


def test_an_unreadable_event_is_mended_and_its_original_body_kept(world: World) -> None:
    receipt = world.tell_bytes(b"not a document")
    world.prepare(receipt)
    key = FailureKey("event", receipt.id)
    mended = Change(whole=an_order("7").model_dump_json().encode())

    with pytest.raises(EditRefusedError, match="cannot be read: not a canonical document"):
        edit(world.context, key, Change(whole=b"still none"), ANNA)
    with pytest.raises(EditRefusedError, match="not JSON"):
        propose(world.context, key, RIGHT)
    edit(world.context, key, mended, ANNA)
    world.work()

    assert [e.key for e in world.erp.effects] == ["order/shopify/7"]
    with world.ledger.read() as session:
        assert ledger.edits.original_body(session, receipt.id) == b"not a document"


def test_numbers_of_a_body_stay_as_they_are_written(world: World) -> None:
    told = an_order("8").model_dump_json().encode()
    receipt = world.tell_bytes(told.replace(b'"schema_version":1', b'"schema_version":2'))
    world.prepare(receipt)
    proposal = propose(world.context, FailureKey("event", receipt.id), Change((Setting.read("schema_version=1"),)))

    assert proposal.after == told


def test_what_is_done_or_unknown_cannot_be_edited(world: World) -> None:
    [key] = refused(world, "1")
    retry(world.context, [key], ANNA)
    world.work()

    for wanted in (key, FailureKey("delivery", 999), FailureKey("event", 999)):
        with pytest.raises(EditRefusedError, match="not parked"):
            edit(world.context, wanted, RIGHT, ANNA)
    with pytest.raises(EditRefusedError, match="names no row"):
        edit(world.context, FailureKey("message", 1), RIGHT, ANNA)


def test_a_refused_one_can_be_edited_and_refused_again(world: World) -> None:
    [key] = refused(world, "1")
    world.erp.script.append(Rejected("INVALID", "still not", "add it"))
    edit(world.context, key, Change((Setting.read("note=please"),)), ANNA)
    world.work()
    edit(world.context, key, Change((Setting.read("note=pretty please"),)), ANNA)
    world.work()

    assert [(e.operation, e.version) for e in world.erp.effects] == [("order.create", 3)]


def _line(sku: str) -> dict[str, object]:
    return {"key": "1", "sku": sku, "quantity": 1, "unit_price": "10.00", "taxes": []}
