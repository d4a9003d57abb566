"""Dramatiq on its worker threads."""
