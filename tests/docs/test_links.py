"""Pages lead where they say."""

import pytest

from tests.docs.pages import ROOT, Page, pages

every_page = pytest.mark.parametrize("of", pages(), ids=lambda of: of.name)


@every_page
def test_every_link_between_pages_leads_to_a_page_and_a_heading(of: Page) -> None:
    broken = []
    for link in of.links:
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (of.path.parent / path).resolve() if path else of.path
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in Page(target).anchors):
            broken.append(link)

    assert not broken


def test_the_readme_leads_to_every_page() -> None:
    readme = Page(ROOT / "README.md")
    named = {(ROOT / link.partition("#")[0]).resolve() for link in readme.links if "://" not in link}

    assert {of.path for of in pages() if of.path.parent.name == "docs"} <= named


def test_the_index_of_decisions_names_every_decision() -> None:
    index = Page(ROOT / "docs/decisions/README.md")
    decisions = {of.path.name for of in pages() if of.path.parent.name == "decisions"} - {"README.md"}

    assert set(index.links) >= decisions


@pytest.mark.parametrize("of", [p for p in pages() if p.path.parent.name == "decisions" and p.path.name != "README.md"],
                         ids=lambda of: of.name)  # fmt: skip
def test_a_decision_has_its_four_parts(of: Page) -> None:
    assert [line for line in of.text.splitlines() if line.startswith("## ")] == [
        "## Context",
        "## Decision",
        "## Consequences",
        "## Considered",
    ]
