"""Somebody who is new: types the lines of docs/alerts.md in their order, with what the notice and the answers before said."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.docs.pages import page
from tests.fleet.running import TestFleet
from tests.workers.command_line import Ended, millrace
from tests.workers.notify.places import Hook


def notice_of(hook: Hook, kind: str, name: str) -> dict[str, Any] | None:
    """What the last notice of this kind about this alert says; None before there is one."""
    told = [json.loads(body) for _, _, body in hook.posts]
    return next((one["data"] for one in reversed(told) if (one["type"], one["data"]["name"]) == (kind, name)), None)


def lines() -> list[str]:
    """The command lines under "From an alert to the fixed order"."""
    return page("docs/alerts.md").blocks("sh")[0].splitlines()


@dataclass(slots=True)
class NewOperator:
    """``known``: what stands in the page as an example, and what it is here."""

    fleet: TestFleet
    known: dict[str, str] = field(default_factory=dict)

    def types(self, line: str) -> Ended:
        """Run a line of the page."""
        words = [self.known.get(word, word) for word in shlex.split(line, comments=True)[1:]]
        return millrace(*words, **self._shell())

    def follows(self) -> dict[str, Ended]:
        """Type every line; each answer is read for what the next ones need."""
        told = {}
        for line in lines():
            told[line.partition("  #")[0].strip()] = done = self.types(line)
            self._reads(line, done.out)
        return told

    def _reads(self, line: str, answer: str) -> None:
        if line.startswith("millrace failures groups"):
            [self.known["3f0c9a1b2c3d4e5f"]] = re.findall(r"(\w{16}) +crossref.missing", answer)
        if line.startswith("millrace failures list"):
            self.known["d34"] = re.findall(r"\bd\d+\b", answer)[-1]
        if line.startswith("millrace failures show"):
            # The remedy is the next line of the page, with the names that are meant.
            [names] = re.findall(r"remedy +millrace crossrefs set (\S+ \S+ \S+) <its id there>", answer)
            self.known["SKU-1"] = names.split()[2]

    def _shell(self) -> Mapping[str, str]:
        """As after sourcing the env file that `millrace up` printed."""
        return {name: value for name, value in self.fleet.running.environment.items() if name.startswith("MILLRACE_")}
