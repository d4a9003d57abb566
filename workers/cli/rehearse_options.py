"""Runs the options of `millrace rehearse`: what each means and how it is written."""

from pathlib import Path
from typing import Annotated

import typer

CURVES = ("flat", "ramp", "flash-sale", "black-friday-day")

Many = list[str] | None
Profile = Annotated[str, typer.Argument(help="A peak profile, or current: what is in force now.", show_default=False)]
Arrivals = Annotated[
    str, typer.Option(help=f"A CSV file, or a curve: {', '.join(CURVES)}.", metavar="FILE|CURVE", show_default=False)
]
Lanes = Annotated[Many, typer.Option(help="Only these lanes; may be repeated.", metavar="LANE")]
Rate = Annotated[float, typer.Option(help="Of a curve: events a second in normal times.", min=0.0001)]
Multiplier = Annotated[float, typer.Option(help="Of a curve: how many times that its peak is.", min=0.0001)]
Lasts = Annotated[str, typer.Option("--for", help="Of a curve: how long.", metavar="SPAN")]
Channel = Annotated[str, typer.Option(help="Of a curve: the source; the first of the fleet file unless given.")]
Parts = Annotated[Many, typer.Option(help="Of a curve: part of express orders and of returns, express=0.2.")]
ServiceFile = Annotated[Path | None, typer.Option(help="A TOML file of service times.", show_default=False)]
FromLedger = Annotated[bool, typer.Option("--from-ledger", help="Service times from the newest attempts.")]
Workers = Annotated[Many, typer.Option(help="Workers of a pool, deliver=3; may be repeated.", metavar="POOL=N")]
Promises = Annotated[Many, typer.Option(help="A class's promise, high=5m: at its target so soon.", metavar="CLASS=SPAN")]
Outages = Annotated[Many, typer.Option(help="A target is down, netsuite=20m+10m: from, length.", metavar="TARGET=SPAN+SPAN")]
Begins = Annotated[str, typer.Option("--at", help="When it begins; a file's own dates, else now.", metavar="MOMENT")]
Longest = Annotated[str, typer.Option(help="Broken off after so long.", metavar="SPAN")]
Seed = Annotated[int, typer.Option(help="Chance; the same seed gives the same figures.")]
Plot = Annotated[Path | None, typer.Option(help="Draw it: a .png or .svg file.", show_default=False)]
SaveArrivals = Annotated[Path | None, typer.Option("--save-arrivals", help="Write the arrivals as CSV.", show_default=False)]
