"""Runs the check of the audit chain for the console: one at a time, the last one remembered."""

import threading
from datetime import datetime
from typing import TYPE_CHECKING

import ledger.audit
from ledger.chain import Verdict

if TYPE_CHECKING:
    from workers.console.desk import Desk


class Checks:
    """The last check of the chain in this process."""

    def __init__(self) -> None:
        self.last: tuple[datetime, Verdict] | None = None
        self._lock = threading.Lock()

    def run(self, desk: "Desk") -> None:
        """Check now; nothing if a check is running, for it reads all of the table."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            with desk.context.ledger.read() as session:
                self.last = (desk.clock(), ledger.audit.check(session))
        finally:
            self._lock.release()
