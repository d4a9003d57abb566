"""Adapters speak: one file per outside system behind a small port."""
