"""Runs the garbage collector seldom: what a process loads at its start stays, and orders leave no cycles behind them.

The collector looks at everything that is alive again and again, after every 700 new objects; one order makes about as many.
That was a sixth of a worker's work. What does leave cycles (errors with their frames) is still found, a little later.
"""

import gc

NEW_OBJECTS = 20_000


def collect_seldom() -> None:
    """Call once a process, when everything is loaded and before a pool forks: children then share those pages as well."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 10, 50)
