"""Migrations of the ledger, applied by `millrace db upgrade`."""
