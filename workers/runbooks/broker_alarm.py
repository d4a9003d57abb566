"""Runs the runbook of a broker alarm: no new work is made while what is queued drains, until memory or disk is free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import ledger.outcomes
from workers.runbooks.base import Check, Desk, Parameter, RunbookRefusedError, Step, Words
from workers.runbooks.lane_steps import Hold

MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class BrokerAlarm:
    """The broker is short of memory or disk and reads no publisher any more. Consumers go on."""

    name: ClassVar[str] = "broker-alarm"
    title: ClassVar[str] = "The broker has an alarm of memory or disk"
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    def check(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """It answers, but takes no messages."""
        answers = desk.broker.answers()
        takes = answers and desk.broker.takes_messages()
        return [
            Check("the broker answers", answers, "yes" if answers else "no connection: this is an outage, not an alarm"),
            Check(
                "the broker takes no messages",
                answers and not takes,
                "it confirmed two" if takes else "not both of two were confirmed",
            ),
        ]

    def plan(self, desk: Desk, given: Mapping[str, str]) -> Sequence[Step]:
        """Hold the preparing; deliveries drain."""
        held = [domain for domain in desk.domains if desk.lane(domain).state.scale > 0]
        if not held:
            raise RunbookRefusedError("every preparing lane is held already")
        return [Hold(domain) for domain in held]

    def verify(self, desk: Desk, given: Mapping[str, str], done: Sequence[Words], since: datetime) -> list[Check]:
        """Nothing is prepared; what is queued for targets goes on; what could not be published is kept."""
        held = [step["values"]["lane"] for step in done]
        states = {lane: desk.lane(lane).state.scale for lane in held}
        lanes = [desk.lane(f"deliver.{target}") for target in desk.context.fleet.targets]
        at_broker = sum(place.messages or 0 for view in lanes for place in view.waiting)
        with desk.context.ledger.read() as session:
            tried = sum(sum(ledger.outcomes.lately(session, t, since).values()) for t in desk.context.fleet.targets)
            kept = ledger.outcomes.unpublished(session, MOST_COUNTED)
        return [
            Check("the preparing is held", not any(states.values()), ", ".join(held)),
            Check("deliveries go on", tried > 0 or at_broker == 0, f"{tried} attempts since, {at_broker} messages wait"),
            Check("what is not published is kept", True, f"{kept} rows wait in the ledger for the relay"),
        ]

    def may_undo(self, desk: Desk, given: Mapping[str, str]) -> list[Check]:
        """It takes messages again."""
        takes = desk.broker.takes_messages()
        return [
            Check("the broker takes messages again", takes, "it confirmed two" if takes else "not both of two were confirmed")
        ]
