"""Routing decides: names, topology, classes, weights, backoff, destinations."""
