"""Runs the console: pages for people who operate the fleet, behind a sign-in, live without reload."""
