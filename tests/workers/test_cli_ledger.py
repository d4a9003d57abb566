"""The commands of operators on a real ledger with a small real history, on both databases."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from canonical.outcome import Rejected
from config.fleet import FamilyWeights
from config.settings import Settings
from ledger.session import Session
from telemetry.trace import trace_id_of_order
from tests.documents import a_shipment, an_order
from tests.tasks.world import TARGET, World, a_world
from tests.workers.command_line import AWAY, Ended, millrace
from workers import lane_actions
from workers.cli import desk_commands
from workers.cli.wiring import changing

NOTHING = 9_999


@dataclass(frozen=True, slots=True)
class Desk:
    """A filled ledger and the command line on it; its broker is away."""

    world: World
    url: str

    def run(self, *words: object) -> Ended:
        ended = millrace(*(str(word) for word in words), LEDGER_URL=self.url, BROKER_URL=AWAY)
        assert "Traceback" not in ended.err
        return ended


@pytest.fixture
def desk(ledger_url: str) -> Iterator[Desk]:
    """One order posted, one refused by the ERP with a shipment behind it, one event that cannot be read."""
    with a_world(ledger_url) as world:
        world.prepare(*world.tell(an_order("1001")))
        world.work()
        world.erp.script.append(Rejected("INVALID", "no such customer", "add the customer"))
        world.prepare(*world.tell(an_order("1002"), a_shipment("f2", order_key="1002")))
        world.work()
        world.prepare(world.tell_bytes(b"not json, canary-body"))
        yield Desk(world, ledger_url)


def test_events_are_listed_shown_and_traced(desk: Desk) -> None:
    rows = desk.run("events", "list", "--json").json
    parked = desk.run("events", "list", "--state", "parked", "--json").json
    shown = desk.run("events", "show", rows[-1]["id"], "--json").json
    story = desk.run("events", "trace", rows[-1]["id"], "--json").json
    unread = desk.run("events", "trace", parked[0]["id"], "--json").json

    assert [row["state"] for row in rows] == ["parked", "done", "done", "done"]
    assert (len(parked), shown["state"]) == (1, "done")
    assert [d["key"] for d in story["documents"]] == ["1001"]
    assert [a["outcome"] for a in story["attempts"]] == ["Done"]
    assert (len(unread["events"]), unread["documents"]) == (1, [])


def test_a_number_is_a_document_of_that_key_or_number_before_it_is_an_id(desk: Desk) -> None:
    desk.world.prepare(*desk.world.tell(an_order("1")))

    by_key, by_id = (desk.run("documents", "show", number, "--json").json for number in ("1", "2"))

    assert (by_key["key"], by_id["id"], by_id["key"]) == ("1", 2, "1002")


def test_bodies_are_shown_only_when_asked_for(desk: Desk) -> None:
    parked = desk.run("events", "list", "--state", "parked", "--json").json[0]["id"]

    without = desk.run("events", "show", parked)
    told = desk.run("events", "show", parked, "--body")
    parsed = desk.run("events", "show", parked, "--body", "--json").json
    document = desk.run("documents", "show", "order/shopify/1001", "--body", "--json").json

    assert "canary" not in without.out + without.err
    assert "canary-body" in told.out
    assert parsed["body"] == "not json, canary-body"
    assert '"1001"' in document["body"]


def test_documents_and_deliveries_are_listed_shown_and_traced(desk: Desk) -> None:
    documents = desk.run("documents", "list", "--kind", "order", "--json").json
    shown = desk.run("documents", "show", "order/shopify/1002", "--json").json
    deliveries = desk.run("deliveries", "list", "--target", TARGET, "--json").json
    parked = next(d for d in deliveries if d["state"] == "parked")
    delivery = desk.run("deliveries", "show", parked["id"], "--json").json
    by_document = desk.run("documents", "trace", "order/shopify/1002", "--json").json
    by_delivery = desk.run("deliveries", "trace", parked["id"])
    assert by_document["trace_id"] == trace_id_of_order("shopify/1002")
    assert by_document["trace_id"] in by_delivery.err

    assert {d["key"] for d in documents} == {"1001", "1002"}
    assert shown["key"] == "1002"
    assert sorted(d["state"] for d in deliveries) == ["done", "parked", "waiting"]
    assert delivery["failure_reason"] == "no such customer"
    assert len(by_document["deliveries"]) == 2
    assert "Remedy: add the customer" in by_delivery.err
    assert "order.create" in by_delivery.out


def test_tables_are_for_people_and_fit_what_they_show(desk: Desk) -> None:
    for words in (("events", "list"), ("documents", "list"), ("deliveries", "list"), ("failures", "list"), ("weights", "show")):
        told = desk.run(*words)
        assert told.code == 0
        assert len(told.out.splitlines()) > 3
        assert told.err == ""


def test_failures_are_listed_shown_retried_and_dropped_by_the_key_that_is_shown(desk: Desk) -> None:
    listed = desk.run("failures", "list", "--json").json
    event, delivery = (next(f["key"] for f in listed if f["key"].startswith(letter)) for letter in "ed")
    shown = desk.run("failures", "show", delivery, "--json").json
    planned = desk.run("failures", "retry", "--all", "--class", "rejected", "--dry-run", "--json").json
    retried = desk.run("failures", "retry", delivery, "--json").json
    again = desk.run("failures", "retry", delivery)
    dropped = desk.run("failures", "drop", event, "--reason", "by hand", "--json").json

    assert len(listed) == 2
    assert (shown["key"], shown["remedy"]) == (delivery, "add the customer")
    assert (planned["count"], planned["orders"], planned["first"]) == (1, 1, [delivery])
    assert planned["money"] == {"USD": "10.00"}
    assert retried == {"retried": [delivery], "left": {}}
    assert again.code == 1
    assert "it is not parked (any more)" in again.err
    assert dropped["dropped"] == event
    assert desk.run("failures", "list", "--json").json == []
    assert desk.world.rows("select state from deliveries where state in ('ready', 'queued')")


def test_a_retry_in_part_says_so_by_its_code(desk: Desk) -> None:
    listed = desk.run("failures", "list", "--class", "rejected", "--json").json

    ended = desk.run("failures", "retry", listed[0]["key"], f"d{NOTHING}", "--json")

    assert ended.code == 5
    assert list(ended.json["left"]) == [f"d{NOTHING}"]


@pytest.mark.parametrize(
    "words",
    [
        ("events", "show", NOTHING),
        ("events", "trace", NOTHING),
        ("documents", "show", "nothing"),
        ("documents", "trace", "order/shopify/nothing"),
        ("deliveries", "show", NOTHING),
        ("deliveries", "trace", NOTHING),
        ("failures", "show", f"d{NOTHING}"),
        ("failures", "drop", f"e{NOTHING}", "--reason", "x"),
        ("crossrefs", "set", "sandbx", "item", "A", "1"),
        ("crossrefs", "set", "sandbox", "item", "A", "1", "--source", "shopfy"),
        ("weights", "set", "order"),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_what_is_not_there_is_said_with_where_to_look(desk: Desk, words: tuple[object, ...]) -> None:
    ended = desk.run(*words)

    assert ended.code == 3, ended
    assert ended.out == ""
    assert ended.err.startswith("millrace: ")


def test_cross_references_are_set_loaded_and_listed(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text(
        "target,kind,source,key,remote_id\nsandbox,item,*,NEW-1,601\nsandbox,tax,shopify,VAT,20\n", encoding="utf-8-sig"
    )

    one = desk.run("crossrefs", "set", TARGET, "item", "NEW-0", "600")
    many = desk.run("crossrefs", "load", file)
    rows = desk.run("crossrefs", "list", "--target", TARGET, "--json").json
    taxes = desk.run("crossrefs", "list", "--kind", "tax", "--json").json

    assert (one.code, many.code, many.err) == (0, 0, "loaded 2\n")
    assert {row["key"] for row in rows} == {"SKU-0001", "NEW-0", "NEW-1", "VAT"}
    assert taxes == [{"target": TARGET, "kind": "tax", "source": "shopify", "key": "VAT", "remote_id": "20"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("target,kind,key,remote_id\n", "the first line must be"),
        ("target,kind,source,key,remote_id\nsandbox,item,*,A,\n", "row 2: every column needs a value"),
        (
            "target,kind,source,key,remote_id\nsandbox,item,*,A,1\nsandbox,itm,*,A,1\n",
            "row 3: no kind 'itm'; did you mean 'item'?",
        ),
        (f"target,kind,source,key,remote_id\nsandbox,item,*,{'A' * 191},1\n", "longer than 190"),
        ("target,kind,source,key,remote_id\nsandbox,item\n", "every column needs a value"),
        ("", "the first line must be"),
    ],
)
def test_a_file_that_is_not_right_changes_nothing(desk: Desk, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "items.csv"
    file.write_text(text)

    ended = desk.run("crossrefs", "load", file)

    assert ended.code == 2
    assert said in ended.err
    assert len(desk.run("crossrefs", "list", "--json").json) == 1


def test_a_file_that_is_not_there_or_no_text_is_named(desk: Desk, tmp_path: Path) -> None:
    binary = tmp_path / "items.xls"
    binary.write_bytes(b"\xd0\xcf\x11\xe0\xff")

    ended = [desk.run("crossrefs", "load", path) for path in (tmp_path / "gone.csv", binary)]

    assert [one.code for one in ended] == [2, 2]
    assert "gone.csv" in ended[0].err


def test_weights_are_changed_at_run_time(desk: Desk) -> None:
    before = desk.run("weights", "show", "--json").json
    ended = desk.run("weights", "set", "deliver.sandbox", "--high", "8", "--low", "2", "--strict", "--aged-after", "5m")
    after = desk.run("weights", "show", "--json").json

    assert ended.code == 0
    assert before["deliver.sandbox"] == {"high": 16, "normal": 4, "low": 1, "strict": False, "aged_after_s": 900.0}
    assert after["deliver.sandbox"] == {"high": 8, "normal": 4, "low": 2, "strict": True, "aged_after_s": 300.0}
    assert after["orders"] == before["orders"]


def test_weights_that_are_not_given_stay_as_another_operator_put_them(desk: Desk) -> None:
    desk.run("weights", "set", "deliver.sandbox", "--normal", "6", "--strict", "--aged-after", "5m")
    desk.run("weights", "set", "deliver.sandbox", "--high", "8")
    told = desk.run("weights", "show", "--json").json["deliver.sandbox"]

    assert told == {"high": 8, "normal": 6, "low": 1, "strict": True, "aged_after_s": 300.0}


def test_weights_that_somebody_changed_since_the_look_are_not_overwritten(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def others_first(loaded: Settings) -> AbstractContextManager[Session]:
        with changing(loaded) as session:
            values = {"weights": FamilyWeights(high=3).model_dump()}
            lane_actions.set_values(session, "deliver.sandbox", lane_actions.Operator("ben", "first"), datetime.now(UTC), values)
        return changing(loaded)

    monkeypatch.setattr(desk_commands, "changing", others_first)
    ended = desk.run("weights", "set", "deliver.sandbox", "--high", "9")
    told = desk.run("weights", "show", "--json").json["deliver.sandbox"]

    assert (ended.code, told["high"]) == (4, 3)
    assert "was changed since you looked" in ended.err


def test_arguments_that_no_database_can_hold_find_nothing(desk: Desk) -> None:
    told = [desk.run("documents", "show", text) for text in ("x" * 10_000, "1e400", "'; drop table events; --", "%", "12\t")]

    assert {one.code for one in told} == {3}


def test_tables_are_made_once_and_again_is_harmless(ledger_url: str) -> None:
    first = millrace("db", "upgrade", "--json", LEDGER_URL=ledger_url).json
    again = millrace("db", "upgrade", LEDGER_URL=ledger_url)

    assert first["before"] is None
    assert (again.code, again.err) == (0, f"ledger is at {first['after']}\n")
    assert millrace("events", "list", "--json", LEDGER_URL=ledger_url).json == []
