"""Masks the records of the standard library's logging: what Celery, kombu, granian and others say."""

import logging
from collections.abc import Callable, Mapping

from telemetry.fields import LONGEST_TEXT
from telemetry.masking import mask_text

WITHHELD = "[withheld]"
_TOLD_KEYS = frozenset({"name", "id", "hostname", "runtime", "pid", "status", "exitcode"})
"""Named arguments of Celery's own messages that hold no task argument, result or error text."""

Write = Callable[[int, str, str, BaseException | None], None]


class ForeignRecords(logging.Handler):
    """Hands each record on as level, logger, masked text and error. A record it cannot write is dropped, never printed raw."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; called by `logging`."""
        error = record.exc_info[1] if record.exc_info else None
        try:
            self._write(record.levelno, record.name, masked_message(record, error), error)
        except Exception:  # noqa: BLE001 - logging must not fail the work that logs
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - overrides logging.Handler
        """Stay silent: the default prints the record's arguments unmasked."""


def masked_message(record: logging.LogRecord, error: BaseException | None) -> str:
    """The record's text without exception texts, task arguments and results, masked and shortened."""
    text = str(record.msg)
    if record.args:
        try:
            text = text % _shown_args(record.args, failing=error is not None)
        except (TypeError, ValueError, KeyError):
            text = f"{text} {WITHHELD}"
    if error is not None and str(error):
        text = text.replace(str(error), WITHHELD)
    return mask_text(text)[:LONGEST_TEXT]


def _shown_args(args: tuple[object, ...] | Mapping[str, object], failing: bool) -> object:
    if isinstance(args, Mapping):
        return {key: value if key in _TOLD_KEYS else Withheld(value) for key, value in args.items()}
    return tuple(_shown(value, failing) for value in args)


def _shown(value: object, failing: bool) -> object:
    if isinstance(value, int | float):
        return value
    if isinstance(value, BaseException):
        return Withheld(value)
    return str(value) if isinstance(value, str) and not failing else Withheld(value)


class Withheld:
    """Stands in for a value in a message: shows the type of what it hides, and no more."""

    def __init__(self, hidden: object) -> None:
        self._shown = f"[{type(hidden).__name__} withheld]"

    def __repr__(self) -> str:
        """Show the placeholder; `%s` and `%r` read alike."""
        return self._shown
