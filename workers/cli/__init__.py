"""Runs the `millrace` command: noun then verb, tables for people, --json for programs, documented exit codes."""
