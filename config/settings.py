"""Sets one frozen Settings object: toml < environment (``MILLRACE_*``, ``MILLRACE_*_FILE``) < command line."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from config.fleet import Fleet, load_fleet
from config.nearest import ConfigError, explain, hint

PREFIX = "MILLRACE_"
SECRET_PREFIX = "MILLRACE_SECRET_"
AUDIT_KEY_LENGTH = 32
DEFAULT_FLEET = Path(__file__).with_name("fleet.toml")
DEFAULT_PEAKS = Path(__file__).with_name("peaks")


class Settings(BaseSettings):
    """Where things are and how loudly they speak. Secrets come from ``MILLRACE_SECRET_<NAME>[_FILE]``.

    A URL left empty means: `millrace up` starts a private service and fills it in.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=PREFIX)

    environment: str = "development"
    fleet_file: Path = DEFAULT_FLEET
    peaks_folder: Path = Field(default=DEFAULT_PEAKS, description="peak profiles, one file each")
    data_dir: Path = Path("var")
    broker_url: SecretStr = SecretStr("")
    broker_api_url: SecretStr = SecretStr("")
    ledger_url: SecretStr = SecretStr("")
    redis_url: SecretStr = SecretStr("")
    audit_key: SecretStr = Field(default=SecretStr(""), description="seals the audit chain; several, the newest first, by commas")
    sandbox_url: str = Field(default="", description="replaces the url of targets with sandbox = true")
    receiver_host: str = "127.0.0.1"
    receiver_port: int = Field(default=8700, ge=0, le=65_535)
    flower_host: str = "127.0.0.1"
    flower_port: int = Field(default=8755, ge=0, le=65_535)
    flower_login: SecretStr = Field(default=SecretStr(""), description="user:password; Flower does not start without")
    flower_read_only: bool = False
    console_host: str = "127.0.0.1"
    console_port: int = Field(default=8760, ge=0, le=65_535)
    console_hosts: str = Field(default="", description="names the console is reached by, by commas; the loopback's always are")
    console_users_file: str = Field(default="", description="names, roles and scrypt hashes; the console does not start without")
    console_session_s: float = Field(default=43_200, ge=60, le=604_800)
    console_idle_s: float = Field(default=1_800, ge=60, le=86_400)
    metrics_host: str = "127.0.0.1"
    scale_drain_within_s: float = Field(
        default=900.0, gt=0, description="the time in which what waits should be done: how many workers the scale signal asks for"
    )
    metrics_port: int = Field(default=0, ge=0, le=65_535, description="0: no metrics port on workers")
    metrics_dir: str = Field(default="", description="set by a prefork worker for its processes; leave it empty")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console", "auto"] = "auto"
    notify_email_to: str = Field(default="", description="addresses that alerts go to, with commas between")
    notify_email_from: str = ""
    notify_smtp_url: SecretStr = Field(default=SecretStr(""), description="smtps://user:password@host or smtp:// with STARTTLS")
    notify_webhook_urls: SecretStr = Field(default=SecretStr(""), description="URLs that alerts go to, with commas between")
    notify_webhook_secret: SecretStr = Field(default=SecretStr(""), description="whsec_..., signs them")
    notify_repeat_s: float = Field(default=14_400.0, gt=0, description="an alert that lasts is told again")
    notify_group_wait_s: float = Field(default=10.0, ge=0, description="alerts that begin within are told together")
    notify_clear_after_s: float = Field(default=60.0, ge=0, description="an alert that is not seen for so long is over")
    notify_inbox_host: str = "127.0.0.1"
    notify_inbox_port: int = Field(default=0, ge=0, le=65_535, description="takes Alertmanager's webhooks; 0: closed")
    notify_inbox_token: SecretStr = Field(default=SecretStr(""), description="bearer token that Alertmanager must send")
    sentry_dsn: SecretStr = SecretStr("")
    otel_endpoint: str = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` merged: the layers are resolved in one place, below."""
        return (init_settings,)

    @field_validator("audit_key")
    @classmethod
    def _long_keys(cls, value: SecretStr) -> SecretStr:
        if any(len(key) < AUDIT_KEY_LENGTH for key in _keys(value)):
            raise ValueError(f"each key has at least {AUDIT_KEY_LENGTH} characters; make one with: openssl rand -hex 32")
        return value

    @property
    def audit_keys(self) -> tuple[bytes, ...]:
        """The keys of the audit chain: the first seals, all of them check."""
        return tuple(key.encode() for key in _keys(self.audit_key))

    @cached_property
    def fleet(self) -> Fleet:
        """The checked fleet file. Raises ConfigError."""
        return load_fleet(self.fleet_file)


class Secrets(Mapping[str, bytes]):
    """Secrets by name. Never printed: its repr tells the names only."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = dict(values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> bytes:
        try:
            return self._values[name]
        except KeyError:
            wanted = f"{SECRET_PREFIX}{name}"
            raise ConfigError(f"secret {name!r} is not set: export {wanted} or {wanted}_FILE") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"


def load_settings(environment: Mapping[str, str] | None = None, file: Path | None = None, **command_line: object) -> Settings:
    """Merge the layers and check them. Raises ConfigError naming every wrong key and the nearest right one.

    ``environment`` defaults to the process's own; ``file`` to ``MILLRACE_SETTINGS_FILE`` if that is set.
    """
    env = os.environ if environment is None else environment
    chosen = file or (Path(env["MILLRACE_SETTINGS_FILE"]) if env.get("MILLRACE_SETTINGS_FILE") else None)
    layers = _from_file(chosen) | _from_environment(env) | {k: v for k, v in command_line.items() if v is not None}
    try:
        return Settings.model_validate(layers)
    except ValidationError as error:
        raise ConfigError(explain(error, Settings, "settings")) from None


def load_secrets(environment: Mapping[str, str] | None = None) -> Secrets:
    """Every ``MILLRACE_SECRET_<NAME>`` and ``MILLRACE_SECRET_<NAME>_FILE``. Raises ConfigError for an unreadable file."""
    env = os.environ if environment is None else environment
    found: dict[str, bytes] = {}
    for name, value in env.items():
        if name.startswith(SECRET_PREFIX):
            short = name.removeprefix(SECRET_PREFIX)
            if short.endswith("_FILE"):
                found[short.removesuffix("_FILE")] = _file_text(name, value).encode()
            else:
                found.setdefault(short, value.encode())
    return Secrets(found)


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment a child process needs to load exactly these settings; secrets by name are inherited."""
    child = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        child[f"{PREFIX}{name.upper()}"] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return child


def _keys(value: SecretStr) -> list[str]:
    return [key.strip() for key in value.get_secret_value().split(",") if key.strip()]


def _is_setting(name: str) -> bool:
    return name.startswith(PREFIX) and not name.startswith(SECRET_PREFIX)


def _from_file(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        return dict(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}") from None


def _from_environment(env: Mapping[str, str]) -> dict[str, object]:
    layer: dict[str, object] = {}
    for name, value in env.items():
        if not _is_setting(name) or name == "MILLRACE_SETTINGS_FILE":
            continue
        key = name.removeprefix(PREFIX).lower()
        if key in Settings.model_fields:
            layer[key] = value
        elif key.removesuffix("_file") in Settings.model_fields:
            layer[key.removesuffix("_file")] = _file_text(name, value)
        else:
            known = [f"{PREFIX}{field.upper()}" for field in Settings.model_fields]
            raise ConfigError(f"environment: {name}: unknown setting; {hint(name, known)}")
    return layer


def _file_text(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"environment: {name}: cannot read {path}: {error.strerror}") from None
