"""Runs what the failure desk's commands share: choosing cases by conditions, moments as people write them, who acts and why."""

import inspect
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from workers.cli.exits import Exit
from workers.cli.lanes_names import operator
from workers.cli.output import fail

if TYPE_CHECKING:
    from ledger.actions import Actor
    from ledger.desk import Filter
    from ledger.failures import FailureKey

FailureClass = Literal["malformed", "rejected", "exhausted", "poison", "defect", "orphan"]
Key = Annotated[str, typer.Argument(help="e12 an event, d34 a delivery, m5 a dead message.", show_default=False)]
Keys = Annotated[list[str], typer.Argument(help="e12 an event, d34 a delivery, m5 a dead message.", show_default=False)]
Cls = Annotated[FailureClass | None, typer.Option("--class", help="Only this class.")]
Code = Annotated[str | None, typer.Option(help="Only this code; its beginning with * at the end.")]
TargetName = Annotated[str | None, typer.Option("--target", help="Only deliveries to this target.")]
SourceName = Annotated[str | None, typer.Option("--source", help="Only what this source told.")]
OperationName = Annotated[str | None, typer.Option("--operation", help="Only this operation or topic; its beginning with *.")]
OwnerName = Annotated[str | None, typer.Option("--owner", help="Only what belongs to this owner.")]
GroupName = Annotated[str | None, typer.Option("--group", help="Only this group of causes, see failures groups.")]
Text = Annotated[str | None, typer.Option("--text", help="Only with this text in cause, code or business key.")]
Since = Annotated[str | None, typer.Option(help="Failed last at or after: 2h, 3d (ago) or 2026-11-27T09:00Z.")]
Until = Annotated[str | None, typer.Option(help="Failed last before: as --since.")]
By = Annotated[str, typer.Option("--by", help="Who does it; kept. The login name here if not given.")]
Why = Annotated[str, typer.Option("--why", help="Why; kept.")]

_SPAN = re.compile(r"([0-9]{1,6})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def with_conditions(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter is a filter: it has the options that make one, ``--class``, ``--target`` and the others."""
    own = list(inspect.signature(command).parameters.values())[1:]
    conditions = inspect.signature(_filter).parameters

    def called(**given: Any) -> None:
        wanted = _filter(**{name: given.pop(name) for name in conditions})
        command(wanted, **given)

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    options = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*conditions.values(), *own)]
    # How the command line is told of options that no parameter list names.
    called.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return called


def ago(told: str | None) -> datetime | None:
    """A moment: ``2h`` before now, or as ISO 8601 with its zone."""
    return _moment(told, -1)


def ahead(told: str | None) -> datetime | None:
    """A moment: ``2h`` after now, or as ISO 8601 with its zone."""
    return _moment(told, 1)


def actor(by: str, why: str, *, needed: bool = False) -> "Actor":
    """Who acts and why; without a reason where one is needed the command ends with code 2."""
    from ledger.actions import Actor

    if needed and not why.strip():
        fail("say why: --why '...' is kept with what is changed", Exit.USAGE)
    return Actor(operator(by)[:80], why)


def read_keys(texts: Sequence[str]) -> "list[FailureKey]":
    """The keys given; a wrong one ends the command with code 2."""
    from ledger.failures import FailureKey

    try:
        return [FailureKey.read(text) for text in texts]
    except ValueError as error:
        fail(str(error), Exit.USAGE)


def _filter(
    cls: Cls = None, code: Code = None, target: TargetName = None, source: SourceName = None, operation: OperationName = None,
    owner: OwnerName = None, group: GroupName = None, text: Text = None, since: Since = None, until: Until = None,
) -> "Filter":  # fmt: skip
    from ledger.desk import Filter

    return Filter(
        cls or None, code or None, target or None, source or None, operation or None, owner or None, group or None, text or None,
        ago(since), ago(until),
    )  # fmt: skip


def _moment(told: str | None, sign: int) -> datetime | None:
    if told is None:
        return None
    span = _SPAN.fullmatch(told)
    if span:
        return datetime.now(UTC) + sign * timedelta(seconds=int(span[1]) * _UNIT_S[span[2]])
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        fail(f"{told!r} is no moment: write 30m, 2h, 3d or 2026-11-27T09:00Z", Exit.USAGE)
    if moment.tzinfo is None:
        fail(f"{told!r} has no zone: write 2026-11-27T09:00Z or +01:00", Exit.USAGE)
    return moment
