"""The failure desk's commands on a real ledger with refused orders, on both databases; the broker is away."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.failures import FailureKey
from tests.documents import an_order
from tests.tasks.desk import of_unknown_item, refused, run_jobs
from tests.tasks.world import World, a_world
from tests.workers.command_line import AWAY, Ended, at_a_terminal, millrace


@dataclass(frozen=True, slots=True)
class Desk:
    """Two refused orders and three of an unknown article."""

    world: World
    url: str
    refused: list[FailureKey]
    unknown: list[FailureKey]

    def run(self, *words: object) -> Ended:
        ended = millrace(*(str(word) for word in words), LEDGER_URL=self.url, BROKER_URL=AWAY)
        assert "Traceback" not in ended.err
        return ended


@pytest.fixture
def desk(ledger_url: str) -> Iterator[Desk]:
    with a_world(ledger_url) as world:
        yield Desk(world, ledger_url, refused(world, "1", "2"), of_unknown_item(world, "3", "4", "5"))


def test_a_group_is_found_previewed_patched_and_replayed_by_its_job(desk: Desk) -> None:
    group = desk.run("failures", "groups", "--by", "cause", "--json").json[0]
    words = ("failures", "patch", "--group", group["group"], "--set", "lines[sku=GONE-1].sku=SKU-0001", "--why", "renamed")
    shown = desk.run(*words, "--dry-run", "--json").json
    asked = desk.run(*words)
    started = desk.run(*words, "--ramp", "2,10", "--rate", "50", "--yes", "--by", "anna", "--json").json
    run_jobs(desk.world)
    job = desk.run("jobs", "show", started["job"], "--watch", "--json").json

    assert (group["count"], group["orders"], group["money"]) == (3, 3, {"USD": "30.00"})
    assert shown["count"] == 3
    assert shown["first"][str(desk.unknown[0])] == [{"path": "lines[0].sku", "before": "GONE-1", "after": "SKU-0001"}]
    assert (asked.code, "say --yes" in asked.err) == (2, True)
    assert (job["state"], job["by"], job["why"], job["progress"]["done"]) == ("done", "anna", "renamed", 3)
    assert len(desk.world.erp.effects) == 3
    assert [row["state"] for row in desk.run("jobs", "list", "--json").json] == ["done"]


def test_one_row_is_edited_by_setting_by_merge_patch_and_by_a_whole_file(desk: Desk, tmp_path: Path) -> None:
    patch, whole = tmp_path / "patch.json", tmp_path / "whole.json"
    patch.write_text(json.dumps({"note": "gift"}))
    whole.write_text(an_order("5", note="whole").model_dump_json())
    one, two, three = desk.unknown
    dry = desk.run("failures", "edit", one, "--set", "lines[0].sku=SKU-0001", "--dry-run")
    without = desk.run("failures", "edit", one, "--set", "lines[0].sku=SKU-0001", "--yes")
    words = [
        (one, "--set", "lines[0].sku=SKU-0001"),
        (two, "--set", "lines[*].sku=SKU-0001", "--patch", patch),
        (three, "--body", whole),
    ]
    ended = [desk.run("failures", "edit", *each, "--why", "mend", "--yes") for each in words]
    again = desk.run("failures", "edit", one, "--set", "note=x", "--why", "mend", "--yes")

    assert 'lines[0].sku: "GONE-1" -> "SKU-0001"' in dry.out
    assert (without.code, "say why" in without.err) == (2, True)
    assert [each.code for each in ended] == [0, 0, 0], ended
    assert (again.code, "not parked" in again.err) == (4, True)
    assert desk.world.rows("select count(*) from deliveries where state = 'ready' and version = 2") == [(3,)]


def test_without_words_the_document_is_changed_in_the_persons_editor(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    key = str(desk.unknown[0])
    words = ("failures", "edit", key, "--why", "renamed", "--yes")
    urls = {"LEDGER_URL": desk.url, "BROKER_URL": AWAY}
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "true")
    left = at_a_terminal(*words, **urls)
    monkeypatch.setenv("EDITOR", "sed -i s/GONE-1/SKU-0001/")
    changed = at_a_terminal(*words, **urls)

    assert (left.code, "nothing was saved" in left.err) == (1, True), left
    assert changed.code == 0, changed
    assert 'lines[0].sku: "GONE-1" -> "SKU-0001"' in changed.out
    assert desk.world.rows("select count(*) from deliveries where state = 'ready' and version = 2") == [(1,)]


def test_an_edit_that_is_not_right_is_refused_with_the_reason(desk: Desk) -> None:
    key = desk.unknown[0]
    wrong = desk.run("failures", "edit", key, "--set", "lines[0].quantity=0", "--why", "x", "--yes")
    grammar = desk.run("failures", "edit", key, "--set", "quantity", "--why", "x", "--yes")
    nothing = desk.run("failures", "edit", key, "--why", "x", "--yes")

    assert (wrong.code, "lines.0.quantity" in wrong.err) == (4, True)
    assert (grammar.code, "path=value" in grammar.err) == (2, True)
    assert (nothing.code, "--set" in nothing.err) == (2, True)


def test_notes_assignment_archive_and_restore_are_shown_with_who_did_it(desk: Desk) -> None:
    key = desk.refused[0]
    desk.run("failures", "note", key, "asked the customer", "--by", "anna")
    given = desk.run("failures", "assign", key, "--to", "bert", "--due", "2h", "--by", "anna", "--why", "knows them")
    shown = desk.run("failures", "show", key, "--json").json
    without = desk.run("failures", "archive", key)
    archived = desk.run("failures", "archive", key, "d999", "--by", "anna", "--why", "refunded")
    off = [row["key"] for row in desk.run("failures", "list", "--json").json]
    desk.run("failures", "restore", key, "--by", "anna")
    told = desk.run("failures", "show", key)

    assert given.code == 0
    assert (shown["owner"], shown["due_at"] is not None) == ("bert", True)
    assert [(a["action"], a["by"], a["reason"]) for a in shown["actions"]] == [
        ("note", "anna", "asked the customer"),
        ("assign", "anna", "knows them"),
    ]
    assert without.code == 2
    assert (archived.code, str(key) in off) == (5, False)
    assert "archive by anna  refunded" in told.out
    assert [row["key"] for row in desk.run("failures", "list", "--owner", "bert", "--json").json] == [str(key)]


def test_all_that_meets_conditions_is_previewed_then_assigned_archived_and_restored(desk: Desk) -> None:
    group = desk.run("failures", "groups", "--by", "cause", "--json").json[0]["group"]
    asked = desk.run("failures", "assign", "--group", group, "--to", "bert", "--why", "his")
    given = desk.run("failures", "assign", "--group", group, "--to", "bert", "--why", "his", "--yes")
    berts = desk.run("failures", "list", "--owner", "bert", "--json").json
    archived = desk.run("failures", "archive", "--owner", "bert", "--why", "done by hand", "--yes")
    left = desk.run("failures", "list", "--json").json
    back = desk.run("failures", "restore", "--group", group, "--why", "not done", "--yes")
    none = desk.run("failures", "restore", "--group", group, "--why", "again", "--yes")

    assert (asked.code, "3 rows of 3 orders" in asked.err, "say --yes" in asked.err) == (2, True, True)
    assert given.code == archived.code == back.code == none.code == 0, (given, archived, back, none)
    assert {row["key"] for row in berts} == {str(key) for key in desk.unknown}
    assert {row["key"] for row in left} == {str(key) for key in desk.refused}
    assert "restored 3" in back.err
    assert "restored none" in none.err
    history = desk.run("audit", "list", "--subject", desk.unknown[0], "--json").json
    assert sorted(deed["action"] for deed in history) == ["archive", "assign", "restore"]


def test_a_job_is_started_paused_resumed_and_stopped(desk: Desk) -> None:
    preview = desk.run("failures", "retry", "--class", "rejected", "--dry-run")
    job = desk.run("failures", "retry", "--class", "rejected", "--yes", "--json").json["job"]
    codes = [desk.run("jobs", verb, job, "--why", "x").code for verb in ("pause", "pause", "resume", "stop", "resume")]

    assert "5 rows of 5 orders, 50.00 USD" in preview.err
    assert codes == [0, 4, 0, 0, 4]
    assert desk.run("jobs", "show", job, "--json").json["progress"]["waiting"] == 5
    assert desk.run("jobs", "show", 99).code == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("failures", "retry"), 2, "name rows"),
        (("failures", "retry", "d1", "--class", "rejected"), 2, "name rows"),
        (("failures", "retry", "--all", "--ramp", "1,x", "--yes"), 2, "--ramp"),
        (("failures", "list", "--since", "yesterday"), 2, "is no moment"),
        (("failures", "list", "--since", "2026-11-27T09:00"), 2, "has no zone"),
        (("failures", "patch", "--set", "note=x", "--why", "x"), 2, "at least one condition"),
        (("failures", "redirect", "d1", "--to", "sandbx", "--why", "x"), 3, "did you mean 'sandbox'?"),
        (("failures", "redirect", "d1", "--to", "sandbox", "--why", "x"), 4, "at sandbox already"),
        (("failures", "note", "d999", "x"), 3, "not on the desk"),
        (("failures", "archive", "--why", "x"), 2, "name cases"),
        (("failures", "archive", "d1", "--group", "x", "--why", "x"), 2, "name cases"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_said_with_its_code(desk: Desk, words: tuple[str, ...], code: int, said: str) -> None:
    ended = desk.run(*words)

    assert (ended.code, said in ended.err) == (code, True), ended


def test_the_tables_are_for_people(desk: Desk) -> None:
    for words in (("list",), ("groups",), ("groups", "--by", "owner"), ("list", "--overdue"), ("retrying",)):
        assert desk.run("failures", *words).code == 0
    assert "no such customer #" in desk.run("failures", "groups").out
