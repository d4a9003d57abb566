"""Runs `millrace demo`: a whole fleet, a flash sale poured through it, faults on the way, and a report that proves itself."""

from typing import Annotated

import typer

from workers.cli.exits import Exit
from workers.cli.output import Json, fail, say, show_json
from workers.cli.wiring import settings


def demo(
    orders: Annotated[int, typer.Option("--orders", min=20, max=5_000, help="Orders of the sale.")] = 360,
    seed: Annotated[int, typer.Option("--seed", help="The same seed pours the same sale.")] = 7,
    senders: Annotated[int, typer.Option("--senders", min=1, max=128, help="Connections of the sender.")] = 24,
    limit_s: Annotated[float, typer.Option("--limit-s", min=10, help="Give up when it has not settled after this long.")] = 120.0,
    faults: Annotated[bool, typer.Option(help="Throttle, break and cut off the ERP in the middle of the sale.")] = True,
    flower: Annotated[bool, typer.Option(help="Start Flower as well.")] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the fleet running until Ctrl-C and print its addresses.")] = False,
    as_json: Json = False,
) -> None:
    """Pour a flash sale through a whole private fleet on this machine and prove that nothing was lost or doubled.

    Exits 0 only if the ERP's own log shows every accepted order in effect exactly once, to the cent.

    Examples: millrace demo   millrace demo --orders 1000 --keep   millrace demo --json > report.json
    """
    from workers.demo.run import Interrupted, NotStarted, Wish, run
    from workers.demo.screen import show_report

    wish = Wish(orders=orders, seed=seed, senders=senders, limit_s=limit_s, faults=faults, flower=flower, keep=keep)
    try:
        report = run(settings(), wish)
    except NotStarted as error:
        fail(str(error), Exit.UNAVAILABLE)
    except Interrupted:
        say("millrace: stopped; everything that ran is gone")
        raise typer.Exit(int(Exit.INTERRUPTED)) from None
    if as_json:
        show_json(report.as_json())
    else:
        show_report(report)
    raise typer.Exit(int(Exit.OK if report.passed else Exit.FAILED))
