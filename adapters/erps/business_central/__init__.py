"""Business Central: API v2.0, keyed by the external document number, looked up before every write."""
