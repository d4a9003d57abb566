"""Ledger remembers: the only SQL."""
