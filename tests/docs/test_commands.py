"""Every command line in the pages is one the program takes."""

from typing import Any

import pytest
import typer

from tests.docs.pages import Page, commands, page, pages
from workers.cli.exits import Exit
from workers.cli.main import app


def parse(words: list[str]) -> None:
    """Read a command line as the program would, without running it. Raises a usage error for one it does not take."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        assert name in command.commands, f"there is no {' '.join(words)!r}"
        command = command.commands[name]
    if rest and rest[-1] in ("--help", "--install-completion", "--show-completion"):
        return
    if not hasattr(command, "commands"):
        command.make_context("millrace", rest)


@pytest.mark.parametrize("of", pages(), ids=lambda of: of.name)
def test_every_command_line_parses(of: Page) -> None:
    wrong = []
    for words in commands(of):
        try:
            parse(words)
        except Exception as error:  # noqa: BLE001  whatever the parser says about it
            wrong.append(f"{' '.join(words)}: {error}")

    assert not wrong


def test_the_pages_do_hold_commands() -> None:
    assert sum(1 for of in pages() for _ in commands(of)) > 40


def test_a_wrong_command_line_would_be_found() -> None:
    for wrong in (["weights", "set"], ["topology", "declair"], ["demo", "--orders", "many"]):
        with pytest.raises(Exception, match=r".+"):
            parse(wrong)


def test_the_exit_codes_are_all_told() -> None:
    told = {int(row[0].strip("`")) for row in page("README.md").table("Exit codes")}

    assert told == {int(code) for code in Exit}
