"""Remembers a failure in the columns that every row that can fail has."""

from datetime import datetime

from canonical.failure import Failure


def failure_values(failure: Failure | None, now: datetime) -> dict[str, object]:
    """Column values of a failure; all None clears an earlier one."""
    return {
        "failure_class": failure.cls.value if failure else None,
        "failure_code": failure.code if failure else None,
        "failure_reason": failure.reason if failure else None,
        "failure_remedy": failure.remedy if failure else None,
        "failed_at": now if failure else None,
    }
