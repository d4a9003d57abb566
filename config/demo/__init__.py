"""Sets the fleet that `millrace demo` runs."""
