"""Reads the sender's log: what was accepted and when, what was told twice, what was refused, and what should not have been."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workers.demo.sent_log import Attempt
from workers.demo.webhook import Webhook

Event = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Reception:
    """What the receiver answered, told by the sender alone.

    ``accepted`` is the time of the first 2xx by event; ``first_sent`` the time of the first attempt. ``refused`` counts
    webhooks by the status they were rightly refused with. ``mistakes`` are answers that should have been others.
    """

    accepted: Mapping[Event, float]
    first_sent: Mapping[Event, float]
    answered: int
    attempts: int
    refused: Mapping[int, int]
    hung_up: int
    sent_again: int
    mistakes: tuple[tuple[Webhook, str], ...]

    @property
    def duplicates(self) -> int:
        """2xx answers to events that had one before: received and dropped."""
        return self.answered - len(self.accepted)


def reception_of(webhooks: Sequence[Webhook], attempts: Iterable[Attempt]) -> Reception:
    """Read the log. A webhook is judged by its last attempt."""
    ordered = sorted(attempts, key=lambda attempt: attempt.ended_at)
    accepted: dict[Event, float] = {}
    first_sent: dict[Event, float] = {}
    last: dict[int, Attempt] = {}
    for attempt in ordered:
        event = webhooks[attempt.n].known_as
        first_sent[event] = min(first_sent.get(event, attempt.sent_at), attempt.sent_at)
        last[attempt.n] = attempt
        if attempt.accepted:
            accepted.setdefault(event, attempt.ended_at)
    refused = Counter(
        hook.refusal for n, hook in enumerate(webhooks) if hook.refusal and n in last and last[n].status == hook.refusal
    )
    return Reception(
        accepted=accepted,
        first_sent=first_sent,
        answered=sum(attempt.accepted for attempt in ordered),
        attempts=len(ordered),
        refused={status: count for status, count in refused.items() if status},
        hung_up=sum(attempt.error.startswith("hung up") for attempt in ordered),
        sent_again=sum(attempt.attempt > 1 for attempt in ordered),
        mistakes=tuple(_mistakes(webhooks, last)),
    )


def _mistakes(webhooks: Sequence[Webhook], last: Mapping[int, Attempt]) -> Iterable[tuple[Webhook, str]]:
    for n, hook in enumerate(webhooks):
        made = last.get(n)
        if made is None:
            yield hook, "was never sent"
        elif hook.refusal is None and not made.accepted:
            yield hook, f"was not accepted: {made.status or made.error} after {made.attempt} attempts"
        elif hook.refusal is not None and made.status != hook.refusal:
            yield hook, f"was answered {made.status or made.error}, not {hook.refusal}"
