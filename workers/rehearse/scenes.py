"""Runs the setting of a scene: fleet file, profile, what operators set and the windows become what is rehearsed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import adapters.erps.base
import ledger.peaks
from config.fleet import Fleet
from config.nearest import ConfigError, hint
from config.peaks import PeakProfile, read_profile
from config.settings import Secrets
from config.topology import load_topology
from routing import names
from tasks.in_force import rules_of
from workers.bootstrap import build_erp
from workers.maintenance import Windows
from workers.plan import Rules
from workers.rehearse.erp import Outage
from workers.rehearse.service import Service
from workers.rehearse.stage import Scene

NOTHING_SET = Rules({}, Windows())
CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants rehearsed. ``lanes`` empty: all; ``workers`` by pool, where they are other than filed."""

    begins_s: float
    lanes: Sequence[str] = ()
    workers: Mapping[str, int] | None = None
    outages: Sequence[Outage] = ()
    longest_s: float = 7 * 86_400.0
    seed: int = 1


def profile_in_force(rules: Rules) -> PeakProfile | None:
    """The peak profile that is in force now. Raises ConfigError if this release cannot read it."""
    standing = ledger.peaks.read(rules.set_now.get(ledger.peaks.PEAK))
    return None if standing is None else read_profile(standing.profile, f"peak profile {standing.name}")


def scene_of(fleet: Fleet, profile: PeakProfile | None, rules: Rules, secrets: Secrets, service: Service, wish: Wish) -> Scene:
    """The scene of a profile (None: the fleet file alone) over a fleet. Raises ConfigError for a name that is not in it."""
    if profile is not None:
        profile.fits(fleet)
    preparing = rules_of(fleet, profile.kept() if profile else None)
    over = _with_pools(profile.over(fleet), profile) if profile else fleet
    # The profile is in the fleet that is rehearsed; another one in force must not lie over it.
    set_now = {name: told for name, told in rules.set_now.items() if name != ledger.peaks.PEAK}
    topology = load_topology()
    return Scene(
        fleet=over,
        rules=Rules(set_now, rules.windows),
        preparing=preparing,
        topology=topology,
        erps=erps_of(fleet, secrets),
        service=service,
        lanes=_lanes(fleet, tuple(topology.domains), wish.lanes),
        workers=_workers(over, profile, wish.workers or {}),
        begins_s=wish.begins_s,
        longest_s=wish.longest_s,
        outages=wish.outages,
        seed=wish.seed,
    )


def _with_pools(fleet: Fleet, profile: PeakProfile) -> Fleet:
    pools = {
        name: pool.model_copy(update={"concurrency": told.concurrency})
        if (told := profile.pools.get(name)) and told.concurrency
        else pool
        for name, pool in fleet.pools.items()
    }
    return fleet.model_copy(update={"pools": pools})


def _workers(fleet: Fleet, profile: PeakProfile | None, wished: Mapping[str, int]) -> dict[str, int]:
    for pool in wished:
        if pool not in fleet.pools:
            raise ConfigError(f"no pool {pool!r} in the fleet file; {hint(pool, fleet.pools)}")
    told = {name: pool.processes for name, pool in (profile.pools.items() if profile else ()) if pool.processes}
    return {name: pool.processes for name, pool in fleet.pools.items()} | told | dict(wished)


def _lanes(fleet: Fleet, domains: tuple[str, ...], wished: Sequence[str]) -> frozenset[str]:
    for lane in wished:
        if lane not in fleet.families:
            raise ConfigError(f"no lane {lane!r}; {hint(lane, fleet.families)}")
    delivering = [lane for lane in wished if names.target_of(lane)]
    return frozenset((*domains, *(delivering or (names.lane(target) for target in fleet.targets))))


def erps_of(fleet: Fleet, secrets: Secrets) -> dict[str, adapters.erps.base.Erp]:
    """Every target's adapter, as one that is never sent through: a secret that is not set does not matter."""
    # Nothing is sent: what an adapter is asked is how many requests a posting takes.
    known = {target.secret: b"rehearsed" for target in fleet.targets.values() if target.secret}
    return {name: build_erp(name, target, Secrets({**known, **secrets})) for name, target in fleet.targets.items()}
