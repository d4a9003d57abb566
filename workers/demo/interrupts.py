"""Turns Ctrl-C, a termination and a hang-up into one exception, once: what tidies up is never interrupted itself."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):  # noqa: N818  a wish of the person, not an error
    """The person, or the system, wants it to end now."""


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Raise Interrupted in the main thread at the first signal; the function given back makes the rest deaf to more."""
    deaf = False

    def ignore() -> None:
        nonlocal deaf
        deaf = True

    def end(_number: int, _frame: FrameType | None) -> None:
        if not deaf:
            ignore()
            raise Interrupted

    before = {number: signal.signal(number, end) for number in _ENDINGS}
    try:
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
