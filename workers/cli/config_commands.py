"""Runs `millrace config check`: proves the configuration and prints what is in force, secrets masked."""

from typing import TYPE_CHECKING, Any

import typer

from workers.cli.exits import EPILOG, Exit
from workers.cli.output import Json, fail, say, show_json, show_table

if TYPE_CHECKING:
    from config.settings import Secrets, Settings

config = typer.Typer(help="Settings and fleet file.", epilog=EPILOG, no_args_is_help=True)


@config.callback()
def _noun() -> None:
    """Keep `check` a verb of its own while it is the only one."""


@config.command("check", epilog="Example: MILLRACE_FLEET_FILE=fleet.toml millrace config check --json")
def check(as_json: Json = False) -> None:
    """Check settings, fleet file, peak profiles, topology and secrets; print what is in force with secrets masked."""
    from config.nearest import ConfigError
    from config.settings import load_secrets
    from config.topology import load_topology
    from workers.cli.wiring import settings

    loaded = settings()
    try:
        secrets = load_secrets()
        topology = load_topology()
        _prove_adapters(loaded, secrets)
        profiles, misfits = _proved_profiles(loaded)
    except ConfigError as error:
        fail(str(error), Exit.USAGE)
    effective: dict[str, Any] = {
        "settings": _masked(loaded.model_dump()),
        "fleet": loaded.fleet.model_dump(mode="json", by_alias=True),
        "peaks": profiles,
        "topology": topology.model_dump(mode="json"),
        "secrets": sorted(secrets),
    }
    missing = _missing_secrets(effective["fleet"], set(secrets))
    if as_json:
        show_json(effective | {"missing_secrets": missing})
    else:
        show_table(["setting", "value"], sorted((name, str(value)) for name, value in effective["settings"].items()))
        say(f"sources: {', '.join(effective['fleet']['sources'])}; targets: {', '.join(effective['fleet']['targets'])}")
        for told in _promises(effective["fleet"]["sources"]):
            say(told)
        say(f"peak profiles: {', '.join(profiles) or 'none'}")
        say(f"secrets set: {', '.join(effective['secrets']) or 'none'}")
    if missing:
        names = ", ".join(f"MILLRACE_SECRET_{name}" for name in missing)
        fail(f"secrets that the fleet file names are not set: {names} (or the same with _FILE)", Exit.FAILED)
    for told in misfits:
        say(f"a shipped profile does not fit this fleet: {told}; have your own in a folder, MILLRACE_PEAKS_FOLDER")
    say("configuration is right")


def _promises(sources: dict[str, Any]) -> list[str]:
    """What sources say of stock beside their documents."""
    return [
        *(f"{name} counts for {one['speaks_for']}" for name, one in sources.items() if one["speaks_for"]),
        *(f"{name} reserves within {one['reserves_within_s']:g} s" for name, one in sources.items() if one["reserves_within_s"]),
    ]


def _masked(values: dict[str, Any]) -> dict[str, Any]:
    from pydantic import SecretStr

    return {name: ("***" if value.get_secret_value() else "") if isinstance(value, SecretStr) else str(value)
            for name, value in values.items()}  # fmt: skip


def _prove_adapters(loaded: "Settings", secrets: "Secrets") -> None:
    """Raises ConfigError for a channel, an adapter or one of its options that does not exist."""
    from workers.bootstrap import build_channels, build_erp

    build_channels(loaded.fleet)
    for name, target in loaded.fleet.targets.items():
        if target.secret is None or target.secret in secrets:
            build_erp(name, target, secrets, loaded.sandbox_url)


def _proved_profiles(loaded: "Settings") -> tuple[list[str], list[str]]:
    """Names of the peak profiles, and what of the shipped ones does not fit the fleet. Raises ConfigError for all that is wrong
    in a folder of one's own.
    """
    from config.nearest import ConfigError
    from config.peaks import SHIPPED, load_profiles

    profiles, misfits = load_profiles(loaded.peaks_folder), []
    for name, profile in profiles.items():
        try:
            profile.fits(loaded.fleet)
        except ConfigError as error:
            told = f"{loaded.peaks_folder / f'{name}.toml'}: {error}"
            if loaded.peaks_folder != SHIPPED:
                raise ConfigError(told) from None
            misfits.append(told.replace("\n", "; "))
    return list(profiles), misfits


def _missing_secrets(fleet: dict[str, Any], known: set[str]) -> list[str]:
    named = [name for source in fleet["sources"].values() for name in source["secrets"]]
    named += [target["secret"] for target in fleet["targets"].values() if target["secret"]]
    return sorted(set(named) - known)
