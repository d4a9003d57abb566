"""The open channel: canonical documents signed by Standard Webhooks, for apps, portals and tools of our own."""

from adapters.channels.open.channel import OpenChannel

__all__ = ["OpenChannel"]
