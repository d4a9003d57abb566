"""Runs the notifier: what is wrong is seen, kept in the ledger's book of alerts, and told once, grouped, until it is over."""
