"""Runs `millrace demo`: a whole fleet, a flash sale poured through it, faults on the way, and a report that proves itself."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.exits import Exit
from workers.cli.output import Json, fail, say, show_json

if TYPE_CHECKING:
    from workers.demo.report import Report


def demo(
    orders: Annotated[int, typer.Option("--orders", min=20, max=5_000, help="Orders of the sale.")] = 360,
    seed: Annotated[int, typer.Option("--seed", help="The same seed pours the same sale.")] = 7,
    senders: Annotated[int, typer.Option("--senders", min=1, max=128, help="Connections of the senders.")] = 16,
    limit_s: Annotated[
        float | None, typer.Option("--limit-s", min=10, help="Give up after so long; default: by the sale's size.")
    ] = None,
    faults: Annotated[bool, typer.Option(help="Throttle, stop and cut off the ERP in the middle of the sale.")] = True,
    flower: Annotated[bool, typer.Option(help="Start Flower as well.")] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the fleet running until Ctrl-C and print its addresses.")] = False,
    folder: Annotated[Path | None, typer.Option("--folder", help="Keep logs and ledger in this empty folder.")] = None,
    as_json: Json = False,
) -> None:
    """Pour a flash sale through a whole private fleet on this machine and prove that nothing was lost or doubled.

    Exits 0 only if the ERP's own log shows every accepted order in effect exactly once, to the cent.

    Examples: millrace demo   millrace demo --orders 1000 --keep   millrace demo --json > report.json
    """
    began = time.monotonic()
    from workers.demo.interrupts import Interrupted
    from workers.demo.run import run
    from workers.demo.stage import FleetError, Wish

    if folder is not None and folder.exists() and any(folder.iterdir()):
        fail(f"{folder} is not empty; name a new folder", Exit.USAGE)
    limit_s = limit_s or 100 + orders / 5
    wish = Wish(orders, seed, senders, limit_s, faults, flower, keep, folder)
    try:
        report = run(wish, _as_json if as_json else _as_text, began)
    except FleetError as error:
        fail(f"{error}\nnothing is left running; millrace demo --folder DIR keeps the logs", Exit.UNAVAILABLE)
    except Interrupted:
        say("millrace: stopped; nothing is left running")
        raise typer.Exit(int(Exit.INTERRUPTED)) from None
    if not report.passed and folder is None:
        say(f"millrace: once more with its logs kept: millrace demo --orders {orders} --seed {seed} --folder DIR")
    raise typer.Exit(int(Exit.OK if report.passed else Exit.FAILED))


def _as_json(report: "Report") -> None:
    show_json(report.as_json())
    sys.stdout.flush()


def _as_text(report: "Report") -> None:
    from workers.demo.report_text import lines_of

    sys.stdout.write("\n".join(lines_of(report)) + "\n")
    sys.stdout.flush()
