"""Runs the naming of peak profiles on the command line: completion, the files of the folder, the check with the nearest name."""

from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.exits import Exit
from workers.cli.output import fail

if TYPE_CHECKING:
    from config.peaks import PeakProfile
    from config.settings import Settings


def complete_profile(incomplete: str) -> list[str]:
    """Profiles of the folder that begin so; none if it cannot be read."""
    from config.nearest import ConfigError
    from config.settings import load_settings

    try:
        return sorted(path.stem for path in load_settings().peaks_folder.glob("*.toml") if path.stem.startswith(incomplete))
    except (ConfigError, OSError):
        return []


ProfileName = Annotated[str, typer.Argument(help="The profile.", autocompletion=complete_profile, show_default=False)]


def profiles_of(loaded: "Settings") -> "dict[str, PeakProfile]":
    """Every profile of the settings' folder; a wrong file ends the command with code 2."""
    from config.nearest import ConfigError
    from config.peaks import load_profiles

    try:
        return load_profiles(loaded.peaks_folder)
    except ConfigError as error:
        fail(str(error), Exit.USAGE)


def profile_named(loaded: "Settings", name: str) -> "PeakProfile":
    """One profile that fits the fleet; else the command ends and names the nearest, or what does not fit."""
    from config.nearest import ConfigError, hint
    from config.peaks import load_profile

    path = loaded.peaks_folder / f"{name}.toml"
    known = sorted(one.stem for one in loaded.peaks_folder.glob("*.toml"))
    if name not in known:
        fail(f"no peak profile {name!r} in {loaded.peaks_folder}; {hint(name, known)}", Exit.NOT_FOUND)
    try:
        profile = load_profile(path)
        profile.fits(loaded.fleet)
    except ConfigError as error:
        fail(str(error), Exit.USAGE)
    return profile
