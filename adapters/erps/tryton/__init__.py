"""Tryton 8.2 over its REST API."""
