"""Runs the reconciling of settlements beside the relay: what is due is compared, a bounded number at a time."""

import threading

from tasks.context import Context
from tasks.reconcile import MOST_AT_ONCE, reconcile
from telemetry.bus import emit
from telemetry.events import Name

EVERY_S = 2.0
MORE_AFTER_S = 0.1
"""While there is more than a round takes: others want to write as well."""


class SettlementKeeper:
    """Compares every few seconds; several at once take different orders. A ledger that is away is met again at the next round."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def run(self, stop: threading.Event) -> None:
        """Round after round until ``stop``."""
        while not stop.is_set():
            try:
                full = self.round() >= MOST_AT_ONCE
            except Exception as error:  # noqa: BLE001  an order that our own code fails on must not end the relay's thread
                full = False
                emit(Name.SETTLEMENT_RECONCILE_FAILED, error=error)
            stop.wait(MORE_AFTER_S if full else EVERY_S)

    def round(self) -> int:
        """One round; returns how many orders and payouts were compared."""
        done = reconcile(self._context)
        if done.opened or done.closed:
            emit(Name.SETTLEMENT_RECONCILE_DONE, count=done.compared, waiting=done.opened)
        return done.compared
