"""Config sets: settings, fleet and topology data."""
