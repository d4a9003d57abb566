"""Measures one contender once at a throttled ERP: its whole allowance used, nothing refused, in four weathers.

``throttled``: the limit known and two workers. ``killed``: one of them is killed and two are added. ``shared``: another user
of the account takes half of both limits for a while. ``learned``: nobody told the contender the limit.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from bench import allowance
from bench.contenders import Contender, Told
from bench.limits import Limits
from bench.services import Site
from bench.stage import Run, Stage

ERP = Limits(service_s=0.1, rate_per_s=50.0, burst=10, at_once=10)
TOLD = Told(rate_per_s=50.0, burst=10, at_once=10)
"""What a contender's operator knows: the account's own figures."""
HALF = Limits(service_s=0.1, rate_per_s=25.0, burst=5, at_once=5)
WARM = 20
WAITING = 2_000
BEGIN_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Length:
    """How long a run is looked at, in seconds; a smoke run is shorter than a measurement."""

    throttled_s: float = 15.0
    kill_after_s: float = 6.0
    killed_orders: int = 1_500
    shared_after_s: float = 4.0
    shared_s: float = 15.0
    given_back_s: float = 8.0
    learn_s: float = 30.0
    learned_s: float = 10.0


MEASURED = Length()


def throttled(contender: Contender, site: Site, length: Length = MEASURED) -> Run:
    """Share of the allowance used and of requests refused while a backlog stands."""
    with _Weather(contender, site) as run:
        keys = run.begin(WAITING)
        run.until(length.throttled_s)
        return run.told(keys, run.began_s, run.began_s + length.throttled_s)


def killed(contender: Contender, site: Site, length: Length = MEASURED) -> Run:
    """The same with one worker killed and two added on the way, to the end of the backlog."""
    with _Weather(contender, site) as run:
        keys = run.begin(length.killed_orders)
        run.until(length.kill_after_s)
        contender.kill_worker()
        contender.start_workers(run.services, run.erp.url)
        # What the dead one had in hand comes last: its claims have to end first.
        run.erp.wait_for(keys, length.killed_orders / 10)
        _, end_s = allowance.standing(run.erp.requests(), keys, ERP.at_once or 1)
        return run.told(keys, run.began_s, end_s or time.monotonic())


def shared(contender: Contender, site: Site, length: Length = MEASURED) -> Run:
    """The same while half of both limits is taken away without a word, and while they come back."""
    with _Weather(contender, site) as run:
        keys = run.begin(WAITING)
        run.until(length.shared_after_s)
        taken_s = time.monotonic()
        run.erp.limit(HALF)
        run.until(length.shared_after_s + length.shared_s)
        given_back_s = time.monotonic()
        run.erp.limit(ERP)
        run.until(length.shared_after_s + length.shared_s + length.given_back_s)
        end_s = time.monotonic()
        whole = run.told(keys, run.began_s, end_s)
        requests, changes = run.erp.requests(), run.erp.changes()
        figures = {
            "used": allowance.used(requests, changes, taken_s, given_back_s),
            "refused": allowance.refused(requests, taken_s, end_s),
            "used_when_given_back": allowance.used(requests, changes, given_back_s, end_s),
            "used_in_all": whole.figures["used"],
        }
        return replace(whole, figures=figures)


def learned(contender: Contender, site: Site, length: Length = MEASURED) -> Run:
    """Share of the allowance used after a time to learn in, by a contender that was told nothing."""
    with _Weather(contender, site) as run:
        keys = run.begin(WAITING + int(50 * length.learned_s))
        run.until(length.learn_s + length.learned_s)
        end_s = run.began_s + length.learn_s + length.learned_s
        whole = run.told(keys, run.began_s, end_s)
        requests, changes = run.erp.requests(), run.erp.changes()
        figures = {
            "used": allowance.used(requests, changes, end_s - length.learned_s, end_s),
            "refused": allowance.refused(requests, end_s - length.learned_s, end_s),
            "used_from_the_start": whole.figures["used"],
            "refused_from_the_start": whole.figures["refused"],
        }
        return replace(whole, figures=figures)


WEATHERS: dict[str, Callable[[Contender, Site, Length], Run]] = {
    "throttled": throttled,
    "killed": killed,
    "shared": shared,
    "learned": learned,
}


class _Weather(Stage):
    """A run at the throttled ERP, with the moment its first order of the backlog was let in."""

    def __init__(self, contender: Contender, site: Site) -> None:
        super().__init__(contender, site, ERP)
        self.began_s = 0.0

    def begin(self, orders: int) -> set[str]:
        """Lay the backlog before the warm, frozen workers, let them go, wait for their first order; the backlog's keys."""
        self.intake(WARM, sample=True)
        self.workers()
        keys = self.lay_before_frozen_workers({"normal": orders})["normal"]
        deadline = time.monotonic() + BEGIN_LIMIT_S
        while not self.began_s:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.contender.name}: no order within {BEGIN_LIMIT_S:.0f} s of a full backlog")
            time.sleep(0.05)
            self.began_s = min((one.admitted_s for one in self.erp.requests() if one.key in keys), default=0.0)
        return keys

    def until(self, after_s: float) -> None:
        """Wait until so many seconds after the first order."""
        time.sleep(max(0.0, self.began_s + after_s - time.monotonic()))

    def told(self, keys: set[str], start_s: float, end_s: float) -> Run:
        """What the ERP's log says of this time; void where the backlog did not stand throughout."""
        erp = self.erp
        faults = self.proof(keys)
        requests, changes = erp.requests(), erp.changes()
        _, over_s = allowance.standing(requests, keys, ERP.at_once or 1)
        if over_s is not None and over_s < end_s:
            faults += f" the backlog stood for {over_s - start_s:.1f} s of {end_s - start_s:.1f} s"
        seen = [one for one in requests if start_s <= one.admitted_s < end_s]
        figures = {
            "used": allowance.used(requests, changes, start_s, end_s),
            "refused": allowance.refused(requests, start_s, end_s),
            "requests_per_s": len(seen) / (end_s - start_s),
        }
        return Run(self.contender.name, figures, faults.strip(), allowance.curve(requests, changes, start_s, end_s))
