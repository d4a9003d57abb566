"""HTTP: the only way out."""
