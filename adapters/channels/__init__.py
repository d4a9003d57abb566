"""Channels: systems that tell us events."""
