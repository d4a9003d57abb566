"""`millrace audit`: deeds shown by who, what and when; the chain checked and pinned; what a check cannot prove is said."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

import ledger.actions
from ledger import migrate
from ledger.chain import Action
from ledger.session import Ledger
from tests.workers.command_line import millrace
from workers.bootstrap import now
from workers.cli.exits import Exit

KEY = "k" * 32


@pytest.fixture
def url(sqlite_url: str) -> str:
    opened = Ledger(sqlite_url, audit_keys=[KEY.encode()])
    migrate.upgrade(opened)
    at = now()
    paused = Action(at - timedelta(days=2), "ann", "lane.pause", "deliver.netsuite", "wrong codes", {}, {"until": None})
    refused = Action(at, "bob", "jobs.stop", "job 5", "", {}, {}, "reader", False)
    with opened.write() as session:
        ledger.actions.write(session, paused)
        ledger.actions.write(session, refused)
    opened.close()
    return sqlite_url


def cut_off(url: str) -> None:
    opened = Ledger(url)
    with opened.write() as session:
        session.execute(text("DROP TRIGGER actions_never_deleted"))
        session.execute(text("DELETE FROM actions WHERE sequence = 2"))
    opened.close()


def test_the_list_shows_who_what_why_and_what_was_refused(url: str) -> None:
    told = millrace("audit", "list", LEDGER_URL=url)
    found = millrace("audit", "list", "--json", LEDGER_URL=url).json

    assert "jobs.stop (refused)" in told.out
    assert "wrong codes" in told.out
    assert [(one["place"], one["by"], one["role"], one["allowed"], one["sealed"]) for one in found] == [
        (2, "bob", "reader", False, True),
        (1, "ann", "", True, True),
    ]


@pytest.mark.parametrize(
    ("words", "by"),
    [
        (("--by", "ann"), ["ann"]),
        (("--since", "2h"), ["bob"]),
        (("--since", "2020-01-01 00:00"), ["bob", "ann"]),
        (("--denied",), ["bob"]),
        (("--action", "lane.*"), ["ann"]),
        (("--subject", "job 5"), ["bob"]),
        (("--most", "1"), ["bob"]),
        (("--by", "nobody"), []),
    ],
)
def test_the_list_is_filtered(url: str, words: tuple[str, ...], by: list[str]) -> None:
    found = millrace("audit", "list", *words, "--json", LEDGER_URL=url)

    assert [one["by"] for one in found.json] == by


def test_a_whole_chain_verifies_and_says_what_that_proves(url: str) -> None:
    keyed = millrace("audit", "verify", LEDGER_URL=url, AUDIT_KEY=KEY)
    bare = millrace("audit", "verify", "--json", LEDGER_URL=url)

    assert keyed.code == bare.code == Exit.OK
    assert "2 links, 0 faults; 2 seals were checked by MILLRACE_AUDIT_KEY; without an anchor a cut-off end" in keyed.err
    assert bare.json["whole"]
    assert "could have written the whole chain anew" in bare.json["proves"]


def test_a_cut_off_end_is_found_by_the_anchor_file(url: str, tmp_path: Path) -> None:
    file = tmp_path / "anchors"
    assert millrace("audit", "anchor", str(file), LEDGER_URL=url, AUDIT_KEY=KEY).code == Exit.OK
    assert millrace("audit", "anchor", str(file), "--json", LEDGER_URL=url, AUDIT_KEY=KEY).json["place"] == 2
    assert millrace("audit", "verify", "--anchor", str(file), LEDGER_URL=url, AUDIT_KEY=KEY).code == Exit.OK

    cut_off(url)
    told = millrace("audit", "verify", "--anchor", str(file), LEDGER_URL=url, AUDIT_KEY=KEY)
    as_json = millrace("audit", "verify", "--anchor", str(file), "--json", LEDGER_URL=url, AUDIT_KEY=KEY)

    assert told.code == as_json.code == Exit.FAILED
    assert "link 2 is gone" in told.err
    assert "the chain ends at 1" in told.err
    assert {fault["place"] for fault in as_json.json["faults"]} == {2}


def test_a_key_that_is_not_the_chains_is_told(url: str) -> None:
    told = millrace("audit", "verify", LEDGER_URL=url, AUDIT_KEY="x" * 32)

    assert told.code == Exit.FAILED
    assert "link 1 has a seal that none of the keys made" in told.err


def test_keys_rotate_newest_first(url: str) -> None:
    keys = f"{'n' * 32},{KEY}"
    done = millrace("lanes", "pause", "orders", "--why", "test", LEDGER_URL=url, AUDIT_KEY=keys)
    verified = millrace("audit", "verify", "--json", LEDGER_URL=url, AUDIT_KEY=keys)

    assert done.code == verified.code == Exit.OK
    assert verified.json["checked_seals"] == 3


def test_a_short_key_is_refused(url: str) -> None:
    told = millrace("audit", "verify", LEDGER_URL=url, AUDIT_KEY="short")

    assert told.code == Exit.USAGE
    assert "at least 32 characters" in told.err
    assert "short" not in told.err


def test_an_anchor_file_that_is_not_there_or_no_anchor_file_is_told(url: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text(json.dumps({"sequence": 1}))

    assert millrace("audit", "verify", "--anchor", str(tmp_path / "none"), LEDGER_URL=url).code == Exit.NOT_FOUND
    assert millrace("audit", "verify", "--anchor", str(wrong), LEDGER_URL=url).code == Exit.USAGE
