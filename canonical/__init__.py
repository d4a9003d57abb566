"""Canonical names: the frozen models every package speaks in."""
