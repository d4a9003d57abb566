"""Throttle: permits to call an outside account."""
