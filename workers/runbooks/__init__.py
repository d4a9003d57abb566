"""Runs runbooks: what is done in a known trouble, checked before, done step by step, verified on the living system, undone."""
