"""Every command that changes something is a link of the audit chain, and the others change nothing: the whole tree is walked."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

import ledger.alerts
from config.settings import load_settings
from ledger import audit
from ledger.actions import Actor
from ledger.alerts import Alert
from ledger.audit import Wanted
from ledger.chain import Action, Link
from ledger.standing_rows import Filter
from tasks.reconcile import reconcile
from tasks.reprioritize import move
from tests.documents import a_settlement, an_order, at
from tests.tasks.desk import of_unknown_item, refused
from tests.tasks.world import World, a_world
from tests.workers.command_line import AWAY, Ended, millrace
from tests.workers.peaks import a_profile
from workers import peaks
from workers.cli.exits import Exit
from workers.cli.main import app
from workers.lane_actions import Operator

ROOT = Path(__file__).resolve().parents[2]
LANE = "deliver.sandbox"
WHY = "the test's reason"
MAIL = "jane@canary.example"
ALERT = Alert("3f9c000000000000", "MillraceDeadLetters", "ticket", {}, "1 message", "docs/runbooks/poison-flood.md", "own",
              "firing", at(0), at(60), at(60))  # fmt: skip

PROCESSES = {
    "up", "receiver", "worker", "relay", "recorder", "flower", "sandbox", "demo", "console",
}  # fmt: skip
"""Run a process; what is done by way of them is noted where it is done."""

UNNOTED = {
    "topology declare": "makes only what the broker lacks, at each start, and before there need be a ledger",
    "alerts test": "sends a trial notice and changes nothing, also where no ledger is set yet",
    "audit anchor": "adds a line to a file outside that pins the chain: a link for it would have to be pinned next",
}
"""Act on something that is not the fleet's state; each with the reason why the chain has nothing of it."""

LOOKS = {
    "version": "", "topology check": "", "topology diff": "", "config check": "",
    "events list": "", "events show": "1", "events trace": "1",
    "documents list": "", "documents show": "1", "documents trace": "1",
    "deliveries list": "", "deliveries show": "1", "deliveries trace": "1",
    "failures list": "", "failures retrying": "", "failures groups": "", "failures show": "d1",
    "jobs list": "", "jobs show": "1", "crossrefs list": "", "weights show": "",
    "lanes list": "", "lanes show": LANE, "lanes plot": f"{LANE} --out {{folder}}/plot.png", "lanes windows list": "",
    "audit list": "", "audit verify": "", "reprioritize list": "", "console user list": "",
    "peak list": "", "peak show": "quiet", "peak plan": "quiet", "peak status": "", "peak history": "", "peak schedule list": "",
    "runbook list": "", "runbook show": "queue-backlog", "runbook check": f"queue-backlog --with lane={LANE}", "runbook runs": "",
    "stock accuracy": "", "stock oversold": "", "stock unreserved": "",
    "alerts list": "", "scale plan": f"--lane {LANE} --drain-within 1h",
    "settlements list": "", "settlements show": "PO-1", "settlements exceptions": "",
    "rehearse": "current --arrivals flat --rate 1 --for 1m",
}  # fmt: skip
"""Only look; run one by one, each must leave every table as it was."""

OTHERWISE = {
    "topology check": Exit.UNAVAILABLE,
    "topology diff": Exit.UNAVAILABLE,
    "lanes plot": Exit.UNAVAILABLE,
    "runbook check": Exit.REFUSED,
}
"""How those end that look at broker or Redis, which are away."""


@dataclass(frozen=True, slots=True)
class Deed:
    """A command line, and what the chain calls it. ``tells``: it says how it stood before."""

    line: str
    action: str
    tells: bool = False
    why: str = "--why"
    input: str | None = None
    code: int = Exit.OK


DAY = (
    Deed("db upgrade", "db.upgrade", tells=True),
    Deed("crossrefs set sandbox item SKU-9 900", "crossref.set"),
    Deed("crossrefs set sandbox item SKU-9 901", "crossref.set", tells=True),
    Deed(f"crossrefs set sandbox customer {MAIL} 77", "crossref.set"),
    Deed("crossrefs load {folder}/items.csv", "crossref.load", tells=True),
    Deed(f"weights set {LANE} --high 8", "lane.set", tells=True),
    Deed(f"lanes set {LANE} --rate 5 --yes", "lane.set", tells=True),
    Deed(f"lanes pause {LANE}", "lane.pause"),
    Deed(f"lanes resume {LANE}", "lane.resume", tells=True),
    Deed(f"lanes windows add {LANE} --start now --for 1h --announce 0s --drain 0s --yes", "window.add"),
    Deed("lanes windows canary 1", "window.canary"),
    Deed("lanes windows cancel 1", "window.cancel", tells=True),
    Deed("failures note d1", "note", why=""),
    Deed("failures assign d1 --to bert --due 2h", "assign", tells=True),
    Deed("failures archive d1", "archive", tells=True),
    Deed("failures restore d1", "restore", tells=True),
    Deed("failures retry d2", "retry", tells=True),
    Deed("failures drop d3", "drop", tells=True, why="--reason"),
    Deed("failures edit d4 --set note=gift --yes", "edit", tells=True),
    Deed("failures redirect d5 --to backup", "redirect"),
    Deed("failures patch --text GONE --set lines[*].sku=SKU-0001 --yes", "job"),
    Deed("failures retry --all --yes", "job"),
    Deed("jobs pause 2", "pause", tells=True),
    Deed("jobs resume 2", "resume", tells=True),
    Deed("jobs stop 2", "stop", tells=True),
    Deed(f"reprioritize --filter lane={LANE} --class high --yes", "reprioritize", tells=True),
    Deed("reprioritize undo 1", "reprioritize.undo", tells=True),
    Deed("peak apply quiet --yes", "peak.apply"),
    Deed("peak revert --yes", "peak.revert", tells=True),
    Deed("peak schedule add quiet --start 2h --yes", "peak.plan"),
    Deed("peak schedule cancel 1", "peak.cancel", tells=True),
    Deed(f"runbook run queue-backlog --with lane={LANE} --yes --anyway --wait 0", "runbook.run", code=Exit.PARTIAL),
    Deed("runbook undo 1 --yes --anyway", "runbook.undo"),
    Deed("alerts ack 3f9c", "alert.ack"),
    Deed("alerts quiet 3f9c", "alert.quiet"),
    Deed("alerts quiet 3f9c --for 1h", "alert.quiet", tells=True),
    Deed("settlements explain s1", "settlement.explain", tells=True),
    Deed("console user add ann --role reader", "user.add", input="correct horse battery\n"),
    Deed("console user remove ann --yes", "user.remove", tells=True),
)  # fmt: skip
"""An operator's day: every command that changes something, run once or more on one ledger."""


@dataclass(frozen=True, slots=True)
class Place:
    """A ledger in a file, a fleet with two targets, and the command line on both; the broker is away."""

    folder: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'ledger.db'}"

    def run(self, line: str, *more: str, input: str | None = None) -> Ended:  # noqa: A002  as the command line's runner
        return millrace(
            *(word.format(folder=self.folder) for word in line.split()), *more, input=input,
            LEDGER_URL=self.url, BROKER_URL=AWAY, FLEET_FILE=str(self.folder / "fleet.toml"),
            CONSOLE_USERS_FILE=str(self.folder / "users"), PEAKS_FOLDER=str(ROOT / "config" / "peaks"),
        )  # fmt: skip

    def tables(self) -> list[str]:
        """All that the ledger holds."""
        opened = sqlite3.connect(self.folder / "ledger.db")
        try:
            return list(opened.iterdump())
        finally:
            opened.close()


@dataclass(frozen=True, slots=True)
class Day:
    """What every deed said and what it left in the chain."""

    place: Place
    done: dict[Deed, tuple[Ended, list[Action]]]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """An operator's day on one ledger, each command as it is typed."""
    place = Place(tmp_path_factory.mktemp("day"))
    (place.folder / "fleet.toml").write_text(_fleet(), encoding="utf-8")
    head = "target,kind,source,key,remote_id\n"
    items = "sandbox,item,*,SKU-9,902\nbackup,item,*,SKU-0001,601\n"
    (place.folder / "items.csv").write_text(head + items, encoding="utf-8")
    done = {DAY[0]: _do(None, place, DAY[0])}
    with a_world(place.url) as world:
        fleet = load_settings({"MILLRACE_FLEET_FILE": str(place.folder / "fleet.toml")}).fleet
        world.context = replace(world.context, fleet=fleet)
        refused(world, "1", "2", "3", "4", "5", "6")
        of_unknown_item(world, "7")
        world.prepare(*world.tell(an_order("8"), a_settlement()))
        reconcile(world.context)
        with world.ledger.write() as session:
            ledger.alerts.put(session, [ALERT])
        for deed in DAY[1:]:
            done[deed] = _do(world, place, deed)
        yield Day(place, done)


def _do(world: World | None, place: Place, deed: Deed) -> tuple[Ended, list[Action]]:
    before = len(_links(world)) if world else 0
    more = [deed.why, WHY] if deed.why else [WHY]
    ended = place.run(deed.line, *more, "--by", "ann", input=deed.input)
    if world is None:
        with a_world(place.url) as made:
            return ended, [one.done for one in _links(made)]
    return ended, [one.done for one in _links(world)[before:]]


def _links(world: World) -> list[Link]:
    with world.ledger.read() as session:
        return audit.find(session, Wanted(), 1_000)[::-1]


def _fleet() -> str:
    text = (ROOT / "config" / "fleet.toml").read_text(encoding="utf-8")
    target = text.partition("[targets.sandbox]")[2].partition("[[routes]]")[0]
    return text.replace('"deliver.sandbox"]', '"deliver.sandbox", "deliver.backup"]') + f"\n[targets.backup]{target}"


def _every_command() -> Iterator[str]:
    """Every command that can be run: leaves, and nouns that do something by themselves."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    ahead: list[tuple[str, TyperGroup]] = [("", root)]
    while ahead:
        words, group = ahead.pop()
        for name, command in group.commands.items():
            line = f"{words} {name}".strip()
            if isinstance(command, TyperGroup):
                ahead.append((line, command))
            if not isinstance(command, TyperGroup) or command.invoke_without_command:
                yield line


def _command(line: str, known: set[str]) -> str:
    """The command that a line runs: the longest name that it begins with."""
    return max((name for name in known if f"{line} ".startswith(f"{name} ")), key=len)


def test_every_command_is_noted_or_only_looks_or_has_its_reason() -> None:
    every = set(_every_command())
    noted = {_command(deed.line, every) for deed in DAY}
    listed = [*noted, *PROCESSES, *UNNOTED, *LOOKS]

    assert every - set(listed) == set(), "new: add it to DAY with a line that does it, or to LOOKS"
    assert set(listed) - every == set(), "gone"
    assert len(listed) == len(set(listed)), "in two lists"


@pytest.mark.parametrize("deed", DAY, ids=lambda deed: deed.line)
def test_a_command_that_changes_something_leaves_a_link_with_who_why_and_before(deed: Deed, day: Day) -> None:
    ended, links = day.done[deed]

    assert ended.code == deed.code, ended
    own = [link for link in links if link.action == deed.action]
    assert own, [link.action for link in links]
    for link in own:
        assert (link.by.partition("@")[0], link.reason, link.allowed) == ("ann", WHY, True)
        assert link.subject
        assert link.before or link.after or deed.action == "note"
        assert link.before or not deed.tells
    assert MAIL not in str(links)


def test_deeds_that_come_from_the_console_say_the_role(sqlite_url: str) -> None:
    with a_world(sqlite_url) as world:
        world.prepare(*world.tell(an_order("1")))
        approver = Actor("ann", WHY, "approver")
        move(world.context, Filter(lane=LANE), "high", approver)
        with world.ledger.write() as session:
            who = Operator(approver.by, approver.why, approver.role)
            peaks.apply(session, a_profile(), who, world.clock.now())
            peaks.revert(session, who, world.clock.now())
        links = [one.done for one in _links(world)]

    assert [(link.action, link.role) for link in links] == [
        ("reprioritize", "approver"),
        ("peak.apply", "approver"),
        ("peak.revert", "approver"),
    ]


def test_the_page_of_the_audit_chain_names_every_deed() -> None:
    told = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")

    assert {deed.action for deed in DAY if f"`{deed.action}`" not in told} == set()


def test_the_chain_of_the_day_is_whole(day: Day) -> None:
    checked = day.place.run("audit verify")

    assert checked.code == 0, checked


def test_a_reference_says_what_it_was_and_a_customers_key_stays_out(day: Day) -> None:
    by_line = {deed.line: links[0] for deed, (_, links) in day.done.items() if deed.action.startswith("crossref")}
    again = by_line["crossrefs set sandbox item SKU-9 901"]
    customer = by_line[f"crossrefs set sandbox customer {MAIL} 77"]
    loaded = by_line["crossrefs load {folder}/items.csv"]

    assert (again.subject, again.before) == ("crossrefs sandbox item", {"references": ["sandbox item SKU-9 is 900"]})
    assert again.after == {"new": 0, "changed": 1, "as before": 0, "references": ["sandbox item SKU-9 is 901"]}
    assert customer.after["references"] == ["sandbox customer (a key) is 77"]
    assert (loaded.after["new"], loaded.after["changed"], loaded.subject) == (1, 1, "crossrefs")


@pytest.mark.parametrize("command", LOOKS)
def test_a_command_that_only_looks_leaves_every_table_as_it_was(command: str, day: Day) -> None:
    before = day.place.tables()
    ended = day.place.run(f"{command} {LOOKS[command]}")

    assert ended.code == OTHERWISE.get(command, Exit.OK), ended
    assert day.place.tables() == before
