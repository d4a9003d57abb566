"""Runs what every deed on the pages has: a reason, a second look before the dangerous thing, a word after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.responses import Response

from workers.console.page import Visit

SHORTEST_REASON, LONGEST_REASON = 3, 500


@dataclass(frozen=True, slots=True)
class Plan:
    """A deed before it is done. ``changes`` are (what, before, after); ``facts`` say how much it touches.

    ``fields`` are sent again with the yes. ``action`` is where they go, ``back`` where the person came from.
    """

    title: str
    verb: str
    action: str
    back: str
    reason: str
    says: str = ""
    facts: Sequence[tuple[str, str]] = ()
    changes: Sequence[tuple[str, str, str]] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    danger: bool = True


def reason_of(visit: Visit) -> str | None:
    """The reason that was given; None if there is none worth keeping."""
    reason = visit.actor.why
    return reason if SHORTEST_REASON <= len(reason) <= LONGEST_REASON else None


def no_reason(visit: Visit) -> Response:
    """The answer to a deed without a reason."""
    return visit.refuse(422, "Say why, in a few words: the reason is kept with what you do. Go back and fill it in.")


def sure(visit: Visit) -> bool:
    """Whether the person has seen the plan and said yes."""
    return visit.form.get("sure") == "yes"


def ask(visit: Visit, plan: Plan) -> Response:
    """Show what would be done, with a button that does it."""
    return visit.show("confirm.html", plan=plan)
