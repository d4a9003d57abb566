"""Runs the end of a process that served: all that is to be done at exit, and then no taking apart of the interpreter."""

import atexit
import os
import sys
from typing import NoReturn


def leave(code: int = 0) -> NoReturn:
    """End this process with ``code`` once what was registered for its exit is done and its output is written.

    An embedded granian leaves threads behind that may still ask for the interpreter. Where that happens while it is taken
    apart, the process panics or aborts although all its work was done (granian's issue 693).
    """
    atexit._run_exitfuncs()  # noqa: SLF001  there is no public way
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
