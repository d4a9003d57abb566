"""Every post of the console leaves two links: the page's before it acts, and the deed's own: role, reason, how it stood."""

import html
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from ledger.chain import Action
from tasks.reconcile import reconcile
from tests.console.running import Person, Running, a_console
from tests.documents import a_settlement
from tests.tasks.desk import BACKUP, refused, with_backup
from workers.console.app import ALL_PAGES

WHY = "a good reason"
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@dataclass(frozen=True, slots=True)
class Post:
    """A post of a page by its name, and what the chain calls the deed ("": the page's link is all). ``tells``: how it stood."""

    page: str
    path: str
    action: str = ""
    tells: bool = True
    form: dict[str, str] = field(default_factory=dict)


DAY = (
    Post("lane_pause", "/lanes/orders/pause", "lane.pause", tells=False),
    Post("lane_resume", "/lanes/orders/resume", "lane.resume"),
    Post("lane_weights", "/lanes/orders/weights", "lane.set", form={"high": "32", "normal": "4", "low": "1"}),
    Post("failure_note", "/failures/d1/note", "note", tells=False),
    Post("failure_assign", "/failures/d1/assign", "assign", form={"owner": "sales", "due": "4h"}),
    Post("failure_archive", "/failures/d1/archive", "archive"),
    Post("failure_restore", "/failures/d1/restore", "restore"),
    Post("failure_retry", "/failures/d1/retry", "retry"),
    Post("failure_redirect", "/failures/d2/redirect", "redirect", tells=False, form={"target": BACKUP}),
    Post("failure_drop", "/failures/d3/drop", "drop"),
    Post("edit_change", "/failures/d4/edit", "edit"),
    Post("replay", "/failures/replay", "job", tells=False, form={"every": "yes"}),
    Post("job_steer", "/jobs/1/steer", "pause", form={"verb": "pause"}),
    Post("peak_apply", "/peaks/quiet/apply", "peak.apply", tells=False),
    Post("peak_revert", "/peaks/revert", "peak.revert"),
    Post("peak_schedule", "/peaks/quiet/schedule", "peak.plan", tells=False, form={"start": "2099-01-01T00:00", "zone": "UTC"}),
    Post("peak_cancel", "/peaks/schedule/1/cancel", "peak.cancel"),
    Post("settlement_explain", "/settlements/1/explain", "settlement.explain"),
    Post("audit.check", "/audit/check"),
    Post("sign_out", "/sign-out"),
)


def test_every_post_of_the_console_is_in_the_day() -> None:
    assert {post.page for post in DAY} == {page.name for page in ALL_PAGES if page.method == "POST"}


def test_every_post_is_noted_by_its_page_and_by_its_deed(sqlite_url: str, tmp_path: Path) -> None:
    with a_console(sqlite_url, tmp_path) as running:
        refused(running.world, "1", "2", "3", "4", "5")
        running.world.prepare(*running.world.tell(a_settlement()))
        reconcile(running.world.context)
        with_backup(running.world, items=False)
        running.console.desk.context = running.world.context
        admin = running.person("admin")

        wrong = {post.path: said for post in DAY if (said := _not_noted(running, admin, post))}

    assert wrong == {}


def _not_noted(running: Running, admin: Person, post: Post) -> str:
    """What the chain lacks of a post; nothing if it is all there."""
    before = len(running.deeds())
    form = {"csrf": admin.token(), "why": WHY, **post.form}
    if post.page == "edit_change":
        shown = admin.get(post.path).text.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0]
        form["document"] = json.dumps(json.loads(html.unescape(shown)) | {"note": "gift"})
    answer = admin.post(post.path, form)
    if answer.status == 200:
        # It was shown what would be done: yes, that, as it was seen.
        seen = {name: html.unescape(value) for name, value in HIDDEN.findall(answer.text.partition("<main")[2])}
        answer = admin.post(post.path, form | seen | {"sure": "yes"})
    links = [one.done for one in running.deeds()[: len(running.deeds()) - before]]
    if answer.status != 303:
        return f"{answer.status} {answer.text[:500]}"
    page = [one for one in links if one.action == f"console.{post.page}"]
    deeds = [one for one in links if one.action == post.action]
    if not page or bool(deeds) != bool(post.action):
        return str([one.action for one in links])
    return "; ".join(f"{one.action} lacks something: {one}" for one in [*page, *deeds] if not _whole(one, post))


def _whole(link: Action, post: Post) -> bool:
    told = link.action.startswith("console.") or bool(link.before) or not post.tells
    return told and (link.by, link.role, link.reason, link.allowed) == ("admin", "admin", WHY, True)
