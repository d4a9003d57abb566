"""Runs a peak before it comes: production's own picking, limits and routing under a clock that jumps."""
