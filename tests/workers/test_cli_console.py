"""`millrace console` and its users: no password is kept, nobody is let in without a user, wrong words are told."""

import stat
from pathlib import Path

import pytest

from ledger import audit, migrate
from ledger.audit import Wanted
from ledger.session import Ledger
from tests.workers.command_line import AWAY, Ended, child, millrace
from workers.cli.exits import Exit
from workers.console.users import matches, read_users

PASSWORD = "correct horse battery"


def run(*words: str, file: Path, told: str | None = None) -> Ended:
    url = f"sqlite:///{file.parent.parent / 'ledger.db'}"
    return millrace("console", "user", *words, CONSOLE_USERS_FILE=str(file), LEDGER_URL=url, input=told)


@pytest.fixture
def file(tmp_path: Path, sqlite_url: str) -> Path:
    opened = Ledger(sqlite_url)
    migrate.upgrade(opened)
    opened.close()
    (tmp_path / "secrets").mkdir()
    return tmp_path / "secrets" / "users"


def test_a_user_is_added_by_a_password_from_stdin_and_only_its_hash_is_kept(file: Path) -> None:
    added = run("add", "ann", "--role", "operator", "--json", file=file, told=f"{PASSWORD}\n")

    assert added.code == Exit.OK
    assert added.json == {"name": "ann", "role": "operator", "file": str(file)}
    assert PASSWORD not in file.read_text()
    assert matches(PASSWORD, read_users(file)["ann"].hash)
    assert not matches("another password", read_users(file)["ann"].hash)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["users"]


def test_a_made_up_password_is_shown_once(file: Path) -> None:
    made = run("add", "bob", "--role", "admin", "--generate", file=file).out.strip()

    assert len(made) >= 20
    assert matches(made, read_users(file)["bob"].hash)


def test_users_are_listed_replaced_and_removed(file: Path) -> None:
    for name, role in (("ann", "reader"), ("bob", "admin")):
        run("add", name, "--role", role, "--generate", file=file)
    before = read_users(file)["ann"].hash

    refused = run("add", "ann", "--role", "approver", "--generate", file=file)
    replaced = run("add", "ann", "--role", "approver", "--generate", "--yes", file=file)
    listed = run("list", "--json", file=file)
    removed = run("remove", "bob", "--yes", file=file)
    missing = run("remove", "bobb", "--yes", file=file)

    assert (refused.code, replaced.code, removed.code, missing.code) == (Exit.REFUSED, Exit.OK, Exit.OK, Exit.NOT_FOUND)
    assert listed.json == [{"name": "ann", "role": "approver"}, {"name": "bob", "role": "admin"}]
    assert list(read_users(file)) == ["ann"]
    assert read_users(file)["ann"].hash != before


def test_who_made_whom_what_is_noted_without_the_password_and_not_done_if_it_cannot_be(file: Path, sqlite_url: str) -> None:
    run("add", "ann", "--role", "reader", "--by", "carl", "--why", "new here", file=file, told=f"{PASSWORD}\n")
    run("add", "ann", "--role", "admin", "--by", "carl", "--yes", file=file, told=f"{PASSWORD}\n")
    run("remove", "ann", "--by", "carl", "--why", "left", "--yes", file=file)
    away = millrace("console", "user", "add", "bob", "--role", "admin", "--generate", "--file", str(file), LEDGER_URL="sqlite://")
    nowhere = millrace("console", "user", "add", "bob", "--role", "admin", "--generate", "--file", str(file))
    left = list(read_users(file))
    elsewhere = millrace("console", "user", "add", "eve", "--role", "admin", "--generate", "--unrecorded", "--file", str(file))

    opened = Ledger(sqlite_url)
    with opened.read() as session:
        found = [one.done for one in audit.find(session, Wanted(subject="user *"), 10)]
    opened.close()
    assert [(one.action, one.by, one.subject, one.reason) for one in found] == [
        ("user.remove", "carl", "user ann", "left"),
        ("user.add", "carl", "user ann", ""),
        ("user.add", "carl", "user ann", "new here"),
    ]
    assert [(one.before, one.after) for one in found] == [
        ({"role": "admin"}, {}),
        ({"role": "reader"}, {"role": "admin", "password": "new"}),
        ({}, {"role": "reader", "password": "new"}),
    ]
    assert (away.code, nowhere.code, left) == (Exit.UNAVAILABLE, Exit.USAGE, [])
    assert (elsewhere.code, list(read_users(file))) == (Exit.OK, ["eve"])


@pytest.mark.parametrize(
    ("words", "told", "says"),
    [
        (("ann", "--role", "operatr"), PASSWORD, "did you mean 'operator'?"),
        (("Ann Smith", "--role", "reader"), PASSWORD, "is no user's name"),
        (("ann", "--role", "reader"), "short", "12 to 1024 characters"),
        (("ann", "--role", "reader"), "", "12 to 1024 characters"),
    ],
)
def test_a_wrong_user_is_not_written(file: Path, words: tuple[str, ...], told: str, says: str) -> None:
    done = run("add", *words, file=file, told=f"{told}\n")

    assert done.code == Exit.USAGE
    assert says in done.err
    assert not file.exists()


def test_the_console_does_not_start_without_users(file: Path, sqlite_url: str) -> None:
    given = {"BROKER_URL": AWAY, "LEDGER_URL": sqlite_url}
    unset = millrace("console", **given)
    missing = millrace("console", CONSOLE_USERS_FILE=str(file), **given)
    file.write_text("# nobody\n")
    empty = millrace("console", CONSOLE_USERS_FILE=str(file), **given)

    assert unset.code == missing.code == empty.code == Exit.REFUSED
    assert "MILLRACE_CONSOLE_USERS_FILE is not set" in unset.err
    assert "millrace console user add" in missing.err
    assert "has no users" in empty.err


def test_a_line_that_is_no_user_is_named(file: Path) -> None:
    file.write_text("ann:operator:plain\n")
    told = child("console", "user", "list", CONSOLE_USERS_FILE=str(file))

    assert told.code == Exit.FAILED
    assert "line 1 is not NAME:ROLE:HASH" in told.err
    assert "plain" not in told.err
