"""Reads docker-compose.yml by a strict model of the parts of the Compose format that it uses."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

ROOT = Path(__file__).parents[1]
Duration = Annotated[str, Field(pattern=r"^(\d+m)?(\d+s)?$", min_length=2)]
Bytes = Annotated[str, Field(pattern=r"^\d+[kmg]$")]
Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Mount(Part):
    source: str
    target: str


class Wait(Part):
    condition: Condition


class Healthcheck(Part):
    test: list[str] = []
    interval: Duration = "30s"
    timeout: Duration = "30s"
    retries: int = 3
    start_period: Duration = "0s"
    disable: bool = False


class Amount(Part):
    cpus: str | None = None
    memory: Bytes | None = None


class Resources(Part):
    limits: Amount
    reservations: Amount | None = None


class Deploy(Part):
    resources: Resources


class Logging(Part):
    driver: Literal["json-file"]
    options: dict[str, str]


class Service(Part):
    image: str
    build: str | None = None
    restart: str | None = None
    hostname: str | None = None
    init: bool = False
    user: str | None = None
    read_only: bool = False
    profiles: list[str] = []
    entrypoint: list[str] | None = None
    command: list[str] = []
    environment: dict[str, str] = {}
    depends_on: dict[str, Wait] = {}
    configs: list[str | Mount] = []
    secrets: list[str | Mount] = []
    volumes: list[str] = []
    tmpfs: list[str] = []
    shm_size: Bytes | None = None
    ports: list[str] = []
    networks: list[str]
    cap_drop: list[str] = []
    security_opt: list[str] = []
    ulimits: dict[str, dict[str, int]] = {}
    stop_signal: str | None = None
    stop_grace_period: Duration | None = None
    healthcheck: Healthcheck
    deploy: Deploy
    logging: Logging

    @property
    def own(self) -> bool:
        """One of our roles."""
        return self.build is not None

    @property
    def secret_paths(self) -> dict[str, str]:
        """Where each secret is mounted, by name."""
        named = [s if isinstance(s, Mount) else Mount(source=s, target=s) for s in self.secrets]
        return {s.source: s.target if s.target.startswith("/") else f"/run/secrets/{s.target}" for s in named}

    @property
    def config_paths(self) -> dict[str, str]:
        """Where each config is mounted, by name."""
        return {c.source: c.target for c in self.configs if isinstance(c, Mount)}

    @property
    def published(self) -> list[tuple[str, str]]:
        """(address, port) of what the machine offers; a variable stands for its default."""
        plain = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", port) for port in self.ports]
        return [(port.rsplit(":", 2)[0], port.rsplit(":", 2)[1]) for port in plain]

    def lines(self) -> list[list[str]]:
        """The command lines it runs, as words."""
        if self.entrypoint is None:
            return [["millrace", *self.command]]
        return [line.removeprefix("exec ").split() for line in self.command[-1].split(" && ")]


class File(Part):
    file: str


class Network(Part):
    internal: bool = False


class Nothing(Part):
    pass


class Compose(Part):
    name: str
    services: dict[str, Service]
    networks: dict[str, Network]
    volumes: dict[str, Nothing]
    configs: dict[str, File]
    secrets: dict[str, File]


def read_compose(replaced: dict[str, str] | None = None) -> Compose:
    """The whole file; every occurrence of a key of ``replaced`` gives way to its value first. Raises ValidationError."""
    whole: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    text = json.dumps({key: value for key, value in whole.items() if not key.startswith("x-")})
    if replaced:
        text = re.sub("|".join(map(re.escape, replaced)), lambda found: replaced[found[0]], text)
    return Compose.model_validate_json(text)
