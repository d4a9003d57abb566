"""Tasks do: one file per domain, one wrapper around steps."""
