"""Remembers what rows have in common: the columns of a failure, and the classes that a message may serve."""

from datetime import datetime

from canonical.failure import Failure

CLASSES = ("high", "normal", "low")
"""Classes of rows, the highest first."""


def served_as(cls: str) -> tuple[str, ...]:
    """Classes of rows that a message of class ``cls`` may serve: its own and the higher ones. A row that was moved down since
    the message was written is not served before its turn; one that was moved up is served by whichever message comes first.

    >>> served_as("normal")
    ('high', 'normal')
    """
    return CLASSES[: CLASSES.index(cls) + 1]


def failure_values(failure: Failure | None, now: datetime) -> dict[str, object]:
    """Column values of a failure; all None clears an earlier one."""
    return {
        "failure_class": failure.cls.value if failure else None,
        "failure_code": failure.code if failure else None,
        "failure_reason": failure.reason if failure else None,
        "failure_remedy": failure.remedy if failure else None,
        "failed_at": now if failure else None,
    }
