"""Runs the failure desk's jobs beside the relay: one process holds a job at a time, the next takes over what a dead one held."""

import threading
import uuid

import ledger.cases
from tasks.context import Context
from tasks.jobs import work
from telemetry.bus import emit
from telemetry.events import Name

EVERY_S = 1.0
MISSING_EVERY = 30
"""Rounds between looks for parked rows without a case."""
MOST_MISSING = 1_000


class JobRunner:
    """Works on every live job once a second; a ledger or broker that is away is met again at the next round."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._token = uuid.uuid4().hex
        self._rounds = 0

    def run(self, stop: threading.Event) -> None:
        """Round after round until ``stop``."""
        while not stop.is_set():
            try:
                self.round()
            except Exception as error:  # noqa: BLE001  one job that our own code fails on must not end the relay's thread
                emit(Name.JOB_WORK_FAILED, error=error)
            stop.wait(EVERY_S)

    def round(self) -> int:
        """One round; returns how many rows went out. Every thirtieth one opens the cases that are missing."""
        if self._rounds % MISSING_EVERY == 0:
            self._open_missing()
        self._rounds += 1
        return work(self._context, self._token)

    def _open_missing(self) -> None:
        with self._context.ledger.read() as session:
            found = ledger.cases.missing(session, MOST_MISSING)
        if any(found.values()):
            with self._context.ledger.write() as session:
                ledger.cases.open_missing(session, found, self._context.now())
