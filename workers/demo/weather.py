"""Makes the ERP's weather: a throttle, an outage and lost answers, each when enough of the sale has been posted."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from workers.demo.sandbox_client import SandboxClient

THROTTLE_S, OUTAGE_S = 4.0, 3.0
LOW_RATE, LOST_ANSWERS = 15, 6
_THROTTLE_AT, _OUTAGE_AT, _LOST_AT = 0.10, 0.35, 0.55


@dataclass(frozen=True, slots=True)
class Spell:
    """A fault and when it was in force (epoch seconds)."""

    what: str
    began_at: float
    ended_at: float


@dataclass(slots=True)
class Weather:
    """Changes the sandbox's behaviour as the sale goes on; ``rate_per_s`` is what it allows in fair weather."""

    sandbox: SandboxClient
    rate_per_s: float
    burst: int
    tell: Callable[[str], None]
    spells: list[Spell] = field(default_factory=list)
    _ahead: list[str] = field(default_factory=lambda: ["throttle", "outage", "lost answers"])
    _lift_at: float | None = None

    @property
    def over(self) -> bool:
        """All of it has come and gone."""
        return not self._ahead and self._lift_at is None and all(spell.ended_at < time.time() for spell in self.spells)

    def look(self, share_posted: float) -> None:
        """Act if it is time to."""
        if self._lift_at is not None:
            if time.time() >= self._lift_at:
                self._lift()
            return
        if self.spells and time.time() < self.spells[-1].ended_at + 1:
            return
        due = {"throttle": _THROTTLE_AT, "outage": _OUTAGE_AT, "lost answers": _LOST_AT}
        if self._ahead and share_posted >= due[self._ahead[0]]:
            {"throttle": self._throttle, "outage": self._outage, "lost answers": self._lose}[self._ahead.pop(0)]()

    def _throttle(self) -> None:
        self.sandbox.set_limits(rate_per_s=LOW_RATE, burst=1)
        self._lift_at = time.time() + THROTTLE_S
        self._note("throttle", THROTTLE_S)
        self.tell(f"the ERP lowers its limit to {LOW_RATE} requests/s for {THROTTLE_S:.0f} s and answers 429 above it")

    def _lift(self) -> None:
        self.sandbox.set_limits(rate_per_s=self.rate_per_s, burst=self.burst)
        self._lift_at = None
        self.tell(f"the ERP allows {self.rate_per_s:.0f} requests/s again")

    def _outage(self) -> None:
        self.sandbox.arm(kind="outage", for_s=OUTAGE_S, retry_after_s=1)
        self._note("outage", OUTAGE_S)
        self.tell(f"the ERP is down: every request is answered 503 for {OUTAGE_S:.0f} s")

    def _lose(self) -> None:
        self.sandbox.arm(kind="lost_answer", operation="write", next=LOST_ANSWERS)
        self._note("lost answers", 0.0)
        self.tell(f"the ERP commits the next {LOST_ANSWERS} writes and cuts the connection before it answers")

    def _note(self, what: str, for_s: float) -> None:
        self.spells.append(Spell(what, time.time(), time.time() + for_s))
