"""Workers run: processes, wiring and the command line."""
