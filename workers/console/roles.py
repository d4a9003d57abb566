"""Runs what a person may: four roles, each holding the permissions of those below it."""

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """What a page needs."""

    READ = "read"
    OPERATE = "operate"
    APPROVE = "approve"
    ADMIN = "admin"


class Role(StrEnum):
    """What a person is, lowest first."""

    READER = "reader"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


MEANING = {
    Permission.READ: "see every page",
    Permission.OPERATE: "pause and resume, edit and replay, run what is routine",
    Permission.APPROVE: "apply what changes the whole fleet: profiles, runbooks, large replays",
    Permission.ADMIN: "what cannot be taken back",
}
"""Each permission in words."""

_HOLDS = dict(zip(Role, (tuple(Permission)[: number + 1] for number in range(len(Role))), strict=True))


@dataclass(frozen=True, slots=True)
class User:
    """A person who signed in."""

    name: str
    role: Role

    def may(self, permission: Permission) -> bool:
        """Whether the role holds the permission."""
        return permission in held_by(self.role)


def held_by(role: Role) -> tuple[Permission, ...]:
    """The permissions of a role.

    >>> [str(one) for one in held_by(Role.OPERATOR)]
    ['read', 'operate']
    """
    return _HOLDS[role]
