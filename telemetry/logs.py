"""Logs what is told: one line per event, JSON or for a terminal, always to stderr."""

import logging
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog

from telemetry import bus
from telemetry.errors import chain
from telemetry.events import Name
from telemetry.fields import Value
from telemetry.foreign import ForeignRecords

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

_BY_STATE: Mapping[str, int] = {
    "start": DEBUG,
    "failed": ERROR,
    "broken": ERROR,
    "lost": ERROR,
    "paused": WARNING,
    "fallback": WARNING,
    "clamped": WARNING,
    "rejected": WARNING,
    "retried": WARNING,
}
_BY_NAME: Mapping[Name, int] = {
    Name.INTAKE_COMMIT_STOP: DEBUG,
    Name.DOCUMENT_WRITE_STOP: DEBUG,
    Name.DELIVERY_CLAIM_STOP: DEBUG,
    Name.ERP_EXCHANGE_STOP: DEBUG,
    Name.LANE_THROTTLE_GRANTED: DEBUG,
    Name.LANE_THROTTLE_DENIED: DEBUG,
    Name.FETCH_PICK_STOP: DEBUG,
    Name.PUBLISH_BATCH_STOP: DEBUG,
    Name.RELAY_SWEEP_STOP: DEBUG,
    Name.EVENT_REFUSE_DONE: WARNING,
    Name.EVENT_PARK_DONE: WARNING,
    Name.DELIVERY_PARK_DONE: WARNING,
    Name.DEAD_RECORD_DONE: WARNING,
    Name.CLOCK_SKEW_SEEN: WARNING,
    Name.BROKER_ALARM_SEEN: WARNING,
    Name.TOPOLOGY_DRIFT_SEEN: WARNING,
}
_OWN_LOGGERS = ("millrace", "celery", "kombu", "_granian", "granian", "flower")


def level_of(name: Name) -> int:
    """The level an event is logged at: its own, or that of its state, or INFO."""
    return _BY_NAME.get(name, _BY_STATE.get(name.rpartition(".")[2], INFO))


def configure(level: str, json: bool | None = None, stream: TextIO | None = None) -> None:
    """Log events of `level` ("debug" to "error") and above to `stream` (stderr), as JSON or, on a terminal, for people.

    Also takes over the standard library's logging (celery, kombu, granian and the rest) with the same masking. Callers must
    keep Celery from replacing it: connect its `setup_logging` signal and set `worker_redirect_stdouts=False`; granian is
    started with `log_dictconfig=GRANIAN_LOGGING`. Called again (in a forked child, in a test) it replaces the former set-up.
    """
    target = sys.stderr if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    lines = Lines(target, not target.isatty() if json is None else json)
    bus.attach("logs", lines.tell, wants={name: None for name in Name if level_of(name) >= threshold})
    _take_over_foreign(ForeignRecords(lines.write), threshold)


GRANIAN_LOGGING: dict[str, Any] = {
    "formatters": {},
    "handlers": {},
    "loggers": {
        "_granian": {"handlers": [], "level": "INFO", "propagate": True},
        "granian.access": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}
"""Keeps granian from logging to stdout by itself: its records reach our handler through the root logger."""


class Lines:
    """Writes events as lines of one stream."""

    def __init__(self, stream: TextIO, json: bool) -> None:
        renderer: structlog.typing.Processor = (
            structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=stream.isatty())
        )
        self._logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
            structlog.WriteLogger(stream),
            processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.add_log_level, renderer],
            wrapper_class=structlog.make_filtering_bound_logger(DEBUG),
        )  # fmt: skip

    def tell(self, event: bus.Event) -> None:
        """Write one event of the bus."""
        shown: dict[str, object] = {("class" if name == "cls" else name): value for name, value in event.fields.items()}
        if event.dropped:
            shown["dropped_fields"] = event.dropped
        if event.error is not None:
            shown["errors"] = errors_shown(event.error)
        self._logger.log(level_of(event.name), event.name.value, **shown)

    def write(self, level: int, logger: str, detail: Value, error: BaseException | None) -> None:
        """Write one masked record of the standard library's logging."""
        shown: dict[str, object] = {"logger": logger, "detail": detail, **bus.bound()}
        if error is not None:
            shown["errors"] = errors_shown(error)
        self._logger.log(max(DEBUG, min(level, logging.CRITICAL) // 10 * 10), "log.write.done", **shown)


def errors_shown(error: BaseException) -> list[dict[str, object]]:
    """The chain of an error as plain values: types and places, no texts."""
    return [{"type": link.type_name, "frames": list(link.frames)} for link in chain(error)]


def _take_over_foreign(handler: logging.Handler, threshold: int) -> None:
    root = logging.getLogger()
    for earlier in [found for found in root.handlers if isinstance(found, ForeignRecords | logging.StreamHandler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    # Libraries we did not choose to hear speak up from WARNING on: below that they print requests and statements.
    root.setLevel(max(threshold, WARNING))
    for name in _OWN_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(threshold, INFO))
    logging.captureWarnings(capture=True)
