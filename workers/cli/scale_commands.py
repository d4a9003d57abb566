"""Runs `millrace scale plan`: how many workers a drain time takes, and whether the ERP's limit lets it be."""

import dataclasses
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.exits import EPILOG, Exit
from workers.cli.moments import seconds, span
from workers.cli.output import Json, fail, say, show_json, show_table
from workers.cli.wiring import open_ledger, settings, told_if_away

if TYPE_CHECKING:
    from adapters.throttle.base import Limit
    from config.fleet import Fleet
    from config.settings import Settings
    from workers.plan import Rules
    from workers.rehearse.scaling import Need, Work
    from workers.rehearse.service import Service

scale = typer.Typer(help="How many workers it takes.", epilog=EPILOG, no_args_is_help=True)


@scale.command(
    "plan",
    epilog="Examples: millrace scale plan --drain-within 2h   "
    "millrace scale plan --drain-within 30m --lane deliver.netsuite --inflow measured --json\n\n"
    "Exit codes: 0 it can be done, 1 it cannot in that time, else as everywhere.",
)
def plan_scale(
    within: Annotated[str, typer.Option("--drain-within", help="So soon all that waits is to be done.", metavar="SPAN",
                                        show_default=False)],
    lane: Annotated[list[str] | None, typer.Option(help="Only these lanes; may be repeated.", metavar="LANE")] = None,
    inflow: Annotated[str, typer.Option(help="Events a second that keep coming: a number, or measured.")] = "0",
    service: Annotated[Path | None, typer.Option(help="A TOML file of service times, where none are measured.",
                                                 show_default=False)] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Say how many slots and workers it takes to have what waits now done in time. Where the limit of a target makes that
    impossible, say the soonest that is possible, and plan for that.

    Times are measured from the newest attempts. All rows that wait are counted, however many. Nothing is changed.
    """
    from workers.rehearse.scaling import need_of
    from workers.rehearse.service import Service, load_service

    within_s = seconds(within)
    if within_s <= 0:
        fail("--drain-within: give a time above 0", Exit.USAGE)
    loaded = settings()
    lanes = _lanes(loaded, lane or [])
    from workers.cli.measuring import measured

    times = measured(loaded, load_service(service) if service else Service())
    works, rules = _living(loaded, times, inflow)
    fleet = rules.over(loaded.fleet)
    needs = [need_of(work, _limit(rules, loaded, work.lane), within_s) for work in works if work.lane in lanes]
    pools = _pools(fleet, needs)
    assumed = times.told([name for name in fleet.targets if f"deliver.{name}" in lanes])
    if as_json:
        show_json({"drain_within_s": within_s, "times": assumed, "lanes": [_values(need) for need in needs], "pools": pools})
    else:
        _show(needs, pools, within_s)
        for target, told in assumed.items():
            say(f"times of {target}: " + ", ".join(f"{name} {value:g}" for name, value in told.items()))
    if not all(need.possible for need in needs):
        raise typer.Exit(int(Exit.FAILED))


def _lanes(loaded: "Settings", wished: list[str]) -> tuple[str, ...]:
    from workers.cli.lanes_names import checked_lane

    return tuple(checked_lane(loaded.fleet, one) for one in wished) or loaded.fleet.families


def _living(loaded: "Settings", times: "Service", inflow: str) -> tuple[list["Work"], "Rules"]:
    from config.settings import load_secrets
    from config.topology import load_topology
    from ledger import measured as ledger_measured
    from workers.plan import read_rules
    from workers.rehearse.backlog import works_of
    from workers.rehearse.scenes import erps_of

    now = datetime.now(UTC)
    with told_if_away("is it up, and migrated (millrace db upgrade)?"):
        opened = open_ledger(loaded)
        try:
            with opened.read() as session:
                rules = read_rules(session, now)
                stands = ledger_measured.standing(session)
                unread = ledger_measured.unread(session, load_topology().domains)
                per_s = ledger_measured.inflow_per_s(session, now) if inflow == "measured" else _per_s(inflow)
        finally:
            opened.close()
    return works_of(loaded.fleet, erps_of(loaded.fleet, load_secrets()), times, stands, unread, per_s), rules


def _per_s(told: str) -> float:
    try:
        per_s = float(told)
    except ValueError:
        per_s = math.nan
    if not (math.isfinite(per_s) and per_s >= 0):
        fail(f"--inflow {told!r}: write events a second, or measured", Exit.USAGE)
    return per_s


def _limit(rules: "Rules", loaded: "Settings", lane: str) -> "Limit | None":
    from routing.names import target_of

    target = target_of(lane)
    return rules.limit(loaded.fleet, target) if target else None


def _pools(fleet: "Fleet", needs: list["Need"]) -> list[dict[str, object]]:
    from workers.rehearse.scaling import workers_for

    found: list[dict[str, object]] = []
    for name, pool in fleet.pools.items():
        served = [need for need in needs if need.lane in pool.families]
        if not served:
            continue
        takes = workers_for(served, pool.concurrency, threads=pool.kind == "threads")
        slots, cpu = sum(need.slots for need in served), sum(need.cpu for need in served)
        found.append(
            {"pool": name, "slots": slots, "cpu": cpu, "slots_each": pool.concurrency, "workers": takes, "filed": pool.processes}
        )
    return found


def _values(need: "Need") -> dict[str, object]:
    told = dataclasses.asdict(need) | {"slots": need.slots}
    return {name: None if value == math.inf else value for name, value in told.items() if name != "demand"}


def _show(needs: list["Need"], pools: list[dict[str, object]], within_s: float) -> None:
    rows = [
        (need.lane, str(need.rows), str(need.calls), _soonest(need), need.bound or "-", "yes" if need.possible else "no",
         str(need.slots))
        for need in needs
    ]  # fmt: skip
    show_table(["lane", "rows", "requests", "soonest", "bound by", f"in {span(within_s)}", "slots"], rows)
    show_table(
        ["pool", "slots", "of each worker", "workers", "in the fleet file"],
        [(str(one["pool"]), str(one["slots"]), str(one["slots_each"]), str(one["workers"]), str(one["filed"])) for one in pools],
    )
    for need in needs:
        if not need.possible:
            say(f"{need.lane}: the {need.bound} of its limit makes that impossible; the soonest is {_soonest(need)}"
                f"{'' if math.isfinite(need.soonest_s) else ': more comes than it lets through'}")  # fmt: skip


def _soonest(need: "Need") -> str:
    return span(need.soonest_s) if math.isfinite(need.soonest_s) else "never"
