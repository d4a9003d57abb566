"""Names every channel there is: a new one is its folder, its line here and its recorded examples."""

from collections.abc import Mapping

from adapters.channels.base import Channel
from adapters.channels.open import OpenChannel
from adapters.channels.shopify import Shopify
from config.nearest import ConfigError, hint

CHANNELS: Mapping[str, Channel] = {"shopify": Shopify(), "open": OpenChannel()}


def channel(name: str) -> Channel:
    """The channel of this name, as fleet.toml calls it. Raises ConfigError that names the nearest one."""
    try:
        return CHANNELS[name]
    except KeyError:
        raise ConfigError(f"channel {name!r} does not exist; {hint(name, CHANNELS)}") from None
