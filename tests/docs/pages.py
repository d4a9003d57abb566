"""Reads the project's pages: their links, the code in them and the names they use."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```([\w-]*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=\S*")


@dataclass(frozen=True)
class Page:
    """One page of Markdown."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        """Fenced code of one language."""
        return [code for told, code in _FENCE.findall(self.text) if told == language]

    @property
    def prose(self) -> str:
        """The text without fenced code."""
        return _FENCE.sub("", self.text)

    @property
    def spans(self) -> list[str]:
        """Inline code."""
        return _SPAN.findall(self.prose)

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """What GitHub makes of the headings."""
        return {
            re.sub(r"[^\w\- ]", "", heading.replace("`", "")).lower().replace(" ", "-")
            for heading in _HEADING.findall(self.prose)
        }

    def table(self, heading: str) -> list[list[str]]:
        """Cells of the first table under a heading, without its head."""
        _, found, rest = self.text.partition(f"\n## {heading}\n")
        if not found:
            _, found, rest = self.text.partition(f"\n### {heading}\n")
        assert found, f"{self.name} has no heading {heading!r}"
        rows: list[list[str]] = []
        for line in rest.splitlines():
            if line.startswith("|"):
                rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
            elif rows:
                break
        return rows[2:]


@cache
def pages() -> tuple[Page, ...]:
    """Every page that is written by hand."""
    own = (ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"))
    folders = ("docs", "docs/decisions", "docs/runbooks")
    return tuple(Page(path) for path in (*own, *(path for folder in folders for path in sorted((ROOT / folder).glob("*.md")))))


def page(name: str) -> Page:
    """One page by its path."""
    return Page(ROOT / name)


def commands(of: Page) -> Iterator[list[str]]:
    """Words of every `millrace` command line on a page, without the word itself."""
    lines = [line for block in of.blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    for line in (*lines, *of.spans):
        for part in re.split(r"&&|\|\||;|\|", line):
            words = _words(part)
            while words and _ASSIGNMENT.fullmatch(words[0]):
                words = words[1:]
            if words and words[0].rpartition("/")[2] == "millrace" and len(words) > 1:
                yield _without_redirection(words[1:])


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []


def _without_redirection(words: list[str]) -> list[str]:
    end = next((n for n, word in enumerate(words) if word.startswith((">", "2>", "<"))), len(words))
    return words[:end]
