"""Finds the programs of the private services, and says what to type when one is missing."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workers.local.service import PATH, LocalServiceError

SERVICES = ("rabbitmq", "redis")
"""What the embedded fleet needs; the tests need "postgres" too."""

_PACKAGES = {"rabbitmq": "rabbitmq-server", "redis": "redis-server", "postgres": "postgresql"}
_PROGRAMS = {"rabbitmq": "rabbitmq-server", "redis": "redis-server", "postgres": "postgres"}
_PACKAGE_OF = {"rabbitmq-server": "rabbitmq-server", "epmd": "rabbitmq-server", "redis-server": "redis-server"}

_FOLDERS = {
    # Debian's /usr/sbin/rabbitmq-server refuses everybody but root and its own account: take the script behind it
    "rabbitmq-server": ("/usr/lib/rabbitmq/bin",),
    "postgres": ("/usr/lib/postgresql/*/bin",),
    "initdb": ("/usr/lib/postgresql/*/bin",),
}


@dataclass(frozen=True)
class Missing:
    """Packages the machine lacks, and the two ways out."""

    packages: tuple[str, ...]

    @property
    def install_line(self) -> str:
        """What to type on Debian and its kin."""
        prefix = "" if os.geteuid() == 0 else "sudo "
        return f"{prefix}apt-get install -y {' '.join(self.packages)}"

    @property
    def compose_line(self) -> str:
        """What to type where Docker is at hand: the services come from there instead."""
        return "docker compose up"

    def __str__(self) -> str:
        return f"missing: {', '.join(self.packages)}\n  type:  {self.install_line}\n  or:    {self.compose_line}"


def find_missing(services: Iterable[str] = SERVICES) -> Missing | None:
    """What has to be installed for these services ("rabbitmq", "redis", "postgres"), or None."""
    packages = tuple(_PACKAGES[name] for name in services if _find(_PROGRAMS[name]) is None)
    return Missing(packages) if packages else None


def program(name: str) -> str:
    """The path of a service's program. Raises LocalServiceError with the line to type."""
    found = _find(name)
    if found is None:
        raise LocalServiceError(f"{name} is not installed; {Missing((_PACKAGE_OF.get(name, 'postgresql'),))}")
    return found


def _find(name: str) -> str | None:
    for pattern in _FOLDERS.get(name, ()):
        folders = sorted(Path("/").glob(pattern.lstrip("/")), key=_newest, reverse=True)
        for folder in folders:
            if (folder / name).is_file():
                return str(folder / name)
    return shutil.which(name) or shutil.which(name, path=PATH)


def _newest(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0
