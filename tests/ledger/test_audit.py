"""The audit chain in the ledger: one line of concurrent writers, refusal of changes, old deeds chained, deeds found again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import ledger.actions
import ledger.audit
from ledger import migrate
from ledger.actions import Actor
from ledger.audit import Wanted
from ledger.chain import Action, Anchor
from ledger.session import Ledger, Session
from tests.documents import MORNING

KEY = b"k" * 32
WRITERS, DEEDS = 4, 12
DONE = Action(MORNING, "ann", "lane.pause", "deliver.netsuite", "wrong codes", {"rate": 1.5}, {"until": None, "é": [1, 2.0]})


@pytest.fixture
def opened(ledger_url: str) -> Iterator[Ledger]:
    made = Ledger(ledger_url, audit_keys=[KEY])
    migrate.upgrade(made)
    yield made
    made.close()


def write(opened: Ledger, *done: Action) -> None:
    for one in done:
        with opened.write() as session:
            ledger.actions.write(session, one)


def tampered(session: Session, statement: str) -> None:
    """What the database's owner can do: take the guards away, then change."""
    if session.dialect.name == "postgresql":
        session.execute(text("ALTER TABLE actions DISABLE TRIGGER USER"))
    else:
        session.execute(text("DROP TRIGGER actions_never_updated"))
        session.execute(text("DROP TRIGGER actions_never_deleted"))
    session.execute(text(statement))


def test_writers_at_once_make_one_chain(opened: Ledger, ledger_url: str) -> None:
    def writer(number: int) -> None:
        own = Ledger(ledger_url, audit_keys=[KEY])
        try:
            for turn in range(DEEDS):
                with own.write() as session:
                    ledger.actions.record(session, Actor(f"writer {number}", "load"), "retry", [f"d{turn}", f"e{turn}"], MORNING)
        finally:
            own.close()

    with ThreadPoolExecutor(WRITERS) as together:
        list(together.map(writer, range(WRITERS)))

    with opened.read() as session:
        verdict = ledger.audit.check(session)
        found = ledger.audit.find(session, Wanted(), 1_000)
    assert verdict.faults == ()
    assert verdict.links == verdict.checked_seals == WRITERS * DEEDS * 2
    assert [one.sequence for one in found] == list(range(verdict.links, 0, -1))


def test_a_deed_whose_transaction_failed_leaves_no_gap(opened: Ledger) -> None:
    write(opened, DONE)
    with opened.engine.connect() as session:
        ledger.actions.write(session, DONE)
        session.rollback()
    write(opened, DONE)

    with opened.read() as session:
        verdict = ledger.audit.check(session)
    assert (verdict.links, verdict.faults) == (2, ())


def test_a_deed_comes_back_as_it_was_written(opened: Ledger) -> None:
    refused = replace(DONE, by="x" * 200, role="reader", allowed=False, at=MORNING + timedelta(microseconds=123456))
    write(opened, DONE, refused)

    with opened.read() as session:
        listed = ledger.actions.listed(session, "deliver.netsuite", 10)
        assert ledger.audit.check(session).whole
    assert listed == [replace(refused, by="x" * 120), DONE]


def test_a_deed_is_neither_changed_nor_deleted(opened: Ledger) -> None:
    write(opened, DONE)
    statements = ["UPDATE actions SET reason = 'none'", "DELETE FROM actions"]
    statements += ["TRUNCATE actions"] if opened.engine.dialect.name == "postgresql" else []

    for statement in statements:
        with pytest.raises(DBAPIError, match="only added to"), opened.write() as session:
            session.execute(text(statement))


def test_what_the_databases_owner_changes_all_the_same_is_found(opened: Ledger) -> None:
    write(opened, DONE, replace(DONE, by="bob"), replace(DONE, by="eve"))
    with opened.read() as session:
        pinned = ledger.audit.anchor(session, MORNING)
        assert ledger.audit.check(session, [pinned]).whole

    def faults(statement: str) -> list[int]:
        with opened.engine.connect() as session:
            tampered(session, statement)
            found = ledger.audit.check(session, [pinned]).faults
            session.rollback()
        return sorted({fault.sequence for fault in found})

    assert faults("UPDATE actions SET reason = 'none' WHERE sequence = 2") == [2]
    assert faults("UPDATE actions SET sequence = 9 WHERE sequence = 1") == [1, 4, 9]
    assert faults("UPDATE actions SET seal = digest WHERE sequence = 3") == [3]
    assert faults("DELETE FROM actions WHERE sequence = 1") == [1]
    assert faults("DELETE FROM actions WHERE sequence = 2") == [2]
    assert faults("DELETE FROM actions WHERE sequence = 3") == [3]
    assert faults("DELETE FROM actions") == [3]
    assert faults("UPDATE actions SET reason = reason") == []


def test_deeds_from_before_the_chain_are_chained_and_sealed(ledger_url: str) -> None:
    opened = Ledger(ledger_url, audit_keys=[KEY])
    with opened.engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for name in ("ann", "bob"):
            connection.execute(
                text(
                    'INSERT INTO actions (at, "by", action, subject, reason, before, after) '
                    "VALUES ('2026-11-27 08:00:00', :name, 'lane.pause', 'orders', 'why', '{\"b\": 1.10}', '{}')"
                ),
                {"name": name},
            )

    migrate.upgrade(opened)
    write(opened, DONE)

    with opened.read() as session:
        verdict = ledger.audit.check(session)
        found = ledger.audit.find(session, Wanted(), 10)
    assert (verdict.faults, verdict.links, verdict.unsealed) == ((), 3, 0)
    assert [(one.sequence, one.done.by, one.done.role, one.done.allowed) for one in found] == [
        (3, "ann", "", True),
        (2, "bob", "", True),
        (1, "ann", "", True),
    ]
    opened.close()


def test_a_chain_without_a_key_is_whole_and_says_so(ledger_url: str) -> None:
    opened = Ledger(ledger_url)
    migrate.upgrade(opened)
    write(opened, DONE)

    with opened.read() as session:
        verdict = ledger.audit.check(session)
        pinned = ledger.audit.anchor(session, MORNING)
    assert (verdict.whole, verdict.unsealed, verdict.checked_seals) == (True, 1, 0)
    assert pinned == Anchor(1, verdict.head, MORNING.isoformat(), None)
    opened.close()


def test_a_long_chain_is_checked_page_by_page(opened: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger.audit, "_AT_ONCE", 3)
    with opened.write() as session:
        ledger.actions.record(session, Actor("ann", "all"), "retry", [f"d{n}" for n in range(8)], MORNING)

    with opened.read() as session:
        assert (ledger.audit.check(session).links, ledger.audit.check(session).faults) == (8, ())


def test_deeds_are_found_by_who_what_and_when(opened: Ledger) -> None:
    write(
        opened,
        DONE,
        replace(DONE, by="ann_b", action="lane.resume", at=MORNING + timedelta(hours=1)),
        replace(DONE, by="annxb", action="retry", subject="d34", allowed=False),
    )

    def places(wanted: Wanted, most: int = 10) -> list[int]:
        with opened.read() as session:
            return [one.sequence for one in ledger.audit.find(session, wanted, most)]

    assert places(Wanted()) == [3, 2, 1]
    assert places(Wanted(), most=1) == [3]
    assert places(Wanted(by="ann")) == [1]
    assert places(Wanted(by="ann_*")) == [2]
    assert places(Wanted(action="lane.*")) == [2, 1]
    assert places(Wanted(subject="d34")) == [3]
    assert places(Wanted(since=MORNING + timedelta(minutes=1))) == [2]
    assert places(Wanted(allowed=False)) == [3]
    assert places(Wanted(before=3, action="lane.*"), most=1) == [2]
