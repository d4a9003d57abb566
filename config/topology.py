"""Sets the broker's topology: reads topology.toml, the one file of data behind every queue."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.nearest import ConfigError, explain

TOPOLOGY_FILE = Path(__file__).with_name("topology.toml")


class TopologyTable(BaseModel):
    """Domains, classes, the delivery limit, and the ladder's rungs in seconds, ascending."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domains: tuple[str, ...] = Field(min_length=1)
    classes: tuple[str, ...] = Field(min_length=1)
    delivery_limit: int = Field(ge=1, le=100)
    ladder_s: tuple[Annotated[int, Field(ge=1, le=86_400)], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ladder_rises(self) -> "TopologyTable":
        if list(self.ladder_s) != sorted(set(self.ladder_s)):
            raise ValueError("ladder_s must rise without repeats")
        return self


@cache
def load_topology(path: Path = TOPOLOGY_FILE) -> TopologyTable:
    """Read and check the file. Raises ConfigError."""
    try:
        return TopologyTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from None
    except ValidationError as error:
        raise ConfigError(explain(error, TopologyTable, str(path))) from None
