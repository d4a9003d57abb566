"""Runs the demo: fleet up, sale poured, ERP troubled, everything settled, then the proof."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from config.settings import Settings, load_settings
from workers.demo.interrupts import Interrupted, interruptible
from workers.demo.report import Report, Times
from workers.demo.screen import Screen
from workers.demo.stage import ERP, LOOK_EVERY_S, FleetError, Wish, check, staged
from workers.local.service import LocalServiceError
from workers.up import RunningFleet, start_fleet

FLEET_FILE = Path(__file__).parents[2] / "config" / "demo" / "fleet.toml"


def run(wish: Wish, show: Callable[[Report], None], began: float) -> Report:
    """Run it all and show the report; ``began`` is when the person asked for it (monotonic).

    Raises FleetError, Interrupted; whatever was started is ended, temporary files are gone.
    """
    with ExitStack() as stack:
        deafen = stack.enter_context(interruptible())
        folder = stack.enter_context(_folder(wish.folder))
        screen = stack.enter_context(Screen(ERP.rate_per_s or 0, began))
        fleet = stack.enter_context(_fleet(folder, wish, screen))
        stack.callback(deafen)
        start_s = time.monotonic() - began
        stage = stack.enter_context(staged(fleet, wish, screen))
        stack.callback(deafen)
        sale_s = stage.play(wish)
        report = stage.report(wish, Times(time.monotonic() - began, start_s, sale_s))
        show(report)
        stage.tell_stories(report)
        if wish.keep:
            _stay(fleet, screen)
    return report


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        yield wanted
        return
    made = Path(tempfile.mkdtemp(prefix="millrace-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def _fleet(folder: Path, wish: Wish, screen: Screen) -> Iterator[RunningFleet]:
    """A fleet of its own: nothing of the person's settings or services is touched."""
    options = (("--rate", ERP.rate_per_s), ("--burst", ERP.burst), ("--concurrency", ERP.concurrency))
    words = tuple(str(word) for option in options for word in option)
    try:
        fleet = start_fleet(
            _settings(),
            folder,
            tell=screen.say,
            flower=wish.flower,
            console=wish.keep,
            sandbox_options=words,
            throwaway=wish.folder is None,
        )
    except LocalServiceError as error:
        raise FleetError(str(error)) from error
    with fleet:
        yield fleet


def _settings() -> Settings:
    return load_settings(environment={}, fleet_file=FLEET_FILE, receiver_port=0, flower_port=0, console_port=0)


def _stay(fleet: RunningFleet, screen: Screen) -> None:
    """Leave everything running until the person has seen enough."""
    screen.say("the fleet stays up; Ctrl-C ends it")
    for what, url in fleet.urls.items():
        screen.say(f"  {what:<9} {url}{fleet.login_of(what)}")
    screen.say(f"  for other commands:  set -a; . {fleet.env_file}; set +a")
    try:
        while True:
            check(fleet)
            time.sleep(LOOK_EVERY_S)
    except Interrupted:
        screen.say("stopping")
