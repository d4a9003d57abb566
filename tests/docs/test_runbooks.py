"""Each runbook has its page, each page its runbook, and the page names what the runbook is told."""

import pytest

from tests.docs.pages import ROOT, Page
from workers.runbooks.base import Runbook
from workers.runbooks.registry import RUNBOOKS

FOLDER = ROOT / "docs/runbooks"
PARTS = ("**When**", "**You see**", "| checks |", "| does |", "| verifies |", "| undo |", "**Call**")


def test_there_is_a_page_for_each_runbook_and_no_other() -> None:
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"README"}

    assert pages == set(RUNBOOKS)
    assert {link.removesuffix(".md") for link in Page(FOLDER / "README.md").links} >= pages


@pytest.mark.parametrize("book", RUNBOOKS.values(), ids=lambda book: book.name)
def test_a_page_tells_when_what_how_and_whom_to_call(book: Runbook) -> None:
    page = Page(FOLDER / f"{book.name}.md")

    assert page.text.startswith(f"# {book.title}\n")
    assert [part for part in PARTS if part not in page.text] == []
    assert f"millrace runbook run {book.name}" in page.text
    assert [p.name for p in book.parameters if f"--with {p.name}=" not in page.text and f"`{p.name}`" not in page.text] == []
