"""A sale as it would look if everything went right: the sender's log, the ERP's log and the desk, for the proof to judge."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from workers.demo.desk import Desk, Parked
from workers.demo.effects import effects_of
from workers.demo.flash_sale import flash_sale
from workers.demo.model import Expected, expected_of
from workers.demo.proof import Proof, prove
from workers.demo.reception import Reception, reception_of
from workers.demo.sent_log import Attempt
from workers.demo.webhook import Webhook
from workers.sandbox.journal import Entry
from workers.sandbox.judge import ExpectedEffect

OPENED_AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale and everything that is known of it afterwards."""

    webhooks: list[Webhook]
    reception: Reception
    expected: Expected
    log: list[Entry]
    desk: Desk

    def proof(self, **changed: object) -> Proof:
        """The verdict, with ``log``, ``desk`` or ``reception`` exchanged."""
        told = {"log": self.log, "desk": self.desk, "reception": self.reception} | changed
        return prove(self.expected, told["reception"], told["log"], told["desk"], [])  # type: ignore[arg-type]


def right_sale(orders: int = 60, seed: int = 3) -> Sale:
    """A sale in which every sender was answered rightly, and every effect came about once."""
    webhooks = flash_sale(seed, orders, OPENED_AT)
    reception = reception_of(webhooks, attempts_of(webhooks))
    expected = expected_of(webhooks, reception)
    log = [entry(n, effect) for n, effect in enumerate(e for e in effects_of(expected) if not e.optional)]
    return Sale(webhooks, reception, expected, log, desk_of(reception, expected))


def attempts_of(webhooks: list[Webhook]) -> Iterator[Attempt]:
    """Every webhook sent at its time and answered as it should be."""
    for n, hook in enumerate(webhooks):
        at = OPENED_AT.timestamp() + hook.at_s
        yield Attempt(n, 1, at, at + 0.01, hook.refusal or 200)


def entry(n: int, effect: ExpectedEffect) -> Entry:
    """The line an ERP writes for an effect that came about."""
    return Entry(
        n=n,
        at=OPENED_AT + timedelta(seconds=20 + n / 50),
        took_ms=30,
        method="PUT",
        path="/",
        operation=f"{effect.record}.upsert",
        record=effect.record,
        external_id=effect.external_id,
        version="1",
        internal_id=str(1_000 + n),
        committed=True,
        quantity=None if effect.quantity is None else str(effect.quantity),
        total=None if effect.total is None else str(effect.total),
        answer=204,
    )


def desk_of(reception: Reception, expected: Expected) -> Desk:
    """A desk on which everything lies where the model wants it."""
    parked_orders = {
        key: Parked(end.parked[0], end.parked[1] or "netsuite.invalid_content", "", "")
        for key, end in expected.orders.items()
        if end.parked
    }
    return Desk(
        known=frozenset(reception.accepted),
        unended=dict.fromkeys(expected.orphans, "waiting"),
        parked_events={event: Parked(cls, code, "", "") for event, (cls, code) in expected.parked_events.items()},
        parked_orders=parked_orders,
        unfinished={},
        retried=0,
        stale=0,
    )
