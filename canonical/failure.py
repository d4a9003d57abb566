"""Names the ways a row can fail to move on, with who owns it and what to do next."""

from dataclasses import dataclass
from enum import StrEnum


class FailureClass(StrEnum):
    """Why a row is parked: the owner differs by class."""

    MALFORMED = "malformed"
    """The event cannot be understood: the channel's owner or the mapping's."""
    REJECTED = "rejected"
    """The target, or our own master data, refuses it: a business exception."""
    EXHAUSTED = "exhausted"
    """Retried to the end and still unavailable: operations."""
    POISON = "poison"
    """It kills the process that works on it: developers."""
    DEFECT = "defect"
    """Our own code failed on it in a way it cannot name: developers."""
    ORPHAN = "orphan"
    """Its predecessor never came: the channel's owner."""


OWNER_OF: dict[FailureClass, str] = {
    FailureClass.MALFORMED: "integration",
    FailureClass.REJECTED: "business",
    FailureClass.EXHAUSTED: "operations",
    FailureClass.POISON: "development",
    FailureClass.DEFECT: "development",
    FailureClass.ORPHAN: "integration",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What a parked row carries: class, stable code, reason without personal data, and the remedy to try."""

    cls: FailureClass
    code: str
    reason: str
    remedy: str

    @property
    def owner(self) -> str:
        """The team that answers for this class."""
        return OWNER_OF[self.cls]
