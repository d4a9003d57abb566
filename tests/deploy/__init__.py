"""Tests of what is shipped for running: rules, dashboards, manifests."""
