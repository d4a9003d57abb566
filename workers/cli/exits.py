"""Names the exit codes every command keeps to."""

from enum import IntEnum


class Exit(IntEnum):
    """0 done; 1 failed; 2 used wrongly; 3 not found; 4 refused; 5 done in part; 69 a service is away; 75 try again later."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    PARTIAL = 5
    UNAVAILABLE = 69
    TEMPORARY = 75
    INTERRUPTED = 130


EPILOG = "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused, 5 in part, 69 service away, 75 try again, 130 interrupted."
