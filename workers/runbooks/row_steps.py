"""Runs the steps that work on rows: move to a class, retry, replay as a job, redirect, give to an owner."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

import ledger.desk
import ledger.moves
import ledger.standing_rows
from ledger.desk import Filter as CaseFilter
from ledger.failures import FailureKey
from ledger.standing_rows import Filter as RowFilter
from ledger.standing_rows import RowStage
from routing.names import Class
from routing.ramp import Pace
from tasks import desk as case_desk
from tasks.redirect import RedirectRefusedError, redirect
from tasks.replay import retry
from tasks.reprioritize import MoveRefusedError, move, preview, undo
from workers.runbooks.base import Desk, RunbookRefusedError, Words

BATCH = 200
STANDING: tuple[tuple[RowStage, str], ...] = (
    ("delivery", "ready"), ("delivery", "queued"), ("delivery", "retrying"), ("delivery", "deferred"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Move:
    """Move what is queued and meets a filter to a class."""

    kind: ClassVar[str] = "move"
    filter: Mapping[str, Any]
    cls: str
    rows: int

    @property
    def says(self) -> str:
        """In words."""
        told = ", ".join(f"{name} {value}" for name, value in self.filter.items())
        return f"move {self.rows} rows that are queued ({told}) to class {self.cls}"

    def words(self) -> Words:
        """Its values."""
        return asdict(self)

    def do(self, desk: Desk) -> Words:
        """Move them."""
        return {"move": move(desk.context, RowFilter.of_words(self.filter), cast("Class", self.cls), desk.actor)}

    def undo(self, desk: Desk, memo: Words) -> str:
        """Give their class back to those that have not gone."""
        if not memo:
            return "what was moved is not known; see millrace reprioritize list"
        try:
            undone = undo(desk.context, int(memo["move"]), desk.actor)
        except MoveRefusedError as error:
            return str(error)
        return f"{undone.back} of {undone.moved} moved rows have their class back; the others have gone"


def move_of(desk: Desk, wanted: RowFilter, cls: Class) -> Move | None:
    """The step that moves what a filter meets now; None if that is nothing."""
    rows = preview(desk.context, wanted, cls).rows
    return Move(wanted.words(), cls, rows) if rows else None


@dataclass(frozen=True, slots=True)
class Retry:
    """Give parked rows back to work at once."""

    kind: ClassVar[str] = "retry"
    keys: Sequence[str]

    @property
    def says(self) -> str:
        """In words."""
        return f"retry {' '.join(self.keys)}; what is in doubt is looked up at the target first"

    def words(self) -> Words:
        """Its values."""
        return asdict(self)

    def do(self, desk: Desk) -> Words:
        """Retry them."""
        done = retry(desk.context, [FailureKey.read(key) for key in self.keys], desk.actor)
        if not done.retried:
            raise RunbookRefusedError("; ".join(f"{key}: {why}" for key, why in done.left))
        return {"retried": [str(key) for key in done.retried], "left": [f"{key}: {why}" for key, why in done.left]}

    def undo(self, desk: Desk, memo: Words) -> str:
        """Nothing: they went, or they are parked again."""
        return f"{' '.join(memo.get('retried', self.keys))} went; what failed again is parked again"


@dataclass(frozen=True, slots=True)
class Replay:
    """Replay what is parked and meets a filter, as a job in a ramp behind live traffic."""

    kind: ClassVar[str] = "replay"
    filter: Mapping[str, Any]
    rows: int
    rate_per_s: float
    ramp: Sequence[int] = (1, 10, 100, 1000)
    stop_above: float = 0.2
    patience_s: float = 900.0

    @property
    def says(self) -> str:
        """In words."""
        told = ", ".join(f"{name} {value}" for name, value in self.filter.items())
        rungs = ", ".join(map(str, self.ramp))
        return f"replay {self.rows} parked rows ({told}) as a job: {rungs} at a time, at most {self.rate_per_s:g} a second"

    def words(self) -> Words:
        """Its values."""
        return asdict(self)

    def do(self, desk: Desk) -> Words:
        """Start the job; the relay runs it."""
        pace = Pace(tuple(self.ramp), self.rate_per_s, self.stop_above, self.patience_s)
        return {"job": case_desk.start_job(desk.context, CaseFilter.of_words(self.filter), [], pace, desk.actor)}

    def undo(self, desk: Desk, memo: Words) -> str:
        """Stop the job: what is out runs on, the rest stays parked."""
        if not memo:
            return "whether the job was started is not known; see millrace jobs list"
        stopped = case_desk.steer_job(desk.context, int(memo["job"]), "stop", desk.actor)
        return f"job {memo['job']} is stopped: the rest stays parked" if stopped else f"job {memo['job']} was over already"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send what stands or is parked at a target to another one, unless its effect is in doubt."""

    kind: ClassVar[str] = "redirect"
    target: str
    to: str
    rows: int

    @property
    def says(self) -> str:
        """In words."""
        return f"redirect {self.rows} deliveries that stand at {self.target} to {self.to}, with what waits behind; none in doubt"

    def words(self) -> Words:
        """Its values."""
        return asdict(self)

    def do(self, desk: Desk) -> Words:
        """Redirect them, each in a transaction of its own."""
        moved, left, reasons = 0, 0, dict[str, int]()
        for key in self._keys(desk):
            try:
                moved += len(redirect(desk.context, key, self.to, desk.actor, standing=True).moved)
            except RedirectRefusedError as error:
                left += 1
                reasons[str(error)] = reasons.get(str(error), 0) + 1
        return {"moved": moved, "left": left, "reasons": reasons}

    def undo(self, desk: Desk, memo: Words) -> str:
        """Nothing: a delivery is redirected once."""
        return (
            f"{memo.get('moved', 'some')} deliveries went to {self.to} and stay there; the orders are there with all that follows"
        )

    def _keys(self, desk: Desk) -> list[FailureKey]:
        found: list[int] = []
        wanted = RowFilter(lane=f"deliver.{self.target}")
        with desk.context.ledger.read() as session:
            until = ledger.standing_rows.newest_ids(session)["delivery"]
            for place in STANDING:
                after, full = 0, True
                while full:
                    rows = ledger.standing_rows.batch(session, wanted, place, "", (after, until), BATCH, lock=False)
                    found += [row.id for row in rows]
                    full, after = len(rows) == BATCH, rows[-1].id if rows else after
            wanted_cases = CaseFilter(target=self.target, cls="exhausted")
            parked = ledger.desk.keys_of(session, desk.context.fleet.desk, wanted_cases, desk.now())
        found += [key.id for key in parked if key.stage == "delivery"]
        return [FailureKey("delivery", row_id) for row_id in sorted(found)]


@dataclass(frozen=True, slots=True)
class Assign:
    """Give the cases of a group to an owner, until a time."""

    kind: ClassVar[str] = "assign"
    group: str
    owner: str
    due_s: float
    cases: int

    @property
    def says(self) -> str:
        """In words."""
        return f"give the {self.cases} cases of group {self.group} to {self.owner}, due in {self.due_s / 60:g} min"

    def words(self) -> Words:
        """Its values."""
        return asdict(self)

    def do(self, desk: Desk) -> Words:
        """Assign them."""
        due_at = desk.now() + timedelta(seconds=self.due_s)
        met = self._all(desk, self._keys(desk), self.owner, due_at)
        return {"keys": [str(key) for key in met]}

    def undo(self, desk: Desk, memo: Words) -> str:
        """Give them back to whom the rules say."""
        keys = [FailureKey.read(key) for key in memo.get("keys", [])]
        back = self._all(desk, keys, None, None)
        return f"{len(back)} cases belong to whom the fleet file says again"

    def _keys(self, desk: Desk) -> list[FailureKey]:
        with desk.context.ledger.read() as session:
            return ledger.desk.keys_of(session, desk.context.fleet.desk, CaseFilter(group=self.group), desk.now())

    def _all(self, desk: Desk, keys: Sequence[FailureKey], owner: str | None, due_at: datetime | None) -> list[FailureKey]:
        met: list[FailureKey] = []
        for start in range(0, len(keys), BATCH):
            met += case_desk.assign(desk.context, keys[start : start + BATCH], owner, due_at, desk.actor)
        return met
