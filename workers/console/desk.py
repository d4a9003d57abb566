"""Runs what the console's pages work with: the context of the tasks, the look at the lanes, the templates, the clock."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context as TemplateContext
from markupsafe import Markup

import ledger.peaks
from config.fleet import Fleet
from config.settings import Settings
from tasks.context import Context
from workers.console.checks import Checks
from workers.console.page import Page
from workers.console.words import FILTERS
from workers.lanes import Lookout

THREADS = 8
STATIC = Path(__file__).with_name("static")
_TEMPLATES = Path(__file__).with_name("templates")
_PEAK_FOR_S = 1.0


class Desk:
    """One console's tools. Thread-safe; a thread has its own look at the lanes."""

    def __init__(self, context: Context, settings: Settings, pages: Sequence[Page] = ()) -> None:
        self.context = context
        self.settings = settings
        self.menu = [page for page in pages if page.menu]
        self.checks = Checks()
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="console")
        self._own = threading.local()
        self._lookouts: list[Lookout] = []
        self._peak: tuple[datetime, str | None] | None = None
        self._templates = _environment(self)

    @property
    def fleet(self) -> Fleet:
        """The fleet file."""
        return self.context.fleet

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time, aware, UTC."""
        return self.context.now

    def lookout(self) -> Lookout:
        """The look at the lanes of the thread that asks; it stays open."""
        found: Lookout | None = getattr(self._own, "lookout", None)
        if found is None:
            redis, broker = self.settings.redis_url.get_secret_value(), self.settings.broker_url.get_secret_value()
            found = self._own.lookout = Lookout(self.fleet, self.context.ledger, redis_url=redis, broker_url=broker)
            self._lookouts.append(found)
        return found

    def render(self, template: str, **values: object) -> str:
        """A template with values; for parts that are shared by all viewers, and by `Visit.show` for pages."""
        return self._templates.get_template(template).render(**values)

    def peak(self) -> str | None:
        """Name of the peak profile in force; None without. At most a second old."""
        now = self.clock()
        if self._peak is None or not 0 <= (now - self._peak[0]).total_seconds() < _PEAK_FOR_S:
            self._peak = (now, _peak_in_force(self))
        return self._peak[1]

    def close(self) -> None:
        """End the threads and close every connection but the context's."""
        self.threads.shutdown(wait=True, cancel_futures=True)
        for lookout in self._lookouts:
            lookout.close()


def _peak_in_force(desk: Desk) -> str | None:
    with desk.context.ledger.read() as session:
        found = ledger.peaks.in_force(session)
    return None if found is None else found.name


def _environment(desk: Desk) -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    digests = {path.relative_to(STATIC).as_posix(): _digest(path) for path in STATIC.rglob("*") if path.is_file()}
    made.filters.update(FILTERS)
    made.globals.update(
        menu=desk.menu,
        peak=desk.peak,
        now=desk.clock,
        environment_name=desk.settings.environment,
        asset=lambda name: f"/static/{name}?v={digests[name]}",
        csrf=_csrf_field,
    )
    return made


@pass_context
def _csrf_field(context: TemplateContext) -> Markup:
    return Markup('<input type="hidden" name="csrf" value="{}">').format(context["csrf_token"])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
